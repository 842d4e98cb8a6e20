package node

import (
	"encoding/json"
	"time"

	"thalassa/certs"
	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// A Certificate is a stored certificate, without keys. Its first fields describe the
// certificate of the first key, or the first authority.
type Certificate struct {
	ID   string `json:"id"`    // "certificate/KEY"
	Type string `json:"_type"` // "certificate"
	Key  string `json:"key"`
	// Kind is "pair" for certificates with keys, or "authority".
	Kind string `json:"kind"`
	X509
	// Expires is the end of the certificate of the chains that ends first.
	Expires time.Time `json:"expires"`
	// Files are one for each key, or one with all authorities.
	Files []CertificateFile `json:"files"`
	// UsedBy are the ids of the objects that name it; nil in a document of what changed.
	UsedBy []string `json:"usedBy,omitzero"`
	// ACME is the order and its state; absent: operators store the certificate.
	ACME *Order `json:"acme,omitempty"`
	// CRL are the revocation lists of authorities; absent: there are none.
	CRL *CRL `json:"crl,omitempty"`
}

// A CRL has revocation lists; lb.CRL has the meaning of its fields.
type CRL struct {
	Digest     string           `json:"digest"`
	NextUpdate time.Time        `json:"nextUpdate"` // when the first list expires
	Lists      []RevocationList `json:"lists"`
}

// A RevocationList is what one list says; lb.RevocationList has the meaning of its fields.
type RevocationList struct {
	Issuer     string    `json:"issuer"`
	Number     string    `json:"number,omitempty"`
	ThisUpdate time.Time `json:"thisUpdate"`
	NextUpdate time.Time `json:"nextUpdate"`
	Revoked    int       `json:"revoked"`
}

func newCRL(c *lb.CRL) *CRL {
	if c == nil {
		return nil
	}
	out := &CRL{Digest: c.Digest, NextUpdate: c.NextUpdate(), Lists: make([]RevocationList, len(c.Lists))}
	for i, l := range c.Lists {
		out.Lists[i] = RevocationList{Issuer: l.Issuer, Number: l.Number, ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate, Revoked: l.Revoked}
	}
	return out
}

// An Order is a certificate that is ordered by ACME.
type Order struct {
	OrderSpec
	*OrderState
}

// An OrderSpec is what is ordered; lb.ACME documents its fields.
type OrderSpec struct {
	Domains     []string `json:"domains"`
	Challenge   string   `json:"challenge"`
	Directory   string   `json:"directory"`
	DirectoryCA string   `json:"directoryCA,omitempty"`
	Email       string   `json:"email,omitempty"`
	KeyType     string   `json:"keyType"`
}

// An OrderState is the state of an order. Revisions do not have it.
type OrderState struct {
	State  string `json:"state"`  // "waiting", "ordering", "issued" or "failed"
	Issued bool   `json:"issued"` // false: a stand-in is served, which clients refuse
	Step   string `json:"step,omitempty"`
	// LastRenewal is when the last certificate was issued; absent: none was.
	LastRenewal *time.Time `json:"lastRenewal,omitempty"`
	Next        *time.Time `json:"next,omitempty"` // of the attempts
	// Window is when the server wants the certificate to be renewed; absent: it has not said.
	Window   *RenewalWindow `json:"window,omitempty"`
	Error    string         `json:"error,omitempty"` // of the last attempt, or what the order waits for
	Failures int            `json:"failures,omitempty"`
	// Alone says why this node does not share its orders with other nodes.
	Alone string `json:"alone,omitempty"`
}

// A RenewalWindow is lb.RenewalWindow.
type RenewalWindow struct {
	Start       time.Time `json:"start"`
	End         time.Time `json:"end"`
	Explanation string    `json:"explanation,omitempty"` // http or https URL
}

// A CertificateFile is what HAProxy loads as one file; lb.PEMFile documents its fields.
type CertificateFile struct {
	Digest  string `json:"digest"`
	KeyType string `json:"keyType,omitempty"`
	Chain   []X509 `json:"chain"`
	// OCSP is how the response that HAProxy staples stands; absent: no client gets the
	// certificate.
	OCSP *Staple `json:"ocsp,omitempty"`
}

// A Staple is how an OCSP response stands; lb.StapleStatus has the meaning of its fields.
type Staple struct {
	// State is "stapled", "waiting" for a response or for HAProxy, "failed", "revoked", or "none"
	// where no response is asked for.
	State      string     `json:"state"`
	MustStaple bool       `json:"mustStaple"`
	ThisUpdate *time.Time `json:"thisUpdate,omitempty"`
	NextUpdate *time.Time `json:"nextUpdate,omitempty"`
	Next       *time.Time `json:"next,omitempty"` // of the attempts
	Error      string     `json:"error,omitempty"`
	Failures   int        `json:"failures,omitempty"`
}

// AddStaples adds how the OCSP responses of the files stand, as of tells by their digests.
func (c *Certificate) AddStaples(of func(digest string) (lb.StapleStatus, bool)) {
	for i, f := range c.Files {
		s, ok := of(f.Digest)
		if !ok {
			continue
		}
		c.Files[i].OCSP = &Staple{
			State: stapleState(s), MustStaple: s.MustStaple, Error: s.Error, Failures: s.Failures,
			ThisUpdate: optionalTime(s.ThisUpdate), NextUpdate: optionalTime(s.NextUpdate), Next: optionalTime(s.Next),
		}
	}
}

func stapleState(s lb.StapleStatus) string {
	switch {
	case s.Revoked:
		return "revoked"
	case s.Next.IsZero():
		return "none"
	case !s.NextUpdate.IsZero():
		return "stapled"
	case s.Error != "":
		return "failed"
	}
	return "waiting"
}

// An X509 is what one certificate says; lb.X509 documents its fields.
type X509 struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	Algorithm string    `json:"algorithm"` // "RSA 2048"
	SHA256    string    `json:"sha256"`
}

