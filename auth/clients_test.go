package auth_test

import (
	"crypto/x509"
	"testing"
	"time"

	"thalassa/auth"
	"thalassa/internal/testkit"
)

// Certificates are judged by the authorities of now, and proofs of before as well.
func TestAuthoritiesOfClientsChange(t *testing.T) {
	t.Parallel()
	a, _ := authority(t, "certificates: [{name: ci, role: deploy, dns: ci.example}]\n")
	former, newer := testkit.NewAuthority(t), testkit.NewAuthority(t)
	leaf := former.Issue(t, "ci.example").Leaf
	a.TrustClients(former.Pool())
	_, proof, ok := a.Certificate(leaf)
	if !ok {
		t.Fatal("not known")
	}
	holds := func(p auth.Proof, want bool, when string) {
		t.Helper()
		for range 2 { // the second time from memory
			if _, ok := a.Identify(p); ok != want {
				t.Errorf("%s: %t", when, ok)
			}
			if _, ok := a.IdentifyNow(p); ok != want {
				t.Errorf("%s, after a look: %t", when, ok)
			}
		}
	}
	holds(proof, true, "at first")
	a.TrustClients(newer.Pool())
	holds(proof, false, "the authority is removed")
	if _, _, ok := a.Certificate(leaf); ok {
		t.Error("a new request is let in")
	}
	both := newer.Pool()
	both.AddCert(former.Certificate)
	a.TrustClients(both)
	holds(proof, true, "the authority is back")
	a.TrustClients(nil)
	holds(proof, false, "there is no authority")
}

// Certificates for servers, expired ones and those of strangers are not known, whatever they bring
// along.
func TestChainsOfClients(t *testing.T) {
	t.Parallel()
	a, _ := authority(t, "certificates: [{name: ci, role: deploy, dns: ci.example}]\n")
	root := testkit.NewAuthority(t)
	a.TrustClients(root.Pool())
	server := root.IssueAs(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, "ci.example").Leaf
	if _, _, ok := a.Certificate(server); ok {
		t.Error("a server's certificate is that of a client")
	}
	late := root.IssueFor(t, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour), "ci.example").Leaf
	if _, _, ok := a.Certificate(late); ok {
		t.Error("an expired certificate is known")
	}
	stranger := testkit.NewAuthority(t)
	if _, _, ok := a.Certificate(stranger.Issue(t, "ci.example").Leaf, stranger.Certificate); ok {
		t.Error("a stranger who brings an authority along is known")
	}
}
