package discovery_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/discovery"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

const readAll = `service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`

func TestWatcherUnderACLs(t *testing.T) {
	t.Parallel()
	consul := testkit.GuardedConsul(t)
	consul.Register(testkit.Instance{Service: "web", Port: 80})
	known := lb.Snapshot{Services: map[lb.Name]lb.Service{"web": {Name: "web", Instances: []lb.Instance{
		{ID: "old", Address: lb.HostPort{Host: "10.0.0.1", Port: 80}, Weight: 1, Status: "passing"},
	}}}}
	good, _ := consul.NewToken("all", readAll)
	blind, _ := consul.NewToken("blind", `service_prefix "" { policy = "read" }`)

	t.Run("a token that may read", func(t *testing.T) {
		w := watch(t, discovery.Config{Address: consul.Address(), Token: good, Initial: known}, "web")
		got := await(t, w, "web", "Consul's answer", instances(1))
		if got.Instances[0].ID != "web" {
			t.Errorf("instance %s, want the registered one", got.Instances[0].ID)
		}
	})
	t.Run("a token that may read services and no nodes", func(t *testing.T) {
		w := watch(t, discovery.Config{Address: consul.Address(), Token: blind, Initial: known}, "web")
		got := await(t, w, "web", "the filter as a reason", stale("filtered"))
		if len(got.Instances) != 1 || got.Instances[0].ID != "old" {
			t.Errorf("instances %+v, want those known before", got.Instances)
		}
	})
	t.Run("a token that nobody knows", func(t *testing.T) {
		const unknown = "deadbeef-0000-0000-0000-000000000000"
		log := &testkit.Log{}
		w := watch(t, discovery.Config{
			Address: consul.Address(), Token: unknown, Initial: known,
			Logger: loggerTo(log),
		}, "web")
		got := await(t, w, "web", "the refusal as a reason", stale("403"))
		if len(got.Instances) != 1 || got.Instances[0].ID != "old" {
			t.Errorf("instances %+v, want those known before", got.Instances)
		}
		eventually(t, "a warning", func() bool { return strings.Contains(log.String(), "level=WARN") })
		if strings.Contains(log.String()+got.Stale, unknown) {
			t.Errorf("the token shows in %q or %q", log.String(), got.Stale)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		w := watch(t, discovery.Config{Address: consul.Address()}, "web")
		await(t, w, "web", "nothing, which Consul says without a hint", instances(0))
	})
}

func TestWatcherKeepsInstancesWhenRightsAreTakenAway(t *testing.T) {
	t.Parallel()
	consul := testkit.GuardedConsul(t)
	consul.Register(testkit.Instance{Service: "web", Port: 80})
	secret, setRules := consul.NewToken("changing", readAll)
	w := watch(t, discovery.Config{Address: consul.Address(), Token: secret, WaitTime: 2 * time.Second}, "web")
	await(t, w, "web", "an instance", instances(1))

	setRules(`node_prefix "" { policy = "read" }`)
	// Consul's stream begins anew, empty; a change makes it answer at once.
	consul.Register(testkit.Instance{Service: "web", Port: 81})
	got := await(t, w, "web", "a reason", stale("filtered"))
	if len(got.Instances) != 1 {
		t.Errorf("instances %+v, want the one known before", got.Instances)
	}
	setRules(readAll)
	await(t, w, "web", "the instance again", instances(1))
}

func TestWatcherReadsTheTokenFileAgain(t *testing.T) {
	t.Parallel()
	consul := testkit.GuardedConsul(t)
	consul.Register(testkit.Instance{Service: "web", Port: 80})
	good, _ := consul.NewToken("all", readAll)
	path := filepath.Join(t.TempDir(), "token")
	w := watch(t, discovery.Config{Address: consul.Address(), Token: consul.Token, TokenFile: path}, "web")
	eventually(t, "the missing file as a reason", func() bool { return strings.Contains(w.Snapshot().Unanswered["web"], "reading the token") })
	write := func(text string) {
		t.Helper()
		staged := path + ".new"
		if err := os.WriteFile(staged, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(staged, path); err != nil {
			t.Fatal(err)
		}
	}
	write("00000000-dead-beef-0000-000000000000\n")
	eventually(t, "the refusal as a reason", func() bool { return strings.Contains(w.Snapshot().Unanswered["web"], "403") })
	write(good + "\n")
	await(t, w, "web", "an instance", instances(1))
	write("") // as in the middle of being written
	consul.SetStatus("web", "critical")
	await(t, w, "web", "the change, by the token read before", status("critical"))
}
