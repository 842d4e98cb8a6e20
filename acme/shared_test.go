package acme_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/acme"
	"thalassa/activity"
	"thalassa/auth"
	"thalassa/consul"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

const sharedPrefix = "thalassa/acme/"

// sharing is how a node of a test reaches the others. Locks of a session that has ended can
// be taken at once.
func sharing(tb testing.TB, address, key, node string) *acme.Sharing {
	tb.Helper()
	client, err := consul.New(consul.Config{Address: address, MaxConns: 8})
	must(tb, err)
	tb.Cleanup(client.Close)
	seal, err := auth.ReadClusterKey(key, "orders\n"+sharedPrefix)
	must(tb, err)
	return &acme.Sharing{Consul: client, Seal: seal, Prefix: sharedPrefix, Node: node, TTL: 10 * time.Second, Delay: time.Millisecond}
}

func clusterKey(tb testing.TB, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "key")
	must(tb, os.WriteFile(path, []byte(text), 0o600))
	return path
}

const clusterSecret = "a random text of more than 32 characters: 8fj2Lq0z"

// together starts a node that orders with others.
func together(tb testing.TB, dir string, p *testkit.Pebble, s *acme.Sharing, adapt func(*acme.Config)) *node {
	tb.Helper()
	return startNode(tb, dir, p, func(c *acme.Config) {
		c.Sharing = s
		if adapt != nil {
			adapt(c)
		}
	})
}

// endSessions ends those in Consul, as when their nodes are long dead.
func endSessions(server *testkit.ConsulAgent, of string) {
	var all []struct{ ID, Name string }
	if json.Unmarshal(server.Do(http.MethodGet, "/v1/session/list", nil), &all) != nil {
		return
	}
	for _, s := range all {
		if strings.HasSuffix(s.Name, of) {
			server.Do(http.MethodPut, "/v1/session/destroy/"+s.ID, nil)
		}
	}
}

// serves waits until a node serves the same certificate as another one.
func (n *node) serves(a lb.ACME, as *node) {
	n.tb.Helper()
	want := as.leaf(a)
	testkit.Eventually(n.tb, 30*time.Second, func() error {
		if got := n.leaf(a); !got.Equal(want) {
			return fmt.Errorf("serves %s, expected %s; %+v", got.SerialNumber, want.SerialNumber, n.Status(a))
		}
		return nil
	})
}

// One of several nodes orders, all serve, and one that was away catches up.
func TestNodesOrderTogether(t *testing.T) {
	t.Parallel()
	server, p := testkit.Consul(t), testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
	key, dirB := clusterKey(t, clusterSecret), t.TempDir()
	a := together(t, t.TempDir(), p, sharing(t, server.Address(), key, "a"), nil)
	b := together(t, dirB, p, sharing(t, server.Address(), key, "b"), nil)
	shop := a.order(p, "shop.example")
	b.order(p, "shop.example")
	a.awaitIssued(shop)
	b.awaitIssued(shop)
	b.serves(shop, a)
	verify(t, p, b, shop)
	if p.Orders() != 1 || p.Finalized() != 1 || p.Accounts() != 1 {
		t.Errorf("%d orders, %d requests for certificates, %d accounts", p.Orders(), p.Finalized(), p.Accounts())
	}
	if a.Status(shop).Alone != "" || b.Status(shop).Alone != "" {
		t.Errorf("alone: %q, %q", a.Status(shop).Alone, b.Status(shop).Alone)
	}
	told := slices.Concat(a.events.of(activity.CertificateRenewed), b.events.of(activity.CertificateRenewed))
	if len(told) != 2 || (told[0].Reasons[0] == "another node has ordered it") == (told[1].Reasons[0] == "another node has ordered it") {
		t.Errorf("told %+v", told)
	}

	// Both are asked to renew it at once.
	first := a.leaf(shop)
	cert := lb.Certificate{Key: "shop", ACME: &shop}
	must(t, a.Renew(cert))
	must(t, b.Renew(cert))
	testkit.Eventually(t, 30*time.Second, func() error {
		for _, n := range []*node{a, b} {
			if s := n.Status(shop); s.State != lb.OrderIssued || n.leaf(shop).Equal(first) {
				return fmt.Errorf("the order stands at %+v", s)
			}
		}
		return nil
	})
	b.serves(shop, a)
	if p.Orders() != 2 || p.Finalized() != 2 {
		t.Errorf("%d orders, %d requests for certificates", p.Orders(), p.Finalized())
	}

	// One is away while the other renews.
	b.stop()
	second := a.leaf(shop)
	must(t, a.Renew(cert))
	testkit.Eventually(t, 30*time.Second, func() error {
		if s := a.Status(shop); s.State != lb.OrderIssued || a.leaf(shop).Equal(second) {
			return fmt.Errorf("the order stands at %+v", s)
		}
		return nil
	})
	b = together(t, dirB, p, sharing(t, server.Address(), key, "b"), nil)
	b.serves(shop, a)
	c := together(t, t.TempDir(), p, sharing(t, server.Address(), key, "c"), nil) // with an empty disk
	c.order(p, "shop.example")
	c.awaitIssued(shop)
	c.serves(shop, a)
	if p.Orders() != 3 || p.Finalized() != 3 || p.Accounts() != 1 {
		t.Errorf("%d orders, %d requests for certificates, %d accounts", p.Orders(), p.Finalized(), p.Accounts())
	}
	for _, pair := range kvPairs(server) {
		if strings.Contains(pair, "PRIVATE") || strings.Contains(pair, "shop.example") {
			t.Errorf("Consul has %q", pair)
		}
	}
}

