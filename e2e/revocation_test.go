package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// askWith asks over a new connection and a new session, with a certificate of the client.
func (e *edge) askWith(certificates ...tls.Certificate) error {
	client := e.client("shop.example", false, true)
	client.Transport.(*http.Transport).TLSClientConfig.Certificates = certificates //nolint:forcetypeassert // see client
	return ask(client, e.port, false)
}

// clientOf issues a certificate for a client.
func clientOf(t *testing.T, a testkit.Authority) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	cert := clientCertificate(t, a)
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert, leaf
}

// putCRL replaces the revocation lists of the authority corp, and returns the answer.
func (e *edge) putCRL(text string) map[string]any {
	e.tb.Helper()
	body, err := json.Marshal(map[string]string{"crl": text})
	if err != nil {
		e.tb.Fatal(err)
	}
	return e.call(200, http.MethodPut, "/certificates/corp", string(body))
}

// A client whose certificate is on the revocation list of its authority is refused, without a
// reload once there is a list; the others are let in. The newest list is in effect after
// whatever happens.
func TestRevokedClients(t *testing.T) {
	onEveryHAProxy(t, func(t *testing.T) {
		t.Helper()
		e := newEdge(t, `"certificates":["shop"],"clientCA":"corp"`)
		from, until := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
		list := func(revoked ...*x509.Certificate) string { return e.ca.Revoke(t, from, until, revoked...) }
		good, _ := clientOf(t, e.ca)
		bad, badLeaf := clientOf(t, e.ca)
		other, otherLeaf := clientOf(t, e.ca)
		for name, cert := range map[string]tls.Certificate{"good": good, "bad": bad} {
			if err := e.askWith(cert); err != nil {
				t.Fatalf("before there is a list, the client %s is refused: %v", name, err)
			}
		}
		e.putCRL(list())
		if err := errors.Join(e.askWith(good), e.askWith(bad)); err != nil {
			t.Fatalf("with an empty list: %v", err)
		}
		before := e.reloads()
		answer := e.putCRL(list(badLeaf))
		if answer["path"] != "runtime" || e.reloads() != before {
			t.Errorf("the list was replaced by %v, %d reloads", answer["path"], e.reloads()-before)
		}
		if err := e.askWith(bad); err == nil {
			t.Error("a revoked client is let in")
		}
		if err := errors.Join(e.askWith(good), e.askWith(other)); err != nil {
			t.Errorf("a client that is not revoked: %v", err)
		}

		// Another one is revoked, and HAProxy is killed.
		e.putCRL(list(badLeaf, otherLeaf))
		if err := syscall.Kill(e.master(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, patience, func() error { return e.askWith(good) })
		e.call(200, http.MethodPost, "/haproxy/reload", "")
		for _, cert := range []tls.Certificate{bad, other} {
			if err := e.askWith(cert); err == nil {
				t.Error("after a restart and a reload a revoked client is let in")
			}
		}
		e.refusesBadCRL(t, badLeaf)
		if err := e.askWith(bad); err == nil {
			t.Error("after refused uploads a revoked client is let in")
		}
		e.call(200, http.MethodPut, "/certificates/corp", `{"crl":""}`)
		if err := e.askWith(bad); err != nil {
			t.Errorf("without a list: %v", err)
		}
	})
}

// refusesBadCRL puts what is wrong, which changes nothing.
func (e *edge) refusesBadCRL(t *testing.T, revoked *x509.Certificate) {
	t.Helper()
	foreign := testkit.NewAuthority(t)
	hour := time.Hour
	list := func(from, until time.Duration) string {
		return e.ca.Revoke(t, time.Now().Add(from), time.Now().Add(until), revoked)
	}
	for want, body := range map[string]map[string]string{
		"crl: is missing":                            {"chain": e.ca.PEM},
		"crl: the list of CN=authority expired":      {"crl": list(-2*hour, -hour)},
		"crl: the list of CN=authority is not valid": {"crl": list(hour, 2*hour)},
		"is signed by none of the authorities":       {"crl": foreign.Revoke(t, time.Now().Add(-hour), time.Now().Add(hour))},
		"no client of it would be let in":            {"chain": e.ca.PEM + foreign.PEM, "crl": list(-hour, hour)},
		"is not the only one":                        {"crl": list(-hour, hour) + list(-hour, 2*hour)},
		"crl: has no block in PEM":                   {"crl": "nonsense"},
		"crl: has no revocation list":                {"crl": e.ca.PEM},
	} {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		if status, answer := e.try(http.MethodPut, "/certificates/corp", string(text)); status != 400 || !strings.Contains(answer, want) {
			t.Errorf("answered %d %s, expected 400 with %q", status, answer, want)
		}
	}
	pair := e.ca.Issue(t, "shop.example")
	body := fmt.Sprintf(`{"chain":%q,"key":%q,"crl":%q}`, pair.Chain, pair.Key, list(-hour, hour))
	if status, answer := e.try(http.MethodPut, "/certificates/shop", body); status != 400 || !strings.Contains(answer, "belongs to a certificate with a key") {
		t.Errorf("a list with a key was answered %d %s", status, answer)
	}
}

// A list that ends lets nobody in, and that is told before and after.
func TestRevocationListExpires(t *testing.T) {
	e := newEdge(t, `"certificates":["shop"],"clientCA":"corp"`)
	client, _ := clientOf(t, e.ca)
	until := time.Now().Add(6 * time.Second).Truncate(time.Second)
	e.putCRL(e.ca.Revoke(t, time.Now().Add(-time.Minute), until))
	if err := e.askWith(client); err != nil {
		t.Errorf("while the list is valid: %v", err)
	}
	warns := func(words string) error {
		if w := fmt.Sprint(e.call(200, http.MethodGet, "/status", "")["warnings"]); !strings.Contains(w, words) {
			return fmt.Errorf("the status warns of %s, expected %q", w, words)
		}
		return nil
	}
	if err := warns("certificate/corp: the revocation list of CN=authority expires on"); err != nil {
		t.Error(err)
	}
	testkit.Eventually(t, patience, func() error { return warns("certificate/corp: the revocation list of CN=authority expired on") })
	if err := e.askWith(client); err == nil {
		t.Error("with an expired list a client is let in")
	}
	e.putCRL(e.ca.Revoke(t, time.Now().Add(-time.Minute), time.Now().Add(time.Hour)))
	if err := e.askWith(client); err != nil {
		t.Errorf("with a new list: %v", err)
	}
}

// A member whose certificate is revoked is down. HAProxy takes a new list or authority while
// it runs only for servers to which it shows a certificate of its own; the others need a reload.
func TestRevokedMember(t *testing.T) {
	onEveryHAProxy(t, func(t *testing.T) {
		t.Helper()
		t.Run("reload", func(t *testing.T) { revokeMember(t, "", "reload") })
		t.Run("runtime", func(t *testing.T) { revokeMember(t, `,"certificate":"me"`, "runtime") })
	})
}

func revokeMember(t *testing.T, field, want string) {
	t.Helper()
	parent, _ := releases.Load(t.Name()[:strings.LastIndexByte(t.Name(), '/')])
	releases.Store(t.Name(), parent)
	n := newNode(t, "127.0.0.1:1")
	n.start()
	n.call(200, http.MethodPut, "/certificates/me", testkit.NewAuthority(t).Issue(t, "balancer").Body())
	corp := testkit.NewAuthority(t)
	from, until := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	put := func(revoked ...*x509.Certificate) any {
		body := fmt.Sprintf(`{"chain":%q,"crl":%q}`, corp.PEM, corp.Revoke(t, from, until, revoked...))
		return n.call(200, http.MethodPut, "/certificates/corp", body)["path"]
	}
	put()
	pair := corp.Issue(t, "shop.internal")
	bad := startTLSWeb(t, "bad", serverConfig(t, pair, nil))
	good := startTLSWeb(t, "good", serverConfig(t, corp.Issue(t, "shop.internal"), nil))
	n.call(200, http.MethodPut, "/backends/live", static(`{"verify":"corp","serverName":"shop.internal"`+field+`}`, good, bad))
	n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
	n.answers("good shop.internal nobody", "bad shop.internal nobody")
	if path := put(pair.Leaf); path != want {
		t.Errorf("the list was replaced by %v, expected %s", path, want)
	}
	n.answers("good shop.internal nobody")
	n.isDown(bad, "TLS")
	// So is another authority.
	other := testkit.NewAuthority(t)
	body := fmt.Sprintf(`{"chain":%q,"crl":%q}`, other.PEM, other.Revoke(t, from, until))
	if path := n.call(200, http.MethodPut, "/certificates/corp", body)["path"]; path != want {
		t.Errorf("the authority was replaced by %v, expected %s", path, want)
	}
	n.isDown(good, "another authority")
}
