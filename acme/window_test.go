package acme_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	xacme "golang.org/x/crypto/acme"

	"thalassa/acme"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// windowText is the answer of a server about a window.
func windowText(from, to time.Time) string {
	return fmt.Sprintf(`{"suggestedWindow":{"start":%q,"end":%q},"explanationURL":"https://pebble.example/why"}`, from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
}

// A server says when a certificate is to be renewed, and is asked by the name that RFC 9773
// gives it. What it says wrongly, or not, changes nothing.
func TestWindows(t *testing.T) {
	t.Parallel()
	p := testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
	n := startNode(t, t.TempDir(), p, nil)
	from := time.Now().Add(5 * 24 * time.Hour).Truncate(time.Second)
	var asked atomic.Pointer[string]
	var answer atomic.Pointer[string]
	set := func(text string) { answer.Store(&text) }
	set(windowText(from, from.Add(time.Hour)))
	p.OfferWindows(func(id string) (int, string) {
		asked.Store(&id)
		if text := *answer.Load(); text != "" {
			return http.StatusOK, text
		}
		return http.StatusInternalServerError, "{}"
	})
	a := n.order(p, "shop.example")
	leaf := n.awaitIssued(a)
	in := func(s lb.OrderStatus) bool { return !s.Next.Before(from) && s.Next.Before(from.Add(time.Hour)) }
	n.await(a, "in the window", in)
	encode := base64.RawURLEncoding.EncodeToString
	serial := leaf.SerialNumber.Bytes()
	if serial[0]&0x80 != 0 {
		serial = append([]byte{0}, serial...)
	}
	if want := encode(leaf.AuthorityKeyId) + "." + encode(serial); *asked.Load() != want {
		t.Errorf("asked for %s, expected %s", *asked.Load(), want)
	}
	chosen := n.Status(a).Next
	if w := n.Status(a).Window; w == nil || !w.Start.Equal(from) || !w.End.Equal(from.Add(time.Hour)) || w.Explanation != "https://pebble.example/why" {
		t.Errorf("the window is shown as %+v", w)
	}
	for _, wrong := range []string{"", "no JSON", `{}`, windowText(from.Add(time.Hour), from), windowText(from, from.Add(time.Hour))} {
		set(wrong)
		asked.Store(nil)
		n.clock.move(8 * time.Hour) // in which it asks again
		testkit.Eventually(t, 30*time.Second, func() error {
			if asked.Load() == nil {
				return fmt.Errorf("it does not ask again: %+v", n.Status(a))
			}
			return nil
		})
		if s := n.Status(a); !s.Next.Equal(chosen) || s.State != lb.OrderIssued {
			t.Errorf("after %q the order stands at %+v, the renewal was at %s", wrong, s, chosen)
		}
	}
	// As after an incident: the window is over, and the certificate is renewed now.
	set(windowText(from.Add(-10*24*time.Hour), from.Add(-9*24*time.Hour)))
	n.clock.move(8 * time.Hour)
	testkit.Eventually(t, 30*time.Second, func() error {
		if n.leaf(a).Equal(leaf) {
			return fmt.Errorf("not renewed: %+v", n.Status(a))
		}
		return nil
	})
	n.awaitIssued(a)
	// The server still says so of the new one, which is not renewed at once again.
	<-time.After(500 * time.Millisecond)
	if p.Orders() != 2 {
		t.Errorf("%d orders", p.Orders())
	}
}

// A window after nine tenths of the life does not count: the certificate would end.
func TestWindowIsTooLate(t *testing.T) {
	t.Parallel()
	p := testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
	p.OfferWindows(func(string) (int, string) {
		return http.StatusOK, windowText(time.Now().AddDate(1, 0, 0), time.Now().AddDate(2, 0, 0))
	})
	n := startNode(t, t.TempDir(), p, nil)
	a := n.order(p, "shop.example")
	leaf := n.awaitIssued(a)
	latest := leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 10)
	n.await(a, "in time", func(s lb.OrderStatus) bool { return s.Next.Equal(latest) })
}

// client speaks to the server with a key.
func client(tb testing.TB, p *testkit.Pebble, key string) *xacme.Client {
	tb.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(p.CA))
	pair := keyOf(tb, key)
	return &xacme.Client{
		DirectoryURL: p.Directory, Key: pair,
		HTTPClient: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}},
	}
}

