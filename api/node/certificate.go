package node

import (
	"time"

	"thalassa/certs"
	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// A Certificate is what is stored under a name, without keys. Its first fields describe the
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
}

// A CertificateFile is what HAProxy loads as one file; lb.PEMFile has the meaning of its
// fields.
type CertificateFile struct {
	Digest  string `json:"digest"`
	KeyType string `json:"keyType,omitempty"`
	Chain   []X509 `json:"chain"`
}

// An X509 is what one certificate says; lb.X509 has the meaning of its fields.
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

// NewCertificate makes the answer for a certificate that objects of an intent may name.
func NewCertificate(c lb.Certificate, in lb.Intent) Certificate {
	return newCertificate(c, orEmpty(in.CertificateUsers(c.Key)))
}

// NewCertificates makes the answers for all certificates of an intent.
func NewCertificates(in lb.Intent) []Certificate {
	users, out := in.AllCertificateUsers(), []Certificate{}
	for _, c := range in.SortedCertificates() {
		out = append(out, newCertificate(c, orEmpty(users[c.Key])))
	}
	return out
}

func newCertificate(c lb.Certificate, users []string) Certificate {
	out := Certificate{UsedBy: users, ID: c.ID(), Type: "certificate", Key: string(c.Key), Kind: "pair", Expires: c.NotAfter(), Files: make([]CertificateFile, len(c.Files))}
	if c.Authority {
		out.Kind = "authority"
	}
	for i, f := range c.Files {
		out.Files[i] = CertificateFile{Digest: f.Digest, KeyType: f.KeyType, Chain: make([]X509, len(f.Chain))}
		for j, x := range f.Chain {
			out.Files[i].Chain[j] = newX509(x)
		}
	}
	out.X509 = out.Files[0].Chain[0] // lb.Certificate.Check: there is one
	return out
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

// ParseCertificate decodes the body of a request that stores a certificate: chain and key
// in PEM, and optionally allowMissingIssuer. What is in the PEM is not checked.
func ParseCertificate(body []byte) (certs.Upload, error) {
	var in struct {
		Chain              string `json:"chain"`
		Key                string `json:"key"`
		AllowMissingIssuer bool   `json:"allowMissingIssuer"`
	}
	if err := strictjson.Decode(body, &in); err != nil {
		return certs.Upload{}, err
	}
	return certs.Upload{Chain: []byte(in.Chain), Key: []byte(in.Key), MissingIssuer: in.AllowMissingIssuer}, nil
}
