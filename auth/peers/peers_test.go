package peers_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/auth"
	"thalassa/auth/peers"
	"thalassa/consul"
	"thalassa/internal/testkit"
)

// consulStore is a store in a real Consul.
type consulStore struct{ client *consul.Client }

func (s consulStore) Keys(ctx context.Context, prefix string, index uint64, wait time.Duration) (peers.Keys, uint64, error) {
	list, meta, err := s.client.Keys(ctx, prefix, index, wait)
	return peers.Keys{Names: list.Keys, Whole: list.Whole}, meta.Index, err
}

func (s consulStore) Read(ctx context.Context, key string) (peers.Record, bool, error) {
	p, ok, err := s.client.ReadPair(ctx, key)
	return peers.Record{Value: p.Value, Index: p.Index}, ok, err
}

func (s consulStore) Put(ctx context.Context, key string, value []byte) error {
	return s.client.SetPair(ctx, key, value)
}

func (s consulStore) Remove(ctx context.Context, key string, index uint64) error {
	return s.client.RemovePair(ctx, key, index)
}

// A node is an agent's sessions and their carrier.
type node struct {
	sessions *auth.Sessions
	shared   *auth.SharedSessions
	carrier  *peers.Carrier
	stop     func()

	mu    sync.Mutex
	ended []string
}

const token = "0123456789abcdef0123456789abcdef"

func start(t *testing.T, address, key, dir, name string) *node {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "tokens")
	must(os.WriteFile(file, []byte("admin ops "+token+"\n"), 0o600))
	tokens, err := auth.Open(file, nil)
	must(err)
	secret, err := auth.ReadClusterKey(key, "thalassa/sessions/")
	must(err)
	client, err := consul.New(consul.Config{Address: address, MaxConns: 3})
	must(err)
	n := &node{sessions: auth.NewSessions(auth.NewAuthority(tokens, nil), time.Now)}
	n.shared = n.sessions.Share(auth.ShareConfig{Node: name, Key: secret, Path: filepath.Join(dir, "nodes.json")})
	n.carrier = peers.New(peers.Config{
		Sessions: n.shared, Store: consulStore{client}, Prefix: "thalassa/sessions/", Node: name, Logger: slog.New(slog.DiscardHandler),
		Ended: func(s auth.Session) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.ended = append(n.ended, s.ID)
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.carrier.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		client.Close()
	})
	t.Cleanup(n.stop)
	return n
}

func (n *node) login(t *testing.T) string {
	t.Helper()
	tokenOwner, proof, ok := n.authority(t).Token(token)
	if !ok {
		t.Fatal(tokenOwner)
	}
	id, _, ok := n.sessions.Begin(proof, "")
	if !ok {
		t.Fatal("no session")
	}
	return id
}

