package lb

import (
	"slices"
	"time"
)

// A CRL has the revocation lists of the authorities of a Certificate: one for each. HAProxy
// refuses clients and members whose certificate is in them, and all of an authority whose
// list has expired. It is immutable.
type CRL struct {
	// Digest is the SHA-256 of the text of the lists in PEM, in hexadecimal, under which it is
	// stored.
	Digest string
	Lists  []RevocationList
}

// A RevocationList is what one certificate revocation list says (RFC 5280, 5).
type RevocationList struct {
	Issuer string // distinguished name, RFC 2253
	// Number is that of the list in decimal; empty: it has none.
	Number                 string
	ThisUpdate, NextUpdate time.Time // UTC, whole seconds
	// Revoked is the number of certificates.
	Revoked int
}

// NextUpdate is when the first of the lists expires.
func (c *CRL) NextUpdate() time.Time { return c.first().NextUpdate }

// ThisUpdate is when the list of NextUpdate was signed.
func (c *CRL) ThisUpdate() time.Time { return c.first().ThisUpdate }

// first is the list that expires first.
func (c *CRL) first() RevocationList {
	return slices.MinFunc(c.Lists, func(a, b RevocationList) int { return a.NextUpdate.Compare(b.NextUpdate) })
}

// crlWarning is how long before its end a list is told of at most.
const crlWarning = 24 * time.Hour

// CRLWarning is a sentence about revocation lists that have expired, or will within a day, or
// within a quarter of their life if that is shorter; empty: there are none.
func (c Certificate) CRLWarning(now time.Time) string {
	if c.CRL == nil {
		return ""
	}
	l := c.CRL.first()
	before := min(crlWarning, l.NextUpdate.Sub(l.ThisUpdate)/4)
	switch end := l.NextUpdate.Format(time.RFC3339); {
	case now.After(l.NextUpdate):
		return c.ID() + ": the revocation list of " + l.Issuer + " expired on " + end + ", and whoever has a certificate of that authority is refused"
	case now.After(l.NextUpdate.Add(-before)):
		return c.ID() + ": the revocation list of " + l.Issuer + " expires on " + end
	}
	return ""
}

func (c *CRL) check(fe *FieldErrors, isAuthority bool) {
	if c == nil {
		return
	}
	if !isAuthority {
		fe.Add("crl", "belongs to a certificate with a key", "revocation lists of authorities alone")
	}
	checkDigest(fe, "crl.digest", c.Digest)
	if len(c.Lists) == 0 {
		fe.Add("crl.lists", "is empty", "at least one list")
	}
}

// crlFiles are the file of the revocation lists, if there are any.
func (c Certificate) crlFiles() []TLSFile {
	if c.CRL == nil {
		return nil
	}
	f := pemFile(fileWord(c.Key)+"."+roleOfCRL, c.CRL.Digest)
	f.Kind = KindCRLFile
	return []TLSFile{f}
}
