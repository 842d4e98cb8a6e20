package certs

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/lb"
)

// Bounds of RSA keys in bits. OpenSSL of Debian refuses smaller ones, and verifies no
// signature by larger ones.
const (
	minRSA = 2048
	maxRSA = 16384
)

// checkPair checks a chain that begins with the certificate of a key.
func (r Rules) checkPair(fe *lb.FieldErrors, chain []*x509.Certificate, missingIssuer bool) {
	for _, c := range chain {
		r.checkOne(fe, c)
	}
	for _, c := range chain[1:] {
		if !isAuthority(c) {
			fe.Add("chain", shownSubject(c)+" issues another certificate and is not one of an authority", "")
		}
	}
	if len(chain) == 1 && !isSelfIssued(chain[0]) && !missingIssuer && !r.isKnown(chain[0]) {
		fe.Add("chain", "lacks the certificate that issued "+shownSubject(chain[0])+" ("+shownName(chain[0].Issuer.String())+")",
			"the intermediate certificates behind it, or the authority stored here already")
	}
}

// isKnown reports whether a known authority has issued the certificate.
func (r Rules) isKnown(c *x509.Certificate) bool {
	return slices.ContainsFunc(r.Known, func(pool *x509.CertPool) bool {
		_, err := c.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: r.Now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		return err == nil
	})
}

// checkOne checks what a certificate says alone.
func (r Rules) checkOne(fe *lb.FieldErrors, c *x509.Certificate) {
	if r.Now.After(c.NotAfter) {
		fe.Add("chain", shownSubject(c)+" expired on "+c.NotAfter.UTC().Format(time.RFC3339), "a certificate that is valid now")
	}
	if r.Now.Before(c.NotBefore) {
		fe.Add("chain", shownSubject(c)+" is not valid before "+c.NotBefore.UTC().Format(time.RFC3339), "a certificate that is valid now")
	}
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
			fe.Add("chain", shownSubject(c)+" has an RSA key of "+strconv.Itoa(bits)+" bits", fmt.Sprintf("%d to %d bits", minRSA, maxRSA))
		}
	case *ecdsa.PublicKey:
		if key.Curve.Params().BitSize < 256 {
			fe.Add("chain", shownSubject(c)+" has an ECDSA key on the curve "+key.Curve.Params().Name, "P-256, P-384 or P-521")
		}
	case ed25519.PublicKey:
	default:
		fe.Add("chain", shownSubject(c)+" has a key of a kind that is not supported", "RSA, ECDSA or Ed25519")
	}
	if isWeakSignature(c) && !isSelfIssued(c) { // nobody checks how a root has signed itself
		fe.Add("chain", shownSubject(c)+" is signed with "+c.SignatureAlgorithm.String()+", which is weak", "a signature with SHA-256 or better")
	}
}

func isWeakSignature(c *x509.Certificate) bool {
	switch c.SignatureAlgorithm { //nolint:exhaustive // the others are not weak
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	}
	return false
}

// describe is what a certificate says.
func describe(c *x509.Certificate) lb.X509 {
	sum := sha256.Sum256(c.Raw)
	return lb.X509{
		Subject: shownName(c.Subject.String()), Issuer: shownName(c.Issuer.String()), Names: names(c), Serial: c.SerialNumber.Text(16),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), Algorithm: algorithm(c), SHA256: hex.EncodeToString(sum[:]),
	}
}

// maxNames bounds the names that are kept of a certificate.
const maxNames = 1000

// names are the host names and addresses of a certificate, sorted. Without any, the
// common name counts, as for HAProxy.
func names(c *x509.Certificate) []string {
	var out []string
	for _, n := range c.DNSNames {
		out = append(out, shownName(n))
	}
	for _, ip := range c.IPAddresses {
		out = append(out, ip.String())
	}
	if cn := c.Subject.CommonName; len(out) == 0 && cn != "" && !strings.ContainsAny(cn, " ,/@") {
		out = append(out, shownName(cn))
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxNames)]
}

func keyType(key any) string {
	switch key.(type) {
	case *rsa.PublicKey:
		return "RSA"
	case *ecdsa.PublicKey:
		return "ECDSA"
	}
	return "Ed25519" // parseKey accepts no other
}

func algorithm(c *x509.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return "RSA " + strconv.Itoa(key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return c.PublicKeyAlgorithm.String()
}

// shownName is a name of a certificate, which others have chosen, on one line of at most
// 300 bytes.
func shownName(s string) string {
	quoted := strconv.QuoteToGraphic(s)
	s = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if len(s) > 300 {
		return strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

func shownSubject(c *x509.Certificate) string {
	if s := shownName(c.Subject.String()); s != "" {
		return s
	}
	if n := names(c); len(n) > 0 {
		return n[0]
	}
	return "serial " + c.SerialNumber.Text(16)
}

func subjects(list []*x509.Certificate) string {
	out := make([]string, 0, 3)
	for _, c := range list[:min(len(list), 3)] {
		out = append(out, shownSubject(c))
	}
	return strings.Join(out, " or ")
}
