package certs_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/certs"
	"thalassa/lb"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// an issuer is a certificate with its key.
type issuer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func (i issuer) certPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw})
}

func (i issuer) keyPEM(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ecKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

// issue makes a certificate; a zero parent: it signs itself.
func issue(t *testing.T, parent issuer, key crypto.Signer, name string, change func(*x509.Certificate)) issuer {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(90 * 24 * time.Hour), BasicConstraintsValid: true,
	}
	if strings.Contains(name, ".") {
		c.DNSNames = []string{name}
	} else {
		c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
	}
	if change != nil {
		change(c)
	}
	if parent.cert == nil {
		parent = issuer{c, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent.cert, key.Public(), parent.key)
	must(t, err)
	made, err := x509.ParseCertificate(der)
	must(t, err)
	return issuer{made, key}
}

func join(texts ...[]byte) []byte { return bytes.Join(texts, nil) }

func crlf(text []byte) []byte { return bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")) }

// pkcs1 and sec1 are the older forms of keys.
func pkcs1(t *testing.T, i issuer) []byte {
	t.Helper()
	key, ok := i.key.(*rsa.PrivateKey)
	if !ok {
		t.Fatal("not an RSA key")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

func sec1(t *testing.T, i issuer) []byte {
	t.Helper()
	key, ok := i.key.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatal("not an ECDSA key")
	}
	der, err := x509.MarshalECPrivateKey(key)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

// A deepChain is a certificate behind many authorities.
type deepChain struct {
	leaf issuer
	text [][]byte // in PEM: the certificate, then its issuers
}

func chainOf(t *testing.T, root issuer, length int) (d deepChain) {
	t.Helper()
	last := root
	for i := range length - 1 {
		last = issue(t, last, ecKey(t), "level "+strconv.Itoa(i), nil)
		d.text = append([][]byte{last.certPEM()}, d.text...)
	}
	d.leaf = issue(t, last, ecKey(t), "deep.example", nil)
	d.text = append([][]byte{d.leaf.certPEM()}, d.text...)
	return d
}

func TestParse(t *testing.T) {
	t.Parallel()
	root := issue(t, issuer{}, ecKey(t), "root", nil)
	middle := issue(t, root, ecKey(t), "middle", nil)
	other := issue(t, issuer{}, ecKey(t), "other", nil)
	leaf := issue(t, middle, ecKey(t), "shop.example", nil)
	direct := issue(t, root, ecKey(t), "direct.example", nil)
	self := issue(t, issuer{}, ecKey(t), "self.example", nil)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	ed := issue(t, middle, edKey, "shop.example", nil)
	expired := issue(t, middle, ecKey(t), "old.example", func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) })
	early := issue(t, middle, ecKey(t), "new.example", func(c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) })
	soon := issue(t, middle, ecKey(t), "soon.example", func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-90*24*time.Hour), now.Add(time.Hour) })
	noCA := issue(t, direct, ecKey(t), "below.example", nil)
	weakKey, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	weak := issue(t, middle, weakKey, "weak.example", nil)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	must(t, err)
	curve := issue(t, middle, p224, "curve.example", nil)

	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	rsaLeaf := issue(t, middle, rsaKey, "shop.example", nil)
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}})
	encrypted := []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n")
	oldMiddle := issue(t, root, ecKey(t), "old middle", func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) })
	belowOld := issue(t, oldMiddle, ecKey(t), "old.example", nil)
	deep := chainOf(t, root, 50)

	pool := x509.NewCertPool()
	pool.AddCert(root.cert)
	tests := map[string]struct {
		chain, key []byte
		missing    bool
		known      []*x509.CertPool
		problem    string // empty: accepted
		files      int
		length     int // of the first chain
		authority  bool
		warning    string
	}{
		"chain and key":           {chain: join(leaf.certPEM(), middle.certPEM()), key: leaf.keyPEM(t), files: 1, length: 2},
		"the key in the chain":    {chain: join(leaf.keyPEM(t), leaf.certPEM(), middle.certPEM()), files: 1, length: 2},
		"order mended":            {chain: join(root.certPEM(), middle.certPEM(), leaf.certPEM()), key: leaf.keyPEM(t), files: 1, length: 3},
		"twice the same":          {chain: join(leaf.certPEM(), leaf.certPEM(), middle.certPEM()), key: join(leaf.keyPEM(t), leaf.keyPEM(t)), files: 1, length: 2},
		"two keys":                {chain: join(leaf.certPEM(), ed.certPEM(), middle.certPEM()), key: join(ed.keyPEM(t), leaf.keyPEM(t)), files: 2, length: 2},
		"signed by itself":        {chain: self.certPEM(), key: self.keyPEM(t), files: 1, length: 1},
		"a known authority":       {chain: direct.certPEM(), key: direct.keyPEM(t), known: []*x509.CertPool{pool}, files: 1, length: 1},
		"missing issuer allowed":  {chain: leaf.certPEM(), key: leaf.keyPEM(t), missing: true, files: 1, length: 1},
		"an authority":            {chain: join(root.certPEM(), other.certPEM()), files: 1, length: 2, authority: true},
		"CRLF, comments, PKCS#1":  {chain: crlf(join([]byte("subject=shop\n\n"), rsaLeaf.certPEM(), []byte("# the issuer\n"), middle.certPEM())), key: crlf(pkcs1(t, rsaLeaf)), files: 1, length: 2},
		"SEC 1, EC parameters":    {chain: join(leaf.certPEM(), middle.certPEM()), key: join(parameters, sec1(t, leaf)), files: 1, length: 2},
		"a byte order mark":       {chain: join([]byte("\ufeff"), leaf.certPEM(), middle.certPEM()), key: leaf.keyPEM(t), problem: "belongs to none"},
		"a chain of 50":           {chain: join(deep.text...), key: deep.leaf.keyPEM(t), files: 1, length: 50},
		"50 others":               {chain: join(append(deep.text[:49:49], leaf.certPEM(), middle.certPEM())...), key: leaf.keyPEM(t), problem: "belongs to no key"},
		"expired issuer":          {chain: join(belowOld.certPEM(), oldMiddle.certPEM()), key: belowOld.keyPEM(t), problem: "CN=old middle expired on 2026-06-01T11:59:00Z"},
		"PKCS#1, encrypted":       {chain: join(leaf.certPEM(), middle.certPEM()), key: encrypted, problem: "is encrypted"},
		"half a key":              {chain: join(leaf.certPEM(), middle.certPEM()), key: leaf.keyPEM(t)[:90], problem: "key: ends with a damaged block"},
		"ends soon":               {chain: join(soon.certPEM(), middle.certPEM()), key: soon.keyPEM(t), files: 1, length: 2, warning: "certificate/shop expires on 2026-06-01T13:00:00Z"},
		"missing intermediate":    {chain: leaf.certPEM(), key: leaf.keyPEM(t), problem: "lacks the certificate that issued CN=shop.example (CN=middle)"},
		"missing, authority else": {chain: leaf.certPEM(), key: leaf.keyPEM(t), known: []*x509.CertPool{pool}, problem: "lacks the certificate"},
		"another key":             {chain: join(leaf.certPEM(), middle.certPEM()), key: direct.keyPEM(t), problem: "key 1 belongs to none of the certificates, expected the private key of CN=shop.example"},
		"two keys of one type":    {chain: join(leaf.certPEM(), self.certPEM(), middle.certPEM()), key: join(leaf.keyPEM(t), self.keyPEM(t)), problem: "two keys of type ECDSA"},
		"a foreign certificate":   {chain: join(leaf.certPEM(), middle.certPEM(), other.certPEM()), key: leaf.keyPEM(t), problem: "CN=other belongs to no key"},
		"expired":                 {chain: join(expired.certPEM(), middle.certPEM()), key: expired.keyPEM(t), problem: "CN=old.example expired on 2026-06-01T11:59:00Z"},
		"not yet valid":           {chain: join(early.certPEM(), middle.certPEM()), key: early.keyPEM(t), problem: "is not valid before 2026-06-01T13:00:00Z"},
		"issuer is no authority":  {chain: join(noCA.certPEM(), direct.certPEM(), root.certPEM()), key: noCA.keyPEM(t), problem: "CN=direct.example issues another certificate and is not one of an authority"},
		"RSA of 1024 bits":        {chain: join(weak.certPEM(), middle.certPEM()), key: weak.keyPEM(t), problem: "RSA key of 1024 bits"},
		"P-224":                   {chain: join(curve.certPEM(), middle.certPEM()), key: curve.keyPEM(t), problem: "curve P-224"},
		"no key":                  {chain: join(leaf.certPEM(), middle.certPEM()), problem: "key: is missing: CN=shop.example is not the certificate of an authority"},
		"nothing":                 {problem: "chain: has no block in PEM"},
		"a key alone":             {chain: leaf.keyPEM(t), problem: "chain: has no certificate"},
		"a damaged block":         {chain: leaf.certPEM()[:100], key: leaf.keyPEM(t), problem: "ends with a damaged block"},
		"an encrypted key":        {chain: leaf.certPEM(), key: pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}), problem: "is encrypted"},
		"another block":           {chain: join(leaf.certPEM(), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{1}})), key: leaf.keyPEM(t), problem: "block 2 (PUBLIC KEY) is neither"},
		"too much":                {chain: bytes.Repeat([]byte("x"), certs.MaxBytes+1), problem: "has 1048577 bytes, expected at most 1048576"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := certs.Rules{Now: now, Known: tt.known}.Parse("shop", certs.Upload{Chain: tt.chain, Key: tt.key, MissingIssuer: tt.missing})
			if tt.problem != "" {
				if _, ok := errors.AsType[*lb.InvalidError](err); !ok || !strings.Contains(err.Error(), tt.problem) {
					t.Fatalf("got %v, want %q", err, tt.problem)
				}
				return
			}
			must(t, err)
			c := b.Certificate
			if len(c.Files) != tt.files || len(c.Files[0].Chain) != tt.length || c.Authority != tt.authority {
				t.Fatalf("got %+v", c)
			}
			if got := strings.Join(b.Warnings, ""); got != tt.warning {
				t.Errorf("got warning %q, want %q", got, tt.warning)
			}
			for _, f := range c.Files {
				if _, err := tls.X509KeyPair(b.Files[f.Digest], b.Files[f.Digest]); err != nil && !c.Authority {
					t.Errorf("the file of the %s key is not usable: %v", f.KeyType, err)
				}
			}
		})
	}
}

