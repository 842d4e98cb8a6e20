package nodes_test

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
	"thalassa/nodes"
)

// air is what the agents tell each other through the cluster.
type air struct {
	mu    sync.Mutex
	texts map[string]string
}

func (a *air) Say(_ context.Context, text string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.texts["n1"] = text
	return nil
}

func (a *air) Heard(context.Context) (map[string]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.texts), nil
}

// What the agents tell is known after a restart while the cluster is down, and only addresses
// that can be those of an agent of another machine.
func TestRoster(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "nodes.json")
	synctest.Test(t, func(t *testing.T) {
		said := &air{texts: map[string]string{
			"n2": `{"urls":["http://127.0.0.1:10000","ftp://192.0.2.2:1","https://host:10000","https://192.0.2.2:10000/x","https://192.0.2.2:10000"]}`,
			"n3": "not JSON", "n9": `{"urls":["https://192.0.2.9:10000"]}`,
		}}
		var mu sync.Mutex
		view := cluster.Status{Self: "n1", State: cluster.StateOK, Nodes: []cluster.Node{
			{Name: "n3", State: "online"}, {Name: "n1", State: "online"}, {Name: "n2", State: "online"}, {Name: "r1", Type: "remote", State: "online"},
		}}
		var changed wake.Signal
		cfg := nodes.RosterConfig{
			Exchange: said, File: file, URL: "https://192.0.2.1:10000", Changed: changed.Next, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			View: func() cluster.Status {
				mu.Lock()
				defer mu.Unlock()
				return view
			},
		}
		set := func(v cluster.Status) {
			mu.Lock()
			view = v
			mu.Unlock()
			changed.Broadcast()
			time.Sleep(5 * time.Second)
		}
		run := func(r *nodes.Roster) (stop func()) {
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- r.Run(ctx) }()
			time.Sleep(5 * time.Second)
			return func() {
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
		}
		r := nodes.NewRoster(t.Context(), cfg)
		stop := run(r)
		up := r.Up()
		if said.texts["n1"] != `{"urls":["https://192.0.2.1:10000"]}` || up.IsZero() {
			t.Errorf("told %s, up since %s", said.texts["n1"], up)
		}
		running := view
		set(cluster.Status{State: cluster.StateOffline})
		stop()

		r = nodes.NewRoster(t.Context(), cfg)
		stop = run(r)
		if got := r.Nodes(); r.Self() != "n1" || strings.Join(got, " ") != "n1 n2 n3" || !slices.Equal(r.URLs("n2"), []string{"https://192.0.2.2:10000"}) || r.URLs("n3") != nil || !r.Up().Equal(up) {
			t.Errorf("%s, %q, %q, %q, %s", r.Self(), got, r.URLs("n2"), r.URLs("n3"), r.Up())
		}
		set(running)
		if !r.Up().After(up) {
			t.Errorf("it runs again since %s", r.Up())
		}
		stop()
	})
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := nodes.NewRoster(t.Context(), nodes.RosterConfig{File: file, View: func() cluster.Status { return cluster.Status{} }, Logger: slog.New(slog.DiscardHandler)})
	if len(r.Nodes()) > 0 {
		t.Errorf("a damaged file has %q", r.Nodes())
	}
}