// kvPairs are the values in Consul.
func kvPairs(server *testkit.ConsulAgent) (out []string) {
	var all []struct{ Value []byte }
	_ = json.Unmarshal(server.Do(http.MethodGet, "/v1/kv/"+sharedPrefix+"?recurse", nil), &all)
	for _, pair := range all {
		out = append(out, string(pair.Value))
	}
	return out
}

// storedKey is the key in Consul that has what is stored of an order.
func storedKey(tb testing.TB, server *testkit.ConsulAgent, a lb.ACME) string {
	tb.Helper()
	var keys []string
	must(tb, json.Unmarshal(server.Do(http.MethodGet, "/v1/kv/"+sharedPrefix+"stored/?keys", nil), &keys))
	for _, key := range keys {
		if strings.HasSuffix(key, a.Identity()) {
			return key
		}
	}
	tb.Fatalf("keys %q", keys)
	return ""
}

// A Consul that is away, has lost everything, gives out what was or what is forged, costs no
// order, and no certificate.
func TestConsulLies(t *testing.T) {
	t.Parallel()
	server, p := testkit.Consul(t), testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
	key := clusterKey(t, clusterSecret)
	a := together(t, t.TempDir(), p, sharing(t, server.Address(), key, "a"), nil)
	b := together(t, t.TempDir(), p, sharing(t, server.Address(), key, "b"), nil)
	shop := a.order(p, "shop.example")
	b.order(p, "shop.example")
	a.awaitIssued(shop)
	b.awaitIssued(shop)
	stored, store := storedKey(t, server, shop), sharing(t, server.Address(), key, "").Consul
	path := "/v1/kv/" + stored
	former := server.Do(http.MethodGet, path+"?raw", nil)
	first := a.leaf(shop)
	cert := lb.Certificate{Key: "shop", ACME: &shop}
	must(t, b.Renew(cert))
	testkit.Eventually(t, 30*time.Second, func() error {
		if a.leaf(shop).Equal(first) {
			return fmt.Errorf("the order stands at %+v", a.Status(shop))
		}
		return nil
	})
	b.serves(shop, a)
	for name, value := range map[string]string{"the former": string(former), "forged": "forged"} {
		must(t, store.SetPair(t.Context(), stored, []byte(value)))
		testkit.Eventually(t, 30*time.Second, func() error { // a node writes it again
			if got := server.Do(http.MethodGet, path+"?raw", nil); string(got) == value {
				return fmt.Errorf("%s value stays", name)
			}
			return nil
		})
		if a.leaf(shop).Equal(first) || b.leaf(shop).Equal(first) {
			t.Errorf("%s value brings the former certificate back", name)
		}
	}

	// Away: the old one serves, nobody orders, and each node says so.
	second := a.leaf(shop)
	server.Stop()
	a.await(shop, "alone", func(s lb.OrderStatus) bool { return strings.Contains(s.Alone, "asking consul") })
	must(t, a.Renew(cert))
	a.await(shop, "waiting", func(s lb.OrderStatus) bool { return s.State != lb.OrderUnderWay })
	if !a.leaf(shop).Equal(second) || p.Orders() != 2 {
		t.Errorf("%d orders", p.Orders())
	}
	server.StartAgain() // it has lost everything
	a.await(shop, "together", func(s lb.OrderStatus) bool { return s.Alone == "" })
	c := together(t, t.TempDir(), p, sharing(t, server.Address(), key, "c"), nil)
	testkit.Eventually(t, 30*time.Second, func() error { // the others have stored it again
		if status, _ := server.Try(http.MethodGet, path, nil); status != http.StatusOK {
			return fmt.Errorf("status %d", status)
		}
		return nil
	})
	c.order(p, "shop.example")
	c.awaitIssued(shop)
	c.serves(shop, a)
	if p.Orders() != 2 || p.Finalized() != 2 {
		t.Errorf("%d orders, %d requests for certificates", p.Orders(), p.Finalized())
	}
	must(t, c.Renew(cert))
	testkit.Eventually(t, 30*time.Second, func() error {
		if s := a.Status(shop); a.leaf(shop).Equal(second) || s.State != lb.OrderIssued {
			return fmt.Errorf("the order stands at %+v", s)
		}
		return nil
	})
	if p.Orders() != 3 {
		t.Errorf("%d orders", p.Orders())
	}
}