// NewCertificate makes the JSON document of a certificate that objects of an intent may name.
func NewCertificate(c lb.Certificate, in lb.Intent) Certificate {
	return newCertificate(c, orEmpty(in.CertificateUsers(c.Key)))
}

// NewCertificates makes the answers for all certificates of an intent.
func NewCertificates(in lb.Intent) []Certificate {
	users, all := lb.AllCertificateUsers(in), in.SortedCertificates()
	out := make([]Certificate, len(all))
	for i, c := range all {
		out[i] = newCertificate(c, orEmpty(users[c.Key]))
	}
	return out
}

func newCertificate(c lb.Certificate, users []string) Certificate {
	out := Certificate{UsedBy: users, ID: c.ID(), Type: "certificate", Key: string(c.Key), Kind: "pair", Expires: c.NotAfter(), CRL: newCRL(c.CRL), Files: make([]CertificateFile, len(c.Files))}
	if c.Authority {
		out.Kind = "authority"
	}
	if a := c.ACME; a != nil {
		out.ACME = &Order{OrderSpec: OrderSpec{
			Domains: a.Domains, Challenge: a.Challenge, Directory: a.Directory, DirectoryCA: a.DirectoryCA, Email: a.Email, KeyType: a.KeyType,
		}}
	}
	for i, f := range c.Files {
		out.Files[i] = CertificateFile{Digest: f.Digest, KeyType: f.KeyType, Chain: make([]X509, len(f.Chain))}
		for j, x := range f.Chain {
			out.Files[i].Chain[j] = newX509(x)
		}
	}
	if len(out.Files) > 0 { // one that is ordered has none in a revision
		out.X509 = out.Files[0].Chain[0] // lb.Certificate.Check: there is one
	} else {
		out.X509 = newX509(lb.X509{Names: c.ACME.Domains})
	}
	return out
}

// NewOrderedCertificate is NewCertificate with the state of the order.
func NewOrderedCertificate(c lb.Certificate, in lb.Intent, s lb.OrderStatus) Certificate {
	out := NewCertificate(c, in)
	if out.ACME != nil {
		out.ACME.OrderState = &OrderState{
			State: s.State, Issued: s.Issued, Step: s.Step, LastRenewal: optionalTime(s.LastRenewal), Next: optionalTime(s.Next),
			Window: newRenewalWindow(s.Window), Error: s.Error, Failures: s.Failures, Alone: s.Alone,
		}
	}
	return out
}

func newRenewalWindow(w *lb.RenewalWindow) *RenewalWindow {
	if w == nil {
		return nil
	}
	return &RenewalWindow{Start: w.Start.UTC(), End: w.End.UTC(), Explanation: w.Explanation}
}

// optionalTime is a time; nil for the zero one.
func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func newX509(x lb.X509) X509 {
	out := X509{
		Subject: x.Subject, Issuer: x.Issuer, Names: x.Names, Serial: x.Serial, NotBefore: x.NotBefore, NotAfter: x.NotAfter,
		Algorithm: x.Algorithm, SHA256: x.SHA256,
	}
	out.Names = orEmpty(out.Names)
	return out
}

// ParseCertificate decodes the body of a request that stores a certificate: chain and key in PEM,
// and optionally crl and allowMissingIssuer; or acme, which says what to order. It does not check the PEM
// texts.
func ParseCertificate(body []byte) (upload certs.Upload, order *lb.ACME, err error) {
	var in struct {
		Chain              string          `json:"chain"`
		Key                string          `json:"key"`
		CRL                *string         `json:"crl"`
		AllowMissingIssuer bool            `json:"allowMissingIssuer"`
		ACME               json.RawMessage `json:"acme"`
	}
	if err := strictjson.Decode(body, &in); err != nil {
		return upload, nil, err
	}
	if strictjson.IsAbsent(in.ACME) {
		upload = certs.Upload{Chain: []byte(in.Chain), Key: []byte(in.Key), MissingIssuer: in.AllowMissingIssuer}
		if in.CRL != nil {
			upload.CRL, upload.NoCRL = []byte(*in.CRL), *in.CRL == ""
		}
		return upload, nil, nil
	}
	if in.Chain != "" || in.Key != "" || in.AllowMissingIssuer || in.CRL != nil {
		return upload, nil, &lb.InvalidError{Fields: []lb.FieldError{{
			Path: "acme", Problem: "does not go with chain, key, crl and allowMissingIssuer", Expected: "acme, or a certificate",
		}}}
	}
	var spec struct {
		Domains     []string `json:"domains"`
		Challenge   string   `json:"challenge"`
		Directory   string   `json:"directory"`
		DirectoryCA string   `json:"directoryCA"`
		Email       string   `json:"email"`
		KeyType     string   `json:"keyType"`
	}
	if err := strictjson.Decode(in.ACME, &spec); err != nil {
		return upload, nil, below("acme", err)
	}
	a, err := lb.ACMESpec{
		Domains: spec.Domains, Challenge: spec.Challenge, Directory: spec.Directory, DirectoryCA: spec.DirectoryCA, Email: spec.Email, KeyType: spec.KeyType,
	}.Parse()
	return upload, &a, err
}
