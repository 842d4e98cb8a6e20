package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strconv"
	"strings"

	"thalassa/lb"
)

// MaxBytes is the maximum size of a certificate with its chain and keys, in bytes of PEM.
const MaxBytes = 1 << 20

// maxCertificates bounds the certificates of one upload. All authorities of a
// distribution are about 150.
const maxCertificates = 500

const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY"
)

// parts is what the texts of an upload contain.
type parts struct {
	certificates []*x509.Certificate // each once
	keys         []crypto.Signer
	lists        []*x509.RevocationList // each once
}

// read adds the blocks of a text. field names the text in errors.
func (p *parts) read(fe *lb.FieldErrors, field string, text []byte) {
	if len(text) > MaxBytes {
		fe.Add(field, "has "+strconv.Itoa(len(text))+" bytes", "at most "+strconv.Itoa(MaxBytes))
		return
	}
	found := false
	for n := 1; !fe.Full(); n++ {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		found = true
		if err := p.add(block); err != nil {
			fe.Add(field, "block "+strconv.Itoa(n)+" ("+shown(block.Type)+") "+err.Error(), "")
		}
		if len(p.certificates) > maxCertificates {
			fe.Add(field, "has more than "+strconv.Itoa(maxCertificates)+" certificates", "fewer")
			return
		}
	}
	switch {
	case strings.Contains(string(text), "-----BEGIN "):
		fe.Add(field, "ends with a damaged block", "whole blocks in PEM")
	case !found:
		fe.Add(field, "has no block in PEM", "-----BEGIN CERTIFICATE----- …")
	}
}

// shown is the type of a block without what could break a line of the log.
func shown(kind string) string {
	return strings.Trim(strconv.QuoteToASCII(kind[:min(len(kind), 40)]), `"`)
}

// add adds one block. An error does not repeat its content.
func (p *parts) add(block *pem.Block) error {
	if isEncrypted(block) {
		return errors.New("is encrypted, expected a key without a passphrase")
	}
	switch block.Type {
	case certificateBlock, "TRUSTED CERTIFICATE", "X509 CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return errors.New("is not a certificate: " + err.Error())
		}
		for _, there := range p.certificates {
			if there.Equal(c) {
				return nil
			}
		}
		p.certificates = append(p.certificates, c)
		return nil
	case keyBlock, "RSA PRIVATE KEY", "EC PRIVATE KEY":
		key, err := parseKey(block.Bytes)
		if err != nil {
			return err
		}
		for _, there := range p.keys {
			if samePublicKey(there.Public(), key.Public()) {
				return nil
			}
		}
		p.keys = append(p.keys, key)
		return nil
	case listBlock:
		return p.addList(block.Bytes)
	case "EC PARAMETERS", "DH PARAMETERS":
		return nil // the key names its curve itself
	}
	return errors.New("is neither a certificate nor a private key nor a revocation list")
}

func isEncrypted(block *pem.Block) bool {
	return block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED")
}

// parseKey reads a key in any of the usual encodings.
func parseKey(der []byte) (crypto.Signer, error) {
	var key any
	var err error
	if key, err = x509.ParsePKCS8PrivateKey(der); err != nil {
		if key, err = x509.ParsePKCS1PrivateKey(der); err != nil {
			key, err = x509.ParseECPrivateKey(der)
		}
	}
	if err != nil {
		return nil, errors.New("is not a private key, expected RSA, ECDSA or Ed25519") // err may repeat bytes of it
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if err := key.Validate(); err != nil {
			return nil, errors.New("is not a valid RSA key")
		}
		return key, nil
	case *ecdsa.PrivateKey:
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, errors.New("is a key of another kind, expected RSA, ECDSA or Ed25519")
}

// samePublicKey compares two keys of any kind.
func samePublicKey(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(x crypto.PublicKey) bool })
	return ok && key.Equal(b)
}
