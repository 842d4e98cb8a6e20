package acme

import (
	"slices"
	"time"

	"thalassa/lb"
)

// A record is what is known of certificates with one identity. It is never changed, but
// replaced.
type record struct {
	Domains   []string `json:"domains"`
	Directory string   `json:"directory"`
	KeyType   string   `json:"keyType"`
	// Files are what was issued last; StandIn is served until then.
	Files   []pemFile `json:"files,omitempty"`
	StandIn []pemFile `json:"standIn,omitempty"`
	// IssuedAt is when Files were stored, RenewAt when they are due for replacement.
	IssuedAt time.Time `json:"issuedAt,omitzero"`
	RenewAt  time.Time `json:"renewAt,omitzero"`
	// Order is under way; nil: none is.
	Order *order `json:"order,omitempty"`
	// Failures counts attempts that failed since the last success. NextAttempt is when the
	// next may be made, and Held until when the server refuses any.
	Failures    int       `json:"failures,omitempty"`
	LastAttempt time.Time `json:"lastAttempt,omitzero"`
	LastError   string    `json:"lastError,omitempty"`
	NextAttempt time.Time `json:"nextAttempt,omitzero"`
	Held        time.Time `json:"held,omitzero"`
	// Window is when the server wants the certificate renewed (RFC 9773); nil: it has not
	// said. LookAt is when it is asked again.
	Window *window   `json:"window,omitempty"`
	LookAt time.Time `json:"lookAt,omitzero"`
	// Sequence grows with each change that all nodes of a cluster know of.
	Sequence uint64 `json:"sequence,omitempty"`
}

// An order is one at a server. Without a URL it has not been made yet.
type order struct {
	Key            string    `json:"key"` // digest of its private key
	Begun          time.Time `json:"begun"`
	URL            string    `json:"url,omitempty"`
	Finalize       string    `json:"finalize,omitempty"`
	Authorizations []string  `json:"authorizations,omitempty"`
	Expires        time.Time `json:"expires,omitzero"`
}

// The keys of documents in Store begin with these.
const (
	recordPrefix  = "certificate/"
	accountPrefix = "account/"
)

// pemFile is an lb.PEMFile as it is stored.
type pemFile struct {
	Digest  string `json:"digest"`
	KeyType string `json:"keyType"`
	Chain   []x509 `json:"chain"`
}

type x509 struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names,omitempty"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	Algorithm string    `json:"algorithm"`
	SHA256    string    `json:"sha256"`
}

func storedFiles(files []lb.PEMFile) []pemFile {
	out := make([]pemFile, len(files))
	for i, f := range files {
		out[i] = pemFile{Digest: f.Digest, KeyType: f.KeyType}
		for _, x := range f.Chain {
			out[i].Chain = append(out[i].Chain, x509(x))
		}
	}
	return out
}

func domainFiles(files []pemFile) []lb.PEMFile {
	out := make([]lb.PEMFile, len(files))
	for i, f := range files {
		out[i] = lb.PEMFile{Digest: f.Digest, KeyType: f.KeyType}
		for _, x := range f.Chain {
			out[i].Chain = append(out[i].Chain, lb.X509(x))
		}
	}
	return out
}

// leaf is the certificate that was issued last; false: there is none.
func (r *record) leaf() (x509, bool) {
	if r == nil || len(r.Files) == 0 || len(r.Files[0].Chain) == 0 {
		return x509{}, false
	}
	return r.Files[0].Chain[0], true
}

// digests are those of all texts in Keys that a record names.
func (r *record) digests() []string {
	var out []string
	for _, f := range slices.Concat(r.Files, r.StandIn) {
		out = append(out, f.Digest)
	}
	if r.Order != nil {
		out = append(out, r.Order.Key)
	}
	return out
}

// isNewer reports whether a record replaces another one of the same identity: it has the
// certificate that was issued later by the clock of the server, or else was changed later.
// So whoever gives out a former document brings nothing back.
func (r *record) isNewer(than *record) bool {
	a, _ := r.leaf()
	b, _ := than.leaf()
	if !a.NotBefore.Equal(b.NotBefore) {
		return a.NotBefore.After(b.NotBefore)
	}
	return r.Sequence > than.Sequence
}
