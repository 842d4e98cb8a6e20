package acme

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	cryptox509 "crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"thalassa/certs"
	"thalassa/lb"
)

// newSigner makes a private key of one of lb.KeyTypes.
func newSigner(kind string) (crypto.Signer, error) {
	switch kind {
	case "ecdsa":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa-p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "rsa":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "rsa-3072":
		return rsa.GenerateKey(rand.Reader, 3072)
	case "rsa-4096":
		return rsa.GenerateKey(rand.Reader, 4096)
	}
	return nil, fmt.Errorf("unknown key type %q", kind)
}

// A keyring has the private keys of orders and accounts, by their digests.
type keyring struct{ store Keys }

// newKey makes a key, stores it, and returns its digest.
func (r keyring) newKey(kind string) (string, error) {
	key, err := newSigner(kind)
	if err != nil {
		return "", fmt.Errorf("making a key: %w", err)
	}
	der, err := cryptox509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("making a key: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	digest := digestOf(text)
	return digest, r.store.Put(map[string][]byte{digest: text})
}

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// key reads a key that newKey has stored.
func (r keyring) key(digest string) (crypto.Signer, error) {
	text, err := r.store.Text(digest)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the stored key has no block in PEM")
	}
	key, err := cryptox509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the stored key cannot be read") // err may repeat bytes of it
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the stored key cannot sign")
	}
	return signer, nil
}

// request is the request for a certificate (CSR) in DER.
func request(key crypto.Signer, domains []string) ([]byte, error) {
	return cryptox509.CreateCertificateRequest(rand.Reader, &cryptox509.CertificateRequest{DNSNames: domains}, key)
}

// standInLife is the validity of the certificate that is served until one is issued.
const standInLife = 365 * 24 * time.Hour

// newStandIn makes a self-signed certificate, which frontends serve until one is issued. Clients
// refuse it.
func newStandIn(a lb.ACME, now time.Time) (certs.Bundle, error) {
	key, err := newSigner("ecdsa")
	if err != nil {
		return certs.Bundle{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return certs.Bundle{}, err
	}
	template := &cryptox509.Certificate{
		SerialNumber: serial, DNSNames: a.Domains, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(standInLife),
		KeyUsage: cryptox509.KeyUsageDigitalSignature, ExtKeyUsage: []cryptox509.ExtKeyUsage{cryptox509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	template.Subject.CommonName = "Thalassa: no certificate issued yet"
	der, err := cryptox509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return certs.Bundle{}, err
	}
	return bundle([][]byte{der}, key, now)
}

// bundle makes what HAProxy loads of a chain in DER and its key, and checks that they fit.
func bundle(chain [][]byte, key crypto.Signer, now time.Time) (certs.Bundle, error) {
	der, err := cryptox509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return certs.Bundle{}, err
	}
	upload := certs.Upload{Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), MissingIssuer: true}
	for _, c := range chain {
		upload.Chain = append(upload.Chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})...)
	}
	return certs.Rules{Now: now}.Parse("acme", upload)
}
