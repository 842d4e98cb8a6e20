package acme_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"thalassa/acme"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

const tsigSecret = "c2VjcmV0IG9mIHR3ZW50eSBieXRlcw=="

// nameserver takes dynamic updates of shop.example that are signed, and tells Pebble's name
// server of them. It returns its address.
func nameserver(t *testing.T, p *testkit.Pebble) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		answer := new(dns.Msg)
		answer.SetReply(r)
		tsig := r.IsTsig()
		if tsig == nil || w.TsigStatus() != nil {
			answer.Rcode = dns.RcodeNotAuth
			_ = w.WriteMsg(answer)
			return
		}
		for _, rr := range r.Ns {
			txt, ok := rr.(*dns.TXT)
			switch {
			case !ok || !strings.HasSuffix(txt.Hdr.Name, "shop.example."):
				answer.Rcode = dns.RcodeNotZone
			case txt.Hdr.Class == dns.ClassNONE:
				_ = p.ClearTXT(txt.Hdr.Name)
			default:
				_ = p.SetTXT(txt.Hdr.Name, txt.Txt[0])
			}
		}
		answer.SetTsig(tsig.Hdr.Name, tsig.Algorithm, 300, time.Now().Unix())
		_ = w.WriteMsg(answer)
	})
	s := &dns.Server{Listener: l, Handler: handler, TsigSecret: map[string]string{"thalassa.": tsigSecret}, MsgAcceptFunc: func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }}
	go func() { _ = s.ActivateAndServe() }()
	t.Cleanup(func() { _ = s.Shutdown() })
	return l.Addr().String()
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// dnsOrder orders a wildcard by DNS-01.
func (n *node) dnsOrder(p *testkit.Pebble, domains ...string) lb.ACME {
	n.tb.Helper()
	a, err := lb.ACMESpec{Domains: domains, Challenge: lb.DNS01, Directory: p.Directory, DirectoryCA: p.CA}.Parse()
	must(n.tb, err)
	must(n.tb, n.Check(a))
	n.put("wild", a)
	return a
}

// A wildcard is issued by DNS-01, with signed dynamic updates and with a hook, and also where
// the record is an alias in another zone.
func TestDNS(t *testing.T) {
	t.Parallel()
	p := testkit.StartPebble(t, testkit.PebbleConfig{})
	server := nameserver(t, p)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Action, Name, Value string }
		err := json.NewDecoder(r.Body).Decode(&in)
		switch {
		case r.Header.Get("Authorization") != "Bearer token-of-the-hook":
			w.WriteHeader(http.StatusForbidden)
			return
		case err == nil && in.Action == "add":
			err = p.SetTXT(in.Name+".", in.Value) //nolint:contextcheck // of the test
		case err == nil:
			err = p.ClearTXT(in.Name + ".") //nolint:contextcheck // of the test
		}
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(hook.Close)
	must(t, p.SetCNAME("_acme-challenge.other.example.", "other.shop.example."))
	dynamic := acme.DynamicDNS{Zone: "shop.example", Server: server, KeyFile: secretFile(t, "hmac-sha256:thalassa:"+tsigSecret+"\n")}
	must(t, dynamic.Check())
	for name, tt := range map[string]struct {
		zone    acme.Zone
		domains []string
	}{
		"RFC 2136": {acme.Zone{Name: "shop.example", Provider: dynamic}, []string{"*.shop.example"}},
		"hook":     {acme.Zone{Name: "hook.example", Provider: acme.Hook{URL: hook.URL, TokenFile: secretFile(t, "token-of-the-hook\n")}}, []string{"*.hook.example"}},
		"alias": {acme.Zone{
			Name: "shop.example", Provider: dynamic, Delegated: map[string]string{"_acme-challenge.other.example": "other.shop.example"},
		}, []string{"*.other.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.zone.Nameservers, tt.zone.Wait = []string{p.DNS}, 20*time.Second
			n := startNode(t, t.TempDir(), p, func(c *acme.Config) { c.DNS = []acme.Zone{tt.zone} })
			a := n.dnsOrder(p, tt.domains...)
			n.awaitIssued(a)
			verify(t, p, n, a)
			other, err := lb.ACMESpec{Domains: []string{"elsewhere.example"}, Challenge: lb.DNS01, Directory: p.Directory}.Parse()
			must(t, err)
			if err := n.Check(other); err == nil || !strings.Contains(err.Error(), "acme-dns") {
				t.Errorf("a domain of no zone: %v", err)
			}
		})
	}
}

// An update with another secret is refused, and so is the order. No error has the secret.
func TestWrongKeyOfTheZone(t *testing.T) {
	t.Parallel()
	p := testkit.StartPebble(t, testkit.PebbleConfig{})
	wrong := "b3RoZXIgc2VjcmV0IG9mIGJ5dGVz"
	zone := acme.Zone{Name: "shop.example", Provider: acme.DynamicDNS{
		Zone: "shop.example", Server: nameserver(t, p), KeyFile: secretFile(t, "hmac-sha256:thalassa:"+wrong),
	}}
	n := startNode(t, t.TempDir(), p, func(c *acme.Config) { c.DNS = []acme.Zone{zone} })
	a := n.dnsOrder(p, "shop.example")
	s := n.await(a, "failed", func(s lb.OrderStatus) bool { return s.State == lb.OrderFailed })
	if !strings.Contains(s.Error, "updating the zone shop.example") || strings.Contains(s.Error, wrong) {
		t.Errorf("got %q", s.Error)
	}
}
