package discovery_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/discovery"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// patience is how long anything may take on a slow machine before a test gives
// up on it.
const patience = 60 * time.Second

// watch runs a Watcher until the test ends.
func watch(t *testing.T, cfg discovery.Config, names ...lb.Name) *discovery.Watcher {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = testkit.Logger(t)
	}
	w, err := discovery.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.Want(names)
	run(t, w.Run)
	return w
}

// run runs something until the test ends and expects it to end without error.
func run(t *testing.T, f func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run did not return after its context had ended")
		}
	})
	t.Cleanup(stop)
	return stop
}

// eventually waits until ok is true; what describes that.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("never saw %s", what)
		case <-tick.C:
		}
	}
}

// await waits until the snapshot of a service fulfills ok and returns it.
func await(t *testing.T, w *discovery.Watcher, name lb.Name, what string, ok func(lb.Service) bool) lb.Service {
	t.Helper()
	var got lb.Service
	defer func() {
		if t.Failed() {
			t.Logf("%s is %+v, unanswered %v", name, w.Snapshot().Services[name], w.Snapshot().Unanswered)
		}
	}()
	eventually(t, string(name)+": "+what, func() bool {
		var known bool
		got, known = w.Snapshot().Services[name]
		return known && ok(got)
	})
	return got
}

func loggerTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func instances(n int) func(lb.Service) bool {
	return func(s lb.Service) bool { return len(s.Instances) == n && s.Stale == "" }
}

func status(want ...string) func(lb.Service) bool {
	return func(s lb.Service) bool {
		var got []string
		for _, i := range s.Instances {
			got = append(got, i.Status)
		}
		return slices.Equal(got, want) && s.Stale == ""
	}
}

func stale(reason string) func(lb.Service) bool {
	return func(s lb.Service) bool { return s.Stale != "" && strings.Contains(s.Stale, reason) }
}

func confirmed(s lb.Service) bool { return s.Stale == "" }

// A door is a TCP proxy in front of Consul that counts the connections through
// it, and can be shut.
type door struct {
	listener net.Listener
	target   string

	mu            sync.Mutex
	open          map[net.Conn]bool
	greatest, all int
	shut          bool
}

func newDoor(t *testing.T, target string) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{listener: l, target: target, open: map[net.Conn]bool{}}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { d.pass(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // ends the loop above
		d.setShut(true)
		conns.Wait()
	})
	return d
}

func (d *door) address() string { return d.listener.Addr().String() }

func (d *door) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", d.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !d.enter(client) {
		return
	}
	defer d.leave(client)
	go func() {
		defer server.Close() // ends the copy in the other direction
		_, _ = io.Copy(server, client)
	}()
	_, _ = io.Copy(client, server)
}

func (d *door) enter(c net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return false
	}
	d.open[c] = true
	d.all++
	d.greatest = max(d.greatest, len(d.open))
	return true
}

func (d *door) leave(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, c)
}

// setShut cuts all connections and lets no new ones through, or does again.
func (d *door) setShut(shut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = shut
	if shut {
		for c := range d.open {
			_ = c.Close() // ends both copies
		}
	}
}

func (d *door) counts() (now, greatest, all int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open), d.greatest, d.all
}