func (n *node) authority(t *testing.T) *auth.Authority {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("admin ops "+token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := auth.Open(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return auth.NewAuthority(tokens, nil)
}

// holds waits until a session holds on a node, or does not.
func (n *node) holds(t *testing.T, id string, want bool) {
	t.Helper()
	testkit.Eventually(t, 20*time.Second, func() error {
		if _, ok := n.sessions.Find(id); ok != want {
			return fmt.Errorf("holds: %v; %q", ok, n.carrier.Problems())
		}
		return nil
	})
}

// hasProblem waits until a node says something, or nothing for an empty text.
func (n *node) hasProblem(t *testing.T, text string) {
	t.Helper()
	testkit.Eventually(t, 30*time.Second, func() error {
		all := strings.Join(n.carrier.Problems(), "\n")
		if text == "" && all != "" || !strings.Contains(all, text) {
			return fmt.Errorf("problems: %q, expected %q", all, text)
		}
		return nil
	})
}

func TestSessionsOverConsul(t *testing.T) {
	server := testkit.Consul(t)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("a random text of more than 32 characters: 8fj2Lq0z"), 0o600); err != nil {
		t.Fatal(err)
	}
	dirA, dirB := t.TempDir(), t.TempDir()
	a, b := start(t, server.Address(), key, dirA, "a"), start(t, server.Address(), key, dirB, "b")
	id := a.login(t)
	begun := time.Now()
	b.holds(t, id, true)
	t.Logf("known on the other node after %s", time.Since(begun).Round(time.Millisecond))
	if err := b.sessions.End(id); err != nil {
		t.Fatal(err)
	}
	begun = time.Now()
	a.holds(t, id, false)
	t.Logf("ended on the other node after %s", time.Since(begun).Round(time.Millisecond))
	testkit.Eventually(t, 5*time.Second, func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.ended) != 1 {
			return fmt.Errorf("told: %q", a.ended)
		}
		return nil
	})

	// Somebody else writes there.
	id = a.login(t)
	b.holds(t, id, true)
	server.Do("PUT", "/v1/kv/thalassa/sessions/a", "forged")
	testkit.Eventually(t, 20*time.Second, func() error { // a writes it again
		if value := server.Do("GET", "/v1/kv/thalassa/sessions/a?raw", nil); strings.Contains(string(value), "forged") {
			return fmt.Errorf("still %q", value)
		}
		return nil
	})
	b.holds(t, id, true)
	server.Do("PUT", "/v1/kv/thalassa/sessions/c", "forged")
	b.hasProblem(t, "node c are not taken over")
	server.Do("DELETE", "/v1/kv/thalassa/sessions/c", nil)
	b.hasProblem(t, "")
	server.Do("DELETE", "/v1/kv/thalassa/sessions/?recurse", nil)
	a.holds(t, id, true)
	b.holds(t, id, true)
	testkit.Eventually(t, 20*time.Second, func() error {
		if _, text := server.Try("GET", "/v1/kv/thalassa/sessions/?keys", nil); !strings.Contains(string(text), "sessions/a") || !strings.Contains(string(text), "sessions/b") {
			return fmt.Errorf("keys: %s", text)
		}
		return nil
	})

	// Without Consul, known sessions go on; new ones hold on one node, which says so.
	server.Stop()
	a.hasProblem(t, "not known here")
	late := a.login(t)
	a.hasProblem(t, "hold on this node alone")
	a.holds(t, id, true)
	b.holds(t, id, true)
	b.holds(t, late, false)
	b.stop()
	b = start(t, server.Address(), key, dirB, "b")
	b.holds(t, id, true)
	server.StartAgain()
	b.holds(t, late, true)
	testkit.Eventually(t, 30*time.Second, func() error { // it goes on to warn of what was forged
		if all := a.carrier.Problems(); len(all) != 1 || !strings.Contains(all[0], "somebody else writes to the key a") {
			return fmt.Errorf("problems: %q", all)
		}
		return nil
	})
	b.hasProblem(t, "")
}

// twoNodes starts two nodes that share their sessions in a Consul.
func twoNodes(t *testing.T) (server *testkit.ConsulAgent, a, b *node) {
	t.Helper()
	server = testkit.Consul(t)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("a random text of more than 32 characters: 8fj2Lq0z"), 0o600); err != nil {
		t.Fatal(err)
	}
	return server, start(t, server.Address(), key, t.TempDir(), "a"), start(t, server.Address(), key, t.TempDir(), "b")
}

// Whoever writes to the key of a node again and again does not delay its logouts much: the node
// writes its document again soon, tells of a logout at once, and warns.
func TestGarbageDoesNotDelayLogouts(t *testing.T) {
	t.Parallel()
	server, a, b := twoNodes(t)
	id := a.login(t)
	b.holds(t, id, true)
	for i := range 6 {
		garbage := fmt.Sprint("garbage ", i)
		server.Do("PUT", "/v1/kv/thalassa/sessions/a", garbage)
		testkit.Eventually(t, 5*time.Second, func() error {
			if value := server.Do("GET", "/v1/kv/thalassa/sessions/a?raw", nil); strings.Contains(string(value), garbage) {
				return fmt.Errorf("still %q", value)
			}
			return nil
		})
	}
	server.Do("PUT", "/v1/kv/thalassa/sessions/a", "garbage")
	a.hasProblem(t, "somebody else writes to the key a of this node")
	begun := time.Now()
	if err := a.sessions.End(id); err != nil {
		t.Fatal(err)
	}
	b.holds(t, id, false)
	took := time.Since(begun)
	t.Logf("ended on the other node after %s", took.Round(time.Millisecond))
	if took > 1500*time.Millisecond {
		t.Errorf("a logout takes %s", took)
	}
	if reach := a.reach(t); reach != auth.ReachAll {
		t.Errorf("it is known to %s", reach)
	}
	a.hasProblem(t, "somebody else writes to the key a of this node")
}

