package ocsp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// signed makes a certificate, by itself without an issuer.
func signed(t *testing.T, name string, issuer *x509.Certificate, key, issuerKey *ecdsa.PrivateKey, usage ...x509.ExtKeyUsage) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: issuer == nil, ExtKeyUsage: usage,
	}
	if issuer == nil {
		issuer = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, issuer, key.Public(), issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// A certificate of the issuer signs responses only if the issuer has made it for that.
func TestSignerOfAResponse(t *testing.T) {
	t.Parallel()
	var keys [3]*ecdsa.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	issuer := signed(t, "issuer", nil, keys[0], keys[0])
	p := pair{leaf: signed(t, "shop.example", issuer, keys[1], keys[0]), issuer: issuer}
	deputy := signed(t, "responder", issuer, keys[2], keys[0], x509.ExtKeyUsageOCSPSigning)
	customer := signed(t, "customer", issuer, keys[2], keys[0], x509.ExtKeyUsageServerAuth)
	now := time.Now().Truncate(time.Second)
	for name, tt := range map[string]struct {
		signer  *x509.Certificate
		key     *ecdsa.PrivateKey
		problem string
	}{
		"the issuer":       {issuer, keys[0], ""},
		"its responder":    {deputy, keys[2], ""},
		"another customer": {customer, keys[2], "may not sign responses"},
	} {
		template := ocsp.Response{Status: ocsp.Good, SerialNumber: p.leaf.SerialNumber, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
		if tt.signer != issuer {
			template.Certificate = tt.signer
		}
		der, err := ocsp.CreateResponse(issuer, tt.signer, template, tt.key)
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.check(der, now)
		if tt.problem == "" && (err != nil || !r.nextUpdate.Equal(now.Add(time.Hour))) || tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)) {
			t.Errorf("%s: got %v, %v", name, r.nextUpdate, err)
		}
	}
}
