package certs_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"thalassa/certs"
)

// revoke makes a revocation list that is valid for an hour before and after now.
func revoke(t *testing.T, by issuer, change func(*x509.RevocationList)) []byte {
	t.Helper()
	l := &x509.RevocationList{
		Number: big.NewInt(7), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(1), RevocationTime: now}},
	}
	if change != nil {
		change(l)
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, by.cert, by.key)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

func TestRevocationLists(t *testing.T) {
	t.Parallel()
	signs := func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }
	root := issue(t, issuer{}, ecKey(t), "root", signs)
	middle := issue(t, root, ecKey(t), "middle", signs)
	other := issue(t, issuer{}, ecKey(t), "other", signs)
	mute := issue(t, issuer{}, ecKey(t), "mute", nil)
	leaf := issue(t, root, ecKey(t), "shop.example", nil)
	extension := func(number int) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, number}, Critical: true, Value: []byte{2, 1, 1}}}
		}
	}
	ofRoot := revoke(t, root, nil)
	for name, tt := range map[string]struct {
		upload  certs.Upload
		problem string // empty: accepted
		lists   int
	}{
		"one":            {upload: certs.Upload{Chain: root.certPEM(), CRL: ofRoot}, lists: 1},
		"in the chain":   {upload: certs.Upload{Chain: join(ofRoot, root.certPEM())}, lists: 1},
		"twice the same": {upload: certs.Upload{Chain: join(root.certPEM(), ofRoot), CRL: join(ofRoot, ofRoot)}, lists: 1},
		"of each":        {upload: certs.Upload{Chain: join(root.certPEM(), middle.certPEM()), CRL: join(revoke(t, middle, nil), ofRoot)}, lists: 2},
		"none":           {upload: certs.Upload{Chain: root.certPEM()}},
		"missing":        {upload: certs.Upload{Chain: join(root.certPEM(), middle.certPEM()), CRL: ofRoot}, problem: "crl: has no list of CN=middle"},
		"foreign":        {upload: certs.Upload{Chain: root.certPEM(), CRL: join(ofRoot, revoke(t, other, nil))}, problem: "the list of CN=other is signed by none of the authorities"},
		"may not":        {upload: certs.Upload{Chain: join(root.certPEM(), mute.certPEM()), CRL: ofRoot}, problem: "CN=mute may not sign revocation lists"},
		"two":            {upload: certs.Upload{Chain: root.certPEM(), CRL: join(ofRoot, revoke(t, root, nil))}, problem: "is not the only one"},
		"expired":        {upload: certs.Upload{Chain: root.certPEM(), CRL: revoke(t, root, func(l *x509.RevocationList) { l.NextUpdate = now.Add(-time.Minute) })}, problem: "expired on 2026-06-01T11:59:00Z"},
		"early":          {upload: certs.Upload{Chain: root.certPEM(), CRL: revoke(t, root, func(l *x509.RevocationList) { l.ThisUpdate = now.Add(time.Minute) })}, problem: "is not valid before"},
		"delta":          {upload: certs.Upload{Chain: root.certPEM(), CRL: revoke(t, root, extension(27))}, problem: "is a part of a list"},
		"of some":        {upload: certs.Upload{Chain: root.certPEM(), CRL: revoke(t, root, extension(28))}, problem: "is a part of a list"},
		"with a key":     {upload: certs.Upload{Chain: join(leaf.certPEM(), root.certPEM()), Key: leaf.keyPEM(t), CRL: ofRoot}, problem: "belongs to a certificate with a key"},
		"no list":        {upload: certs.Upload{Chain: root.certPEM(), CRL: root.certPEM()}, problem: "has no revocation list"},
		"nonsense":       {upload: certs.Upload{Chain: root.certPEM(), CRL: []byte("nonsense")}, problem: "crl: has no block in PEM"},
		"damaged":        {upload: certs.Upload{Chain: root.certPEM(), CRL: pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: []byte{1}})}, problem: "is not a revocation list"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := certs.Rules{Now: now}.Parse("corp", tt.upload)
			switch {
			case tt.problem != "":
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Errorf("got %v, want %q", err, tt.problem)
				}
				return
			case err != nil:
				t.Fatal(err)
			case tt.lists == 0:
				if b.Certificate.CRL != nil {
					t.Errorf("got %+v", b.Certificate.CRL)
				}
				return
			}
			crl := b.Certificate.CRL
			if crl == nil || len(crl.Lists) != tt.lists || crl.Lists[0].Issuer != "CN=root" || crl.Lists[0].Revoked != 1 || crl.Lists[0].Number != "7" {
				t.Fatalf("got %+v", crl)
			}
			if text := b.Files[crl.Digest]; strings.Count(string(text), "BEGIN X509 CRL") != tt.lists {
				t.Errorf("stored is %s", text)
			}
			if err := b.Certificate.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}