// Whatever the encoding of a key and the order of a chain, the same certificate has the
// same digest.
func TestDigestOfTheSameCertificate(t *testing.T) {
	t.Parallel()
	root := issue(t, issuer{}, ecKey(t), "root", nil)
	leaf := issue(t, root, ecKey(t), "shop.example", nil)
	ec, ok := leaf.key.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatal("not an ECDSA key")
	}
	der, err := x509.MarshalECPrivateKey(ec)
	must(t, err)
	sec1 := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	one, err := certs.Rules{Now: now}.Parse("shop", certs.Upload{Chain: join(leaf.certPEM(), root.certPEM()), Key: leaf.keyPEM(t)})
	must(t, err)
	other, err := certs.Rules{Now: now}.Parse("shop", certs.Upload{Chain: join([]byte("Bag Attributes\n"), sec1, root.certPEM(), leaf.certPEM())})
	must(t, err)
	if one.Certificate.ETag() != other.Certificate.ETag() {
		t.Errorf("%v and %v differ", one.Certificate.Digests(), other.Certificate.Digests())
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	x := lb.X509{Names: []string{"*.shop.example", "Shop.example"}}
	for host, want := range map[string]bool{
		"shop.example": true, "SHOP.example.": true, "www.shop.example": true, "a.b.shop.example": false, "xshop.example": false, "": false, "example": false,
	} {
		if got := x.Matches(host); got != want {
			t.Errorf("%q: got %v", host, got)
		}
	}
}

// No input makes Parse panic, break a line of an error, or accept what HAProxy could not
// load.
func FuzzParse(f *testing.F) {
	t := &testing.T{}
	root := issue(t, issuer{}, ecKey(t), "root", nil)
	leaf := issue(t, root, ecKey(t), "shop.example", nil)
	f.Add(join(leaf.certPEM(), root.certPEM()), leaf.keyPEM(t))
	f.Add(root.certPEM(), []byte(nil))
	f.Add(leaf.certPEM(), []byte("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, chain, key []byte) {
		b, err := certs.Rules{Now: now}.Parse("shop", certs.Upload{Chain: chain, Key: key})
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x00") {
				t.Errorf("%q", err.Error())
			}
			return
		}
		for _, file := range b.Certificate.Files {
			text := b.Files[file.Digest]
			if bytes.Contains(text, []byte("\n\n")) {
				t.Error("an empty line ends what the stats socket reads")
			}
			if _, err := tls.X509KeyPair(text, text); err != nil && !b.Certificate.Authority {
				t.Error(err)
			}
		}
	})
}
