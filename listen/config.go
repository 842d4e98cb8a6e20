package listen

import (
	"crypto/tls"
	"crypto/x509"
	"time"
)

// A Source provides the certificate of a port. Its methods may be called concurrently.
type Source interface {
	// Certificate returns the certificate to use now, with its Leaf.
	Certificate() *tls.Certificate
	// Problem is a sentence about the files of the certificate that anybody may read: it names none
	// of them. Empty: there is no problem.
	Problem() string
}

// NewTLSConfig returns the configuration of a TLS port with the certificate of a source: TLS
// 1.3, and TLS 1.2 with forward secrecy and authenticated encryption; HTTP/2 and HTTP/1.1.
// Sessions are resumed with tickets whose keys change by themselves.
//
// Certificates of clients are asked for if clients has the CAs that sign them; a client
// may come without one.
func NewTLSConfig(s Source, clients *x509.CertPool) *tls.Config {
	ask := tls.NoClientCert
	if clients != nil {
		ask = tls.VerifyClientCertIfGiven
	}
	return &tls.Config{
		ClientAuth: ask, ClientCAs: clients,
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{ // of TLS 1.2; those of 1.3 are all good
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.Certificate(), nil },
	}
}

// Info is what anybody may know about the certificate of a port.
type Info struct {
	Fingerprint string    // SHA-256 of the certificate: 32 pairs of upper-case digits with colons
	PublicKey   string    // SHA-256 of the public key (SubjectPublicKeyInfo), in the same form
	NotAfter    time.Time // when it expires
	Names       []string  // DNS names, then addresses
	SelfSigned  bool
}

// Describe returns the Info of a source's certificate.
func Describe(s Source) Info {
	return DescribeCertificate(s.Certificate().Leaf)
}

// DescribeCertificate returns the Info of a certificate.
func DescribeCertificate(leaf *x509.Certificate) Info {
	return Info{
		Fingerprint: Fingerprint(leaf.Raw), PublicKey: Fingerprint(leaf.RawSubjectPublicKeyInfo), NotAfter: leaf.NotAfter,
		Names: names(leaf), SelfSigned: leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil,
	}
}

// names are the names and addresses that a certificate is for.
func names(c *x509.Certificate) []string {
	out := append([]string(nil), c.DNSNames...)
	for _, a := range c.IPAddresses {
		out = append(out, a.String())
	}
	return out
}
