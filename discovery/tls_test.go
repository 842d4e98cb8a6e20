package discovery_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/consul"
	"thalassa/discovery"
	"thalassa/internal/testkit"
)

// An authority signs certificates and keeps them as files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = template, a.newKey()
	a.file, _ = a.sign(name, template, a.key)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

// sign writes a certificate for a key, and the key, and returns their files.
func (a *authority) sign(name string, template *x509.Certificate, key *ecdsa.PrivateKey) (certFile, keyFile string) {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	write := func(suffix, kind string, der []byte) string {
		path := filepath.Join(a.dir, name+suffix)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			a.t.Fatal(err)
		}
		return path
	}
	return write(".pem", "CERTIFICATE", der), write("-key.pem", "PRIVATE KEY", keyDER)
}

// issue makes a certificate for name, for both ends of a connection.
func (a *authority) issue(name string) (certFile, keyFile string) {
	a.t.Helper()
	return a.sign(name, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.newKey())
}

func TestWatcherOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "ca")
	cert, key := ca.issue("server.dc1.consul")
	port := testkit.Port(t)
	server := testkit.Consul(t, fmt.Sprintf(`
		ports { https = %d }
		tls {
			defaults { ca_file = %q, cert_file = %q, key_file = %q }
			https { verify_incoming = true }
		}`, port, ca.file, cert, key))
	server.Register(testkit.Instance{Service: "s1", Port: 80})
	d := newDoor(t, fmt.Sprintf("127.0.0.1:%d", port))
	clientCert, clientKey := ca.issue("client")
	good := consul.TLSConfig{CAFile: ca.file, CertFile: clientCert, KeyFile: clientKey, ServerName: "server.dc1.consul"}

	t.Run("both ends verified", func(t *testing.T) {
		names := serviceNames(20)
		w := watch(t, discovery.Config{Address: d.address(), TLS: good}, "s1") // TLS alone means https
		await(t, w, "s1", "an instance", instances(1))
		w.Want(names)
		eventually(t, "an answer for each service", func() bool { return len(w.Snapshot().Services) == len(names) })
		server.SetStatus("s1", "critical")
		await(t, w, "s1", "a change", status("critical"))
		if now, _, _ := d.counts(); now > 2 {
			t.Errorf("%d connections, want 20 queries to share the one that was there", now)
		}
	})
	otherCA := newAuthority(t, "other")
	for name, test := range map[string]struct {
		change func(*consul.TLSConfig)
		reason string
	}{
		"an unknown authority":     {func(c *consul.TLSConfig) { c.CAFile = otherCA.file }, "certificate signed by unknown authority"},
		"another name":             {func(c *consul.TLSConfig) { c.ServerName = "else" }, "not else"},
		"the address as the name":  {func(c *consul.TLSConfig) { c.ServerName = "" }, "127.0.0.1"},
		"no certificate of ours":   {func(c *consul.TLSConfig) { c.CertFile, c.KeyFile = "", "" }, "certificate required"},
		"a stranger's certificate": {func(c *consul.TLSConfig) { c.CertFile, c.KeyFile = otherCA.issue("client") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			test.change(&cfg)
			w := watch(t, discovery.Config{Address: "https://" + d.address(), TLS: cfg}, "s1")
			eventually(t, "the reason", func() bool {
				reason := w.Snapshot().Unanswered["s1"]
				return reason != "" && strings.Contains(reason, test.reason)
			})
		})
	}
	t.Run("no verification", func(t *testing.T) {
		w := watch(t, discovery.Config{Address: "https://" + d.address(), TLS: consul.TLSConfig{
			CertFile: clientCert, KeyFile: clientKey, InsecureSkipVerify: true,
		}}, "s1")
		await(t, w, "s1", "an instance", instances(1))
	})
	t.Run("a certificate that is renewed", func(t *testing.T) {
		cfg := good
		cfg.CertFile, cfg.KeyFile = otherCA.issue("renewed")
		w := watch(t, discovery.Config{Address: "https://" + d.address(), TLS: cfg}, "s1")
		eventually(t, "a refusal", func() bool { return w.Snapshot().Unanswered["s1"] != "" })
		newCert, newKey := ca.issue("renewed")
		for from, to := range map[string]string{newCert: cfg.CertFile, newKey: cfg.KeyFile} {
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		await(t, w, "s1", "an instance", instances(1))
	})
}