// A Consul that stores nothing has nothing ordered: what would come of it could be lost.
func TestConsulIsFull(t *testing.T) {
	t.Parallel()
	server, p := testkit.Consul(t, "limits { kv_max_value_size = 100 txn_max_req_len = 100 }"), testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
	a := together(t, t.TempDir(), p, sharing(t, server.Address(), clusterKey(t, clusterSecret), "a"), nil)
	shop := a.order(p, "shop.example")
	s := a.await(shop, "waiting", func(s lb.OrderStatus) bool {
		return s.State == lb.OrderWaiting && strings.Contains(s.Error, "for all nodes")
	})
	if p.Orders() != 0 || s.Failures > 0 {
		t.Errorf("%d orders; %+v", p.Orders(), s)
	}
	if leaf := a.leaf(shop); !strings.Contains(leaf.Subject.CommonName, "no certificate issued yet") {
		t.Errorf("serves %s", leaf.Subject)
	}
}

// Nodes with different keys order on their own, and say so.
func TestOtherKeys(t *testing.T) {
	t.Parallel()
	server, p := testkit.Consul(t), testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
	a := together(t, t.TempDir(), p, sharing(t, server.Address(), clusterKey(t, clusterSecret), "a"), nil)
	b := together(t, t.TempDir(), p, sharing(t, server.Address(), clusterKey(t, clusterSecret+" another"), "b"), nil)
	shop := a.order(p, "shop.example")
	b.order(p, "shop.example")
	a.awaitIssued(shop)
	b.awaitIssued(shop)
	for _, n := range []*node{a, b} {
		n.await(shop, "told", func(s lb.OrderStatus) bool { return strings.Contains(s.Alone, "another key") })
	}
	if p.Orders() != 2 {
		t.Errorf("%d orders", p.Orders())
	}
}

// A node that loses its lock in the middle stops, and another one goes on with its order.
func TestLockIsLost(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"look", "http answer", "finalize", "record"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			server, p := testkit.Consul(t), testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
			key := clusterKey(t, clusterSecret)
			reached, goOn := make(chan struct{}), make(chan struct{})
			var once atomic.Bool
			a := together(t, t.TempDir(), p, sharing(t, server.Address(), key, "a"), func(c *acme.Config) {
				c.BeforeStep = func(s string) {
					if s == step && once.CompareAndSwap(false, true) {
						close(reached)
						<-goOn
					}
				}
			})
			shop := a.order(p, "shop.example")
			<-reached
			b := together(t, t.TempDir(), p, sharing(t, server.Address(), key, "b"), nil)
			b.order(p, "shop.example")
			b.await(shop, "another node orders", func(s lb.OrderStatus) bool { return s.Step == "on node a" })
			endSessions(server, "-a")
			b.awaitIssued(shop)
			close(goOn)
			a.serves(shop, b)
			a.awaitIssued(shop)
			if p.Orders() != 1 || p.Finalized() != 1 {
				t.Errorf("%d orders, %d requests for certificates", p.Orders(), p.Finalized())
			}
			if failed := slices.Concat(a.events.of(activity.CertificateRenewalFailed), b.events.of(activity.CertificateRenewalFailed)); len(failed) > 0 {
				t.Errorf("told %+v", failed)
			}
		})
	}
}

