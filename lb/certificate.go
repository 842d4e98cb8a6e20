package lb

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Certificate is stored under a name. It consists of certificates with their keys, which a
// frontend serves, or of the certificates of authorities, which verify others. The keys are kept
// elsewhere, under the digests of Files. It is immutable.
type Certificate struct {
	Key Name
	// Authority: the certificates are those of authorities, and there is no key.
	Authority bool
	// Files are what HAProxy loads: one for each key, or one with all authorities.
	Files []PEMFile
	// ACME orders the certificate; nil: operators store it. Files of an order are what was issued
	// last; they are not part of the definition or of its ETag.
	ACME *ACME
	// CRL are the revocation lists of authorities; nil: there are none.
	CRL *CRL
}

// A PEMFile is a text in PEM for HAProxy, and what is in it.
type PEMFile struct {
	// Digest is the SHA-256 of the text in hexadecimal.
	Digest string
	// KeyType is "RSA", "ECDSA" or "Ed25519"; empty for authorities.
	KeyType string
	// Chain is the certificate of the key and those of its issuers, or all authorities.
	Chain []X509
}

// An X509 has the fields of one certificate.
type X509 struct {
	Subject, Issuer string // distinguished names, RFC 2253
	// Names are the host names and addresses of the subject, sorted.
	Names []string
	// Serial is the number in hexadecimal.
	Serial              string
	NotBefore, NotAfter time.Time // UTC, whole seconds
	// Algorithm and size of the key, e.g. "RSA 2048", "ECDSA P-256", "Ed25519".
	Algorithm string
	// SHA256 is the fingerprint of the certificate in hexadecimal.
	SHA256 string
}

// ID is "certificate/KEY".
func (c Certificate) ID() string { return "certificate/" + string(c.Key) }

// ETag is the entity tag of the certificate, quotes included: it changes with any
// certificate or key.
func (c Certificate) ETag() string { return entityTag(c) }

// isIdentical reports whether o is c itself, which costs less than to compare their contents.
func (c Certificate) isIdentical(o Object) bool {
	other, ok := o.(Certificate)
	return ok && c.Key == other.Key && c.Authority == other.Authority && c.ACME == other.ACME && c.SharesFiles(other)
}

// SharesFiles reports whether two certificates share their files in memory, as one that has not
// changed since another configuration. Otherwise their digests have to be compared.
func (c Certificate) SharesFiles(o Certificate) bool {
	return c.CRL == o.CRL && len(c.Files) == len(o.Files) && (len(c.Files) == 0 || &c.Files[0] == &o.Files[0])
}

func (c Certificate) digest() digest {
	d := newDigest("certificate", string(c.Key), strconv.FormatBool(c.Authority))
	if c.ACME != nil {
		c.ACME.digestInto(d)
		return d
	}
	d.list(c.Digests()...)
	return d
}

// Check refuses a Certificate that cannot be stored and rendered: one without files, or with an
// invalid digest or type of key. The error is an *InvalidError.
func (c Certificate) Check() error {
	var fe FieldErrors
	if c.ACME != nil {
		_, err := c.ACME.Spec().Parse()
		fe.AddErr("", err)
	}
	switch {
	case c.ACME != nil && c.Authority:
		fe.Add("acme", "does not go with authority", "one of them")
	case len(c.Files) == 0 && c.ACME == nil:
		fe.Add("files", "is empty", "at least one file")
	}
	for i, f := range c.Files {
		path := "files[" + strconv.Itoa(i) + "]"
		checkDigest(&fe, path+".digest", f.Digest)
		if known := []string{"RSA", "ECDSA", "Ed25519"}; c.Authority == (f.KeyType != "") || !c.Authority && !slices.Contains(known, f.KeyType) {
			fe.Add(path+".keyType", strconv.Quote(f.KeyType)+" is not known here", "one of "+strings.Join(known, ", ")+"; none of authorities")
		}
		if len(f.Chain) == 0 {
			fe.Add(path+".chain", "is empty", "at least one certificate")
		}
	}
	c.CRL.check(&fe, c.Authority)
	return fe.Err()
}

func checkDigest(fe *FieldErrors, path, digest string) {
	if len(digest) != 2*sha256.Size || strings.Trim(digest, "0123456789abcdef") != "" {
		fe.Add(path, "is no SHA-256", "64 hexadecimal digits")
	}
}

// Digests are those of the files, and of the revocation lists.
func (c Certificate) Digests() []string {
	out := make([]string, len(c.Files), len(c.Files)+1)
	for i, f := range c.Files {
		out[i] = f.Digest
	}
	if c.CRL != nil {
		out = append(out, c.CRL.Digest)
	}
	return out
}

// NotAfter is when the first certificate of all chains expires; zero: there is none.
func (c Certificate) NotAfter() time.Time { return c.firstToExpire().NotAfter }

// NotBefore is when the certificate of NotAfter began to be valid.
func (c Certificate) NotBefore() time.Time { return c.firstToExpire().NotBefore }

// firstToExpire is the certificate of all chains that expires first.
func (c Certificate) firstToExpire() X509 {
	var first X509
	for _, f := range c.Files {
		for _, x := range f.Chain {
			if first.NotAfter.IsZero() || x.NotAfter.Before(first.NotAfter) {
				first = x
			}
		}
	}
	return first
}

// An Expiry is the last threshold before its end that a certificate has passed.
type Expiry struct {
	SHA256 string // of the certificate that expires first
	Days   int    // one of expiryDays
}

// Issued is the certificate with these files.
func (c Certificate) Issued(files []PEMFile) Certificate {
	c.Files = files
	return c
}

// expiryDays are the thresholds of warnings, in days before a certificate expires.
func expiryDays() []int { return []int{0, 1, 3, 7, 14} }

// Expiry is the last threshold that the certificate has passed; false: none yet. Thresholds of more
// than a third of its life do not count, because short-lived certificates are renewed late.
func (c Certificate) Expiry(now time.Time) (e Expiry, ok bool) {
	x := c.firstToExpire()
	if x.NotAfter.IsZero() { // not issued yet
		return Expiry{}, false
	}
	for _, days := range expiryDays() {
		before := time.Duration(days) * 24 * time.Hour
		if days > 0 && before > x.NotAfter.Sub(x.NotBefore)/3 {
			break
		}
		if !now.Before(x.NotAfter.Add(-before)) {
			return Expiry{SHA256: x.SHA256, Days: days}, true
		}
	}
	return Expiry{}, false
}

// ExpiryWarning is a sentence about a certificate that has expired or will soon (see Expiry);
// empty: it will not.
func (c Certificate) ExpiryWarning(now time.Time) string {
	expiry, ok := c.Expiry(now)
	switch end := c.NotAfter().Format(time.RFC3339); {
	case !ok:
		return ""
	case expiry.Days == 0:
		return c.ID() + " expired on " + end
	default:
		return c.ID() + " expires on " + end
	}
}

// Matches reports whether the certificate is valid for a host name. A name that begins with "*."
// matches any one label there.
func (x X509) Matches(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	_, parent, hasParent := strings.Cut(host, ".")
	for _, name := range x.Names {
		name = strings.ToLower(name)
		wildcard, isWildcard := strings.CutPrefix(name, "*.")
		if name == host || isWildcard && hasParent && wildcard == parent {
			return true
		}
	}
	return false
}
