package acme_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/acme"
	"thalassa/activity"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/store"
)

// killedHere has the store and the server of a process that kills itself.
type killedHere struct {
	Dir, Step string
	// With an address of Consul it orders together with others, what Directory issues.
	Consul, Key, Directory, CA string
}

// killedSteps are those of an order.
func killedSteps() []string {
	return []string{"account", "key", "order", "look", "authorization", "http answer", "accept", "validation", "ready", "finalize", "store", "record"}
}

const killedEnv = "THALASSA_ACME_KILLED"

// TestKilledHere is the process that TestKilled starts: it orders, and kills itself before a
// step.
func TestKilledHere(t *testing.T) {
	var here killedHere
	if json.Unmarshal([]byte(os.Getenv(killedEnv)), &here) != nil {
		t.Skip("is a process of TestKilled")
	}
	db, err := store.Open(filepath.Join(here.Dir, "thalassa.db"), store.Options{})
	must(t, err)
	keys, err := store.OpenKeys(filepath.Join(here.Dir, "certificates"), nil)
	must(t, err)
	var shared *acme.Sharing
	if here.Consul != "" {
		shared = sharing(t, here.Consul, here.Key, here.Step)
		n := &node{tb: t, db: db}
		n.order(&testkit.Pebble{Directory: here.Directory, CA: here.CA}, "shop.example")
	}
	i, err := acme.New(t.Context(), acme.Config{
		Store: db, Keys: keys, Web: noAnswers{}, SkipSelfCheck: true, AllowLocal: true, Sharing: shared,
		BeforeStep: func(step string) {
			if step == here.Step {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
		},
	})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, i.Run(ctx))
}

// noAnswers stands for a server that checks nothing (PEBBLE_VA_ALWAYS_VALID).
type noAnswers struct{}

func (noAnswers) Answer(context.Context, map[string]string) error { return nil }

func (noAnswers) Reach(context.Context) ([]netip.AddrPort, error) { return nil, nil }

// A program that is killed at any step goes on with its order: there is one at the server,
// one certificate, and nothing is lost.
func TestKilled(t *testing.T) {
	t.Parallel()
	p := testkit.StartPebble(t, testkit.PebbleConfig{Env: []string{"PEBBLE_VA_ALWAYS_VALID=1"}})
	dir := t.TempDir()
	n := startNode(t, dir, p, func(c *acme.Config) { c.Web, c.SkipSelfCheck = noAnswers{}, true })
	p.SetAway(true)
	a := n.order(p, "shop.example")
	n.await(a, "failed", func(s lb.OrderStatus) bool { return s.State == lb.OrderFailed })
	n.clock.move(time.Hour)
	n.stop()
	p.SetAway(false)
	reset(t, dir, a)
	for _, step := range killedSteps() {
		text, err := json.Marshal(killedHere{Dir: dir, Step: step})
		must(t, err)
		cmd := exec.Command(os.Args[0], "-test.run", "^TestKilledHere$", "-test.v")
		cmd.Env = append(os.Environ(), killedEnv+"="+string(text))
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("before %s: %v\n%s", step, err, out)
		}
	}
	again := startNode(t, dir, p, func(c *acme.Config) { c.Web, c.SkipSelfCheck = noAnswers{}, true })
	again.awaitIssued(a)
	verify(t, p, again, a)
	if p.Orders() != 1 || p.Finalized() != 1 {
		t.Errorf("%d orders and %d requests for certificates", p.Orders(), p.Finalized())
	}
}

// reset has the next attempt made at once.
func reset(t *testing.T, dir string, a lb.ACME) {
	t.Helper()
	db, err := store.Open(filepath.Join(dir, "thalassa.db"), store.Options{})
	must(t, err)
	must(t, db.DeleteOrder(t.Context(), "certificate/"+a.Identity()))
	must(t, db.Close())
}

// A failed validation ends the order, and the next attempt makes another one. A server that
// names a time is not asked before, whoever asks and after a restart.
func TestRefusals(t *testing.T) {
	t.Parallel()
	p := testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
	dir := t.TempDir()
	n := startNode(t, dir, p, func(c *acme.Config) { c.SkipSelfCheck = true })
	n.web.broken.Store(true)
	a := n.order(p, "shop.example")
	s := n.await(a, "failed", func(s lb.OrderStatus) bool { return s.State == lb.OrderFailed })
	if !strings.Contains(s.Error, "validation of shop.example") {
		t.Errorf("got %q", s.Error)
	}
	if failed := n.events.of(activity.CertificateRenewalFailed); len(failed) != 1 || failed[0].Error != s.Error {
		t.Errorf("told %+v", failed)
	}
	n.web.broken.Store(false)
	p.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/order-plz") {
			return false
		}
		w.Header().Set("Retry-After", "7200")
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many\norders"}`))
		return true
	})
	shop := lb.Certificate{Key: "shop", ACME: &a}
	must(t, n.Renew(shop))
	s = n.await(a, "failed again", func(s lb.OrderStatus) bool { return s.Failures == 2 })
	if s.Next.Sub(n.clock.now()) < 2*time.Hour-time.Minute || strings.ContainsAny(s.Error, "\n") {
		t.Errorf("got %+v", s)
	}
	n.stop()
	p.Intercept(nil)
	n = startNode(t, dir, p, nil)
	if err := n.Renew(shop); err == nil || !strings.Contains(err.Error(), "no further request before") {
		t.Errorf("got %v", err)
	}
	before := p.Orders()
	n.clock.move(3 * time.Hour)
	n.awaitIssued(a)
	if p.Orders() != before+1 {
		t.Errorf("%d orders, were %d", p.Orders(), before)
	}
}

// A server that wants an account of its operator gets one.
func TestExternalAccount(t *testing.T) {
	t.Parallel()
	const mac = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	p := testkit.StartPebble(t, testkit.PebbleConfig{Answers: true, Accounts: map[string]string{"kid-1": mac}})
	n := startNode(t, t.TempDir(), p, func(c *acme.Config) {
		c.Bindings = map[string]acme.Binding{p.Directory: {KeyID: "kid-1", Key: func() ([]byte, error) { return decodeKey(mac) }}}
	})
	n.awaitIssued(n.order(p, "shop.example"))
}

func decodeKey(text string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(text) }
