package testkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// An Authority issues certificates for tests.
type Authority struct {
	Certificate *x509.Certificate
	// PEM is the certificate.
	PEM string

	key *ecdsa.PrivateKey
}

// A KeyPair is a certificate for tests with its key, in PEM.
type KeyPair struct {
	Leaf       *x509.Certificate
	Chain, Key string // Chain has the certificate of the authority as well
}

// Body is the JSON that stores the pair.
func (p KeyPair) Body() string {
	text, err := json.Marshal(map[string]string{"chain": p.Chain, "key": p.Key})
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(text)
}

// NewAuthority makes an authority.
func NewAuthority(tb testing.TB) Authority {
	tb.Helper()
	key := newKey(tb)
	template := newTemplate(tb, "authority")
	template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign|x509.KeyUsageDigitalSignature
	cert := sign(tb, template, template, key, key)
	return Authority{cert, encode("CERTIFICATE", cert.Raw), key}
}

// Issue makes a certificate for the names, with an ECDSA key; each call another one.
func (a Authority) Issue(tb testing.TB, names ...string) KeyPair {
	tb.Helper()
	return a.IssueAs(tb, func(*x509.Certificate) {}, names...)
}

// IssueFor is Issue with a life of the certificate's own.
func (a Authority) IssueFor(tb testing.TB, from, until time.Time, names ...string) KeyPair {
	tb.Helper()
	return a.IssueAs(tb, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, until }, names...)
}

// IssueAs is Issue of a certificate that is changed before it is signed.
func (a Authority) IssueAs(tb testing.TB, change func(*x509.Certificate), names ...string) KeyPair {
	tb.Helper()
	key := newKey(tb)
	template := newTemplate(tb, names[0])
	template.DNSNames = names
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	change(template)
	cert := sign(tb, template, a.Certificate, key, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	return KeyPair{cert, encode("CERTIFICATE", cert.Raw) + a.PEM, encode("PRIVATE KEY", der)}
}

// Revoke makes a revocation list in PEM with the given certificates.
func (a Authority) Revoke(tb testing.TB, from, until time.Time, revoked ...*x509.Certificate) string {
	tb.Helper()
	template := &x509.RevocationList{Number: big.NewInt(time.Now().UnixNano()), ThisUpdate: from, NextUpdate: until}
	for _, c := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: from})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, a.Certificate, a.key)
	if err != nil {
		tb.Fatal(err)
	}
	return encode("X509 CRL", der)
}

// Pool has the certificate of the authority.
func (a Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate)
	return pool
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func newTemplate(tb testing.TB, name string) *x509.Certificate {
	tb.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		tb.Fatal(err)
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(60 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

func sign(tb testing.TB, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return cert
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