// A node that is killed at any step is followed by one with an empty disk, which goes on with
// its order: there is one at the server, one certificate and one account.
func TestKilledHolder(t *testing.T) {
	t.Parallel()
	server := testkit.Consul(t)
	p := testkit.StartPebble(t, testkit.PebbleConfig{Env: []string{"PEBBLE_VA_ALWAYS_VALID=1"}})
	key := clusterKey(t, clusterSecret)
	for _, step := range killedSteps() {
		text, err := json.Marshal(killedHere{Dir: t.TempDir(), Step: step, Consul: server.Address(), Key: key, Directory: p.Directory, CA: p.CA})
		must(t, err)
		cmd := exec.Command(os.Args[0], "-test.run", "^TestKilledHere$", "-test.v")
		cmd.Env = append(os.Environ(), killedEnv+"="+string(text))
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("before %s: %v\n%s", step, err, out)
		}
		endSessions(server, "")
	}
	n := together(t, t.TempDir(), p, sharing(t, server.Address(), key, "last"), func(c *acme.Config) { c.Web, c.SkipSelfCheck = noAnswers{}, true })
	a := n.order(p, "shop.example")
	n.awaitIssued(a)
	verify(t, p, n, a)
	if p.Orders() != 1 || p.Finalized() != 1 || p.Accounts() != 1 {
		t.Errorf("%d orders, %d requests for certificates, %d accounts", p.Orders(), p.Finalized(), p.Accounts())
	}
}

// The lock of a node that is killed passes to another one without anybody's help.
func TestFailover(t *testing.T) {
	t.Parallel()
	server := testkit.Consul(t)
	p := testkit.StartPebble(t, testkit.PebbleConfig{Env: []string{"PEBBLE_VA_ALWAYS_VALID=1"}})
	key := clusterKey(t, clusterSecret)
	text, err := json.Marshal(killedHere{Dir: t.TempDir(), Step: "finalize", Consul: server.Address(), Key: key, Directory: p.Directory, CA: p.CA})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run", "^TestKilledHere$", "-test.v")
	cmd.Env = append(os.Environ(), killedEnv+"="+string(text))
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("%v\n%s", err, out)
	}
	begun := time.Now()
	n := together(t, t.TempDir(), p, sharing(t, server.Address(), key, "b"), func(c *acme.Config) { c.Web, c.SkipSelfCheck = noAnswers{}, true })
	a := n.order(p, "shop.example")
	n.awaitIssued(a)
	t.Logf("issued %s after the death of the node that ordered", time.Since(begun).Round(time.Millisecond))
	if p.Orders() != 1 || p.Finalized() != 1 {
		t.Errorf("%d orders, %d requests for certificates", p.Orders(), p.Finalized())
	}
}

// A node that has ordered on its own keeps its certificate when it joins others.
func TestJoin(t *testing.T) {
	t.Parallel()
	server, p := testkit.Consul(t), testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
	dir, key := t.TempDir(), clusterKey(t, clusterSecret)
	alone := startNode(t, dir, p, nil)
	shop := alone.order(p, "shop.example")
	leaf := alone.awaitIssued(shop)
	if alone.Status(shop).Alone == "" {
		t.Error("it does not say that it orders on its own")
	}
	alone.stop()
	b := together(t, t.TempDir(), p, sharing(t, server.Address(), key, "b"), nil)
	a := together(t, dir, p, sharing(t, server.Address(), key, "a"), nil)
	testkit.Eventually(t, 30*time.Second, func() error {
		if status, text := server.Try(http.MethodGet, "/v1/kv/"+sharedPrefix+"stored/?keys", nil); !strings.Contains(string(text), shop.Identity()) {
			return fmt.Errorf("%d %s", status, text)
		}
		return nil
	})
	b.order(p, "shop.example")
	b.awaitIssued(shop)
	if !b.leaf(shop).Equal(leaf) || !a.leaf(shop).Equal(leaf) || p.Orders() != 1 {
		t.Errorf("%d orders; %s and %s, was %s", p.Orders(), a.leaf(shop).SerialNumber, b.leaf(shop).SerialNumber, leaf.SerialNumber)
	}
}