// reach is where what has just happened on a node is known within two seconds.
func (n *node) reach(t *testing.T) auth.Reach {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	return n.shared.Told(ctx)
}

// told is where what has just happened on a node is known, and how long it took to find out.
func (n *node) told(t *testing.T, want auth.Reach) time.Duration {
	t.Helper()
	begun := time.Now()
	if got := n.reach(t); got != want {
		t.Errorf("known on %s nodes, expected %s; %q", got, want, n.carrier.Problems())
	}
	return time.Since(begun)
}

// Whoever fills the store keeps nobody's logins and logouts from the other nodes.
func TestAFullStore(t *testing.T) {
	server := testkit.Consul(t)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("a random text of more than 32 characters: 8fj2Lq0z"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, b := start(t, server.Address(), key, t.TempDir(), "a"), start(t, server.Address(), key, t.TempDir(), "b")
	id := a.login(t)
	b.holds(t, id, true)
	for i := range 25 { // 10 MB, before the names of the nodes and after them
		server.Do("PUT", fmt.Sprintf("/v1/kv/thalassa/sessions/%s%d", []string{"0", "x"}[i%2], i), strings.Repeat("x", 400<<10))
	}
	b.hasProblem(t, "are not taken over")
	b.holds(t, id, true)
	var late string
	testkit.Eventually(t, 30*time.Second, func() error { // until each key has been looked at once
		late = a.login(t)
		begun := time.Now()
		if got := a.reach(t); got != auth.ReachAll {
			return fmt.Errorf("known on %s nodes", got)
		}
		t.Logf("all nodes know a login after %s", time.Since(begun).Round(time.Millisecond))
		return nil
	})
	if _, ok := b.sessions.Find(late); !ok {
		t.Error("all nodes know the login, and b does not")
	}
	if err := a.sessions.End(late); err != nil {
		t.Fatal(err)
	}
	t.Logf("all nodes know a logout after %s", a.told(t, auth.ReachAll).Round(time.Millisecond))
	if _, ok := b.sessions.Find(late); ok {
		t.Error("all nodes know the logout, and b does not")
	}
	// A further node finds the others, and they it.
	c := start(t, server.Address(), key, t.TempDir(), "c")
	c.holds(t, id, true)
	third := c.login(t)
	a.holds(t, third, true)
	b.holds(t, third, true)
	// One that does not read is not among all.
	c.stop()
	last := a.login(t)
	if took := a.told(t, auth.ReachSome); took < time.Second {
		t.Errorf("c is not waited for: %s", took)
	}
	if took := a.told(t, auth.ReachSome); took > time.Second {
		t.Errorf("c is waited for again: %s", took)
	}
	b.holds(t, last, true)
	server.Do("DELETE", "/v1/kv/thalassa/sessions/x?recurse", nil)
	server.Do("DELETE", "/v1/kv/thalassa/sessions/0?recurse", nil)
	b.hasProblem(t, "")
}

// So many keys that their names are too many hide no node that is known.
func TestAStoreOfManyKeys(t *testing.T) {
	server, a, b := twoNodes(t)
	id := a.login(t)
	b.holds(t, id, true)
	a.told(t, auth.ReachAll)
	const each = 64 // the most that Consul takes in one transaction
	for i := range 80 {
		ops := make([]map[string]any, each)
		for j := range ops {
			name := fmt.Sprintf("thalassa/sessions/0%s%05d", strings.Repeat("y", 300), each*i+j)
			ops[j] = map[string]any{"KV": map[string]any{"Verb": "set", "Key": name, "Value": "eA=="}}
		}
		server.Do("PUT", "/v1/txn", ops)
	}
	late := a.login(t)
	a.told(t, auth.ReachSome) // there may be a node among the keys
	b.holds(t, late, true)
	if err := a.sessions.End(late); err != nil {
		t.Fatal(err)
	}
	b.holds(t, late, false)
}
