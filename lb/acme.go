package lb

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// The challenges by which a certificate authority checks the control of a domain.
const (
	HTTP01 = "http-01" // HAProxy answers at port 80
	DNS01  = "dns-01"  // by a TXT record
)

// DefaultDirectory is the directory of the ACME server that is used by default.
const DefaultDirectory = "https://acme-v02.api.letsencrypt.org/directory"

// Bounds of an ACMESpec.
const (
	// MaxDomains is how many domains a certificate may have. Let's Encrypt has the same
	// limit.
	MaxDomains = 100
	// maxDirectory bounds the address of a server, and maxDirectoryCA the text of its
	// authorities, in bytes.
	maxDirectory   = 500
	maxDirectoryCA = 64 << 10
)

// An ACME says which certificate to order, and from which server. It is immutable.
type ACME struct {
	// Domains are host names in lower case and ASCII, sorted, each once. One may begin with
	// "*.".
	Domains []string
	// Challenge is HTTP01 or DNS01.
	Challenge string
	// Directory is the https URL of the server's directory.
	Directory string
	// DirectoryCA are the authorities that sign the server's own certificate, in PEM; empty:
	// those of this machine.
	DirectoryCA string
	// Email is the contact address of the account; empty: none.
	Email string
	// KeyType is one of KeyTypes.
	KeyType string
}

// KeyTypes are the kinds of keys that can be ordered. The first is the default.
func KeyTypes() []string {
	return []string{"ecdsa", "ecdsa-p384", "rsa", "rsa-3072", "rsa-4096"}
}

// An ACMESpec is an ACME as written by a user, not yet checked. Empty fields
// stand for the default.
type ACMESpec struct {
	Domains                                           []string
	Challenge, Directory, DirectoryCA, Email, KeyType string
}

// Parse checks the order. The error is an *InvalidError whose paths begin with
// "acme.".
func (s ACMESpec) Parse() (ACME, error) {
	var fe FieldErrors
	a := ACME{DirectoryCA: s.DirectoryCA, Email: s.Email}
	var err error
	a.Challenge, err = oneOf(s.Challenge, HTTP01, DNS01)
	fe.AddErr("acme.challenge", err)
	a.KeyType, err = oneOf(s.KeyType, KeyTypes()...)
	fe.AddErr("acme.keyType", err)
	a.Domains = parseDomains(&fe, s.Domains, a.Challenge)
	a.Directory, err = parseDirectory(s.Directory)
	fe.AddErr("acme.directory", err)
	fe.AddErr("acme.directoryCA", checkDirectoryCA(s.DirectoryCA))
	if s.Email != "" && !isMail(s.Email) {
		fe.Add("acme.email", shortQuote(s.Email)+" is not a mail address", "one such as admin@shop.example, or none")
	}
	return a, fe.Err()
}

// Spec is the inverse of ACMESpec.Parse.
func (a ACME) Spec() ACMESpec {
	return ACMESpec{
		Domains: slices.Clone(a.Domains), Challenge: a.Challenge, Directory: a.Directory, DirectoryCA: a.DirectoryCA, Email: a.Email, KeyType: a.KeyType,
	}
}

// Identity identifies the order: 32 hexadecimal digits, equal for the same server, domains and type
// of key. Certificates of the same identity share one order, whatever their names.
func (a ACME) Identity() string {
	d := digest{sha256.New()}
	d.list("acme", a.Directory, a.KeyType)
	d.list(a.Domains...)
	sum := d.sum()
	return hex.EncodeToString(sum[:16])
}

