package acme_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/acme"
	"thalassa/activity"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/store"
)

// A clock is the time that a test moves.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time        { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) move(by time.Duration) { c.ahead.Add(int64(by)) }

// answers has the name server of Pebble answer HTTP-01 challenges.
type answers struct {
	pebble *testkit.Pebble
	mu     sync.Mutex
	now    map[string]string
	// broken: they are never right.
	broken atomic.Bool
}

func (a *answers) Answer(_ context.Context, tokens map[string]string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name := range a.now {
		if tokens[name] == "" {
			if err := a.pebble.AnswerHTTP(name, ""); err != nil { //nolint:contextcheck // of the test
				return err
			}
		}
	}
	for name, text := range tokens {
		if a.broken.Load() {
			text = "wrong"
		}
		if err := a.pebble.AnswerHTTP(name, text); err != nil { //nolint:contextcheck // of the test
			return err
		}
	}
	a.now = tokens
	return nil
}

func (a *answers) Reach(context.Context) ([]netip.AddrPort, error) {
	return []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(a.pebble.HTTPPort))}, nil
}

// events are what an issuer has told.
type events struct {
	mu  sync.Mutex
	all []activity.Event
}

func (e *events) Note(event activity.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

func (e *events) of(verb activity.Verb) []activity.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.all), func(event activity.Event) bool { return event.Verb != verb })
}

// A node is an issuer with its own store.
type node struct {
	*acme.Issuer
	tb     testing.TB
	db     *store.DB
	keys   *store.Keys
	web    *answers
	clock  *clock
	events *events
	stop   func()
}

// startNode runs an issuer on the store of a directory.
func startNode(tb testing.TB, dir string, p *testkit.Pebble, adapt func(*acme.Config)) *node {
	tb.Helper()
	db, err := store.Open(filepath.Join(dir, "thalassa.db"), store.Options{})
	must(tb, err)
	keys, err := store.OpenKeys(filepath.Join(dir, "certificates"), nil)
	must(tb, err)
	n := &node{tb: tb, db: db, keys: keys, web: &answers{pebble: p}, clock: &clock{}, events: &events{}}
	cfg := acme.Config{
		Store: db, Keys: keys, Web: n.web, AllowLocal: true, Journal: n.events, Now: n.clock.now, LookEvery: 50 * time.Millisecond, Logger: testkit.Logger(tb),
	}
	if adapt != nil {
		adapt(&cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.Issuer, err = acme.New(ctx, cfg)
	must(tb, err)
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
		must(tb, db.Close())
	})
	tb.Cleanup(n.stop)
	return n
}

// order puts the certificate "shop" into the intent.
func (n *node) order(p *testkit.Pebble, domains ...string) lb.ACME {
	n.tb.Helper()
	a, err := lb.ACMESpec{Domains: domains, Directory: p.Directory, DirectoryCA: p.CA}.Parse()
	must(n.tb, err)
	n.put("shop", a)
	return a
}

func (n *node) put(name lb.Name, a lb.ACME) {
	n.tb.Helper()
	in, err := n.db.Load(n.tb.Context())
	must(n.tb, err)
	next, err := in.Apply(lb.Edit{Certificate: &lb.Certificate{Key: name, ACME: &a}})
	must(n.tb, err)
	_, err = n.db.Commit(n.tb.Context(), in.Revision, next, lb.Origin{Author: "test", Cause: "test", Time: time.Now()})
	must(n.tb, err)
}

// await waits until an order stands as wanted.
func (n *node) await(a lb.ACME, what string, is func(lb.OrderStatus) bool) lb.OrderStatus {
	n.tb.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; <-time.After(10 * time.Millisecond) {
		s := n.Status(a)
		if is(s) {
			return s
		}
		if time.Now().After(deadline) {
			n.tb.Fatalf("%s: the order stands at %+v", what, s)
		}
	}
}

func (n *node) awaitIssued(a lb.ACME) *x509.Certificate {
	n.tb.Helper()
	n.await(a, "issued", func(s lb.OrderStatus) bool { return s.State == lb.OrderIssued })
	return n.leaf(a)
}

// leaf is the certificate that is served.
func (n *node) leaf(a lb.ACME) *x509.Certificate {
	n.tb.Helper()
	files := n.Files(a)
	if len(files) != 1 {
		n.tb.Fatalf("got files %+v", files)
	}
	text, err := n.keys.Text(files[0].Digest)
	must(n.tb, err)
	block, _ := pem.Decode(text)
	leaf, err := x509.ParseCertificate(block.Bytes)
	must(n.tb, err)
	if !strings.Contains(string(text), "PRIVATE KEY") {
		n.tb.Error("the key is missing")
	}
	return leaf
}

// verify checks a certificate against the authority that issues.
func verify(tb testing.TB, p *testkit.Pebble, n *node, a lb.ACME) {
	tb.Helper()
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(p.Root())) {
		tb.Fatal("no root")
	}
	text, err := n.keys.Text(n.Files(a)[0].Digest)
	must(tb, err)
	between.AppendCertsFromPEM(text)
	leaf := n.leaf(a)
	for _, domain := range a.Domains {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: strings.Replace(domain, "*", "any", 1)}); err != nil {
			tb.Error(err)
		}
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
