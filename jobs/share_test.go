package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
	"thalassa/jobs"
)

// A board is what the nodes of a cluster tell each other.
type board struct {
	mu           sync.Mutex
	texts, rings map[string]string
	changed      wake.Signal
	deaf         bool          // nobody hears anything
	slow         time.Duration // how long a text of runnerOf takes to the others
}

// A place is the board as one node sees it. saying runs while a text is on its way.
type place struct {
	*board

	self   string
	saying func()
}

func (p place) Say(_ context.Context, text string) error {
	p.saying()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.texts[p.self] = text
	return nil
}

func (p place) Ring(_ context.Context, value string) error {
	p.mu.Lock()
	p.rings[p.self] = value
	p.mu.Unlock()
	p.changed.Broadcast()
	return nil
}

func (p place) Rings() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.rings)
}

func (p place) Heard(context.Context) (map[string]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deaf {
		return nil, errors.New("the attributes cannot be read")
	}
	return maps.Clone(p.texts), nil
}

// A memory keeps documents. Like any store, it takes calls from several goroutines.
type memory struct {
	mu   sync.Mutex
	docs map[string][]byte
}

func (m *memory) Save(_ context.Context, docs map[string][]byte, _ []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.Copy(m.docs, docs)
	return nil
}

func (m *memory) Load(context.Context) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.docs), nil
}

// What changes while a node tells the others something reaches them, too.
func TestChangesWhileOthersAreToldReachThem(t *testing.T) {
	const first, second = "00000000000000000001", "00000000000000000002"
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer func() { cancel(); running.Wait() }()
		shared := &board{texts: map[string]string{}, rings: map[string]string{}}
		var mu sync.Mutex
		saying := func() {}
		node := func(self string, saying func()) *jobs.Runner {
			stored := &memory{docs: map[string][]byte{}}
			for _, id := range []string{first, second} {
				doc, err := json.Marshal(cluster.Job{ID: id, Kind: cluster.JobConfigure, State: cluster.JobRunning, Node: "n3", Begun: time.Now()})
				if err != nil {
					t.Fatal(err)
				}
				stored.docs[id] = doc
			}
			r := jobs.New(jobs.Config{
				Exchange: place{shared, self, saying}, Store: stored, Changed: shared.changed.Next, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
				View: func() cluster.Status { return cluster.Status{Self: self, State: cluster.StateNone} },
			})
			running.Go(func() {
				if err := r.Run(ctx); err != nil {
					t.Error(err)
				}
			})
			return r
		}
		n1 := node("n1", func() {
			mu.Lock()
			now := saying
			saying = func() {}
			mu.Unlock()
			now()
		})
		n2 := node("n2", func() {})
		time.Sleep(time.Minute)
		mu.Lock()
		saying = func() {
			if _, err := n1.Cancel(ctx, second, "ann"); err != nil {
				t.Error(err)
			}
		}
		mu.Unlock()
		if _, err := n1.Cancel(ctx, first, "ann"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		for _, id := range []string{first, second} {
			now, cancel := context.WithTimeout(ctx, 0)
			j, err := n2.Job(now, id)
			cancel()
			if err != nil || j.CanceledBy != "ann" {
				t.Errorf("job %s on the other node is canceled by %q, %v", id, j.CanceledBy, err)
			}
		}
	})
}