func parseDomains(fe *FieldErrors, texts []string, challenge string) []string {
	if len(texts) == 0 {
		fe.Add("acme.domains", "is empty", "the host names of the certificate")
	}
	if len(texts) > MaxDomains {
		fe.Add("acme.domains", "has "+strconv.Itoa(len(texts))+" domains", "at most "+strconv.Itoa(MaxDomains))
		return nil
	}
	var out []string
	for i, text := range texts {
		path := "acme.domains[" + strconv.Itoa(i) + "]"
		name, err := ParseDomain(text)
		fe.AddErr(path, err)
		if err != nil {
			continue
		}
		if slices.Contains(out, name) {
			fe.Add(path, strconv.Quote(name)+" is named twice", "each domain once")
			continue
		}
		if strings.HasPrefix(name, "*.") && challenge != DNS01 {
			fe.Add(path, strconv.Quote(name)+" has a wildcard", "the challenge "+DNS01+", or a domain without a wildcard")
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// ParseDomain converts a host name, which may begin with "*." and may have letters of any script,
// to the form used in certificates. The error is a FieldError without a path.
func ParseDomain(text string) (string, error) {
	const expected = "a host name such as shop.example or *.shop.example"
	bare, isWildcard := strings.CutPrefix(text, "*.")
	if _, err := netip.ParseAddr(strings.Trim(bare, "[]")); err == nil {
		return "", bad(shortQuote(text)+" is an address", expected)
	}
	name, err := idna.Lookup.ToASCII(bare)
	if err != nil || !isHostName(name) || strings.HasSuffix(name, ".") || strings.Contains(name, "_") {
		return "", bad(shortQuote(text)+" is not a domain", expected)
	}
	if isWildcard {
		if !strings.Contains(name, ".") {
			return "", bad(shortQuote(text)+" stands for a whole top-level domain", expected)
		}
		name = "*." + name
	}
	if len(name) > 253 {
		return "", bad(shortQuote(text)+" is too long", "at most 253 bytes")
	}
	return name, nil
}

// parseDirectory accepts an https URL without user, query and fragment.
func parseDirectory(text string) (string, error) {
	const expected = "an https URL such as " + DefaultDirectory
	if text == "" {
		return DefaultDirectory, nil
	}
	if len(text) > maxDirectory {
		return "", bad("has "+strconv.Itoa(len(text))+" bytes", "at most "+strconv.Itoa(maxDirectory))
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" {
		return "", bad(shortQuote(text)+" is not the address of an ACME server", expected)
	}
	if _, err := ParseHost(u.Hostname()); err != nil {
		return "", bad(shortQuote(text)+" has no valid host", expected)
	}
	if port := u.Port(); port != "" {
		if _, err := parsePort(port); err != nil {
			return "", bad(shortQuote(text)+" has no valid port", expected)
		}
	}
	u.Host = strings.TrimSuffix(strings.ToLower(u.Host), ":443")
	return u.String(), nil
}

// checkDirectoryCA accepts certificates of authorities in PEM, and nothing else.
func checkDirectoryCA(text string) error {
	const expected = "the certificates of authorities in PEM"
	if len(text) > maxDirectoryCA {
		return bad("has "+strconv.Itoa(len(text))+" bytes", "at most "+strconv.Itoa(maxDirectoryCA))
	}
	for rest := []byte(text); strings.TrimSpace(string(rest)) != ""; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return bad("has text that is no block in PEM", expected)
		}
		if block.Type != "CERTIFICATE" {
			return bad("has a block that is no certificate", expected)
		}
		if c, err := x509.ParseCertificate(block.Bytes); err != nil || !c.IsCA {
			return bad("has a certificate that is not one of an authority", expected)
		}
	}
	return nil
}

// isMail accepts the common form of mail addresses: no quotes, comments or lists.
func isMail(s string) bool {
	const marks = "!#$%&'*+-/=^_`{|}~."
	local, host, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(s) > 254 || !isHostName(host) {
		return false
	}
	return !strings.ContainsFunc(local, func(r rune) bool { return r >= 0x80 || !isAlnum(byte(r)) && !strings.ContainsRune(marks, r) })
}

// shortQuote quotes a text of any length.
func shortQuote(s string) string {
	const most = 80
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}

// digestInto adds the definition.
func (a *ACME) digestInto(d digest) {
	d.list("acme", a.Challenge, a.Directory, a.DirectoryCA, a.Email, a.KeyType)
	d.list(a.Domains...)
}