// A certificate that is revoked serves until the server has issued another one, which it is
// asked for as soon as it says that it wants that.
func TestRevokedCertificate(t *testing.T) {
	t.Parallel()
	p := testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
	n := startNode(t, t.TempDir(), p, nil)
	var isRevoked atomic.Bool
	p.OfferWindows(func(string) (int, string) {
		if isRevoked.Load() {
			return http.StatusOK, windowText(time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour))
		}
		return http.StatusOK, windowText(time.Now().AddDate(0, 0, 20), time.Now().AddDate(0, 0, 21))
	})
	a := n.order(p, "shop.example")
	leaf := n.awaitIssued(a)
	text, err := n.keys.Text(n.Files(a)[0].Digest)
	must(t, err)
	must(t, client(t, p, string(text)).RevokeCert(t.Context(), nil, leaf.Raw, xacme.CRLReasonKeyCompromise))
	isRevoked.Store(true)
	p.SetAway(true)
	n.clock.move(8 * time.Hour)
	<-time.After(300 * time.Millisecond)
	if !n.leaf(a).Equal(leaf) {
		t.Error("another certificate serves")
	}
	p.SetAway(false)
	n.clock.move(8 * time.Hour)
	testkit.Eventually(t, 30*time.Second, func() error {
		if n.leaf(a).Equal(leaf) {
			return fmt.Errorf("not renewed: %+v", n.Status(a))
		}
		return nil
	})
	verify(t, p, n, a)
}

// An authorization that is revoked in the middle ends the order, and the next attempt makes
// another one.
func TestRevokedAuthorization(t *testing.T) {
	t.Parallel()
	p := testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
	var n *node
	var once atomic.Bool
	n = startNode(t, t.TempDir(), p, func(c *acme.Config) {
		c.BeforeStep = func(step string) {
			if step != "authorization" || !once.CompareAndSwap(false, true) {
				return
			}
			docs, err := n.db.LoadOrders(t.Context())
			must(t, err)
			var account struct{ Key, URL string }
			var record struct {
				Order struct{ Authorizations []string }
			}
			for key, doc := range docs {
				if strings.HasPrefix(key, "account/") {
					decodeJSON(t, doc, &account)
				} else {
					decodeJSON(t, doc, &record)
				}
			}
			text, err := n.keys.Text(account.Key)
			must(t, err)
			deactivate(t, client(t, p, string(text)), account.URL, record.Order.Authorizations[0])
		}
	})
	a := n.order(p, "shop.example")
	s := n.await(a, "failed", func(s lb.OrderStatus) bool { return s.State == lb.OrderFailed })
	if !strings.Contains(s.Error, "deactivated") {
		t.Errorf("got %q", s.Error)
	}
	must(t, n.Renew(lb.Certificate{Key: "shop", ACME: &a}))
	n.awaitIssued(a)
	if p.Orders() != 2 || p.Finalized() != 1 {
		t.Errorf("%d orders, %d requests for certificates", p.Orders(), p.Finalized())
	}
}

// deactivate revokes an authorization in the form of RFC 8555, section 7.5.2, which the
// library does not have.
func deactivate(tb testing.TB, c *xacme.Client, account, url string) {
	tb.Helper()
	key, ok := c.Key.(*ecdsa.PrivateKey)
	if !ok {
		tb.Fatalf("%T", c.Key)
	}
	directory, err := c.Discover(tb.Context())
	must(tb, err)
	res, err := c.HTTPClient.Head(directory.NonceURL)
	must(tb, err)
	must(tb, res.Body.Close())
	encode := base64.RawURLEncoding.EncodeToString
	header, err := json.Marshal(map[string]string{"alg": "ES256", "kid": account, "nonce": res.Header.Get("Replay-Nonce"), "url": url})
	must(tb, err)
	protected, payload := encode(header), encode([]byte(`{"status":"deactivated"}`))
	sum := sha256.Sum256([]byte(protected + "." + payload))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	must(tb, err)
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	body, err := json.Marshal(map[string]string{"protected": protected, "payload": payload, "signature": encode(signature)})
	must(tb, err)
	res, err = c.HTTPClient.Post(url, "application/jose+json", bytes.NewReader(body))
	must(tb, err)
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		tb.Errorf("deactivating: %s: %s", res.Status, text)
	}
}
