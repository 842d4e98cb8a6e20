package haproxy_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/statsock"
)

// sick is a web server whose checks fail, and which answers all else with a name.
func sick(tb testing.TB, name string) lb.HostPort {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := &http.Server{
		ReadHeaderTimeout: patience,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/check" {
				w.WriteHeader(http.StatusInternalServerError)
			}
			fmt.Fprint(w, name)
		}),
	}
	go func() { _ = server.Serve(listener) }() // ends with Close
	tb.Cleanup(func() { _ = server.Close() })
	return lb.HostPort{Host: "127.0.0.1", Port: uint16(listener.Addr().(*net.TCPAddr).Port)}
}

func well(tb testing.TB, name string) lb.HostPort {
	tb.Helper()
	return lb.HostPort{Host: "127.0.0.1", Port: uint16(testkit.StartWeb(tb, name).Port)} //nolint:gosec // a port
}

// checked is a pool with HTTP checks.
func checked(every time.Duration, members ...lb.HostPort) lb.ResolvedBackend {
	p := pool("live", members...)
	p.Health = &lb.Health{Method: "GET", URI: "/check", Version: "HTTP/1.0", Interval: every}
	return p
}

// answered counts who answers some requests.
func (fx *fixture) answered() map[string]int {
	fx.t.Helper()
	out := map[string]int{}
	for range 20 {
		body, err := fx.get()
		if err != nil {
			fx.t.Fatal(err)
		}
		out[strings.TrimSpace(body)]++
	}
	return out
}

// down waits until HAProxy's checks have found a server down.
func (s *slotFixture) down(name string) {
	s.t.Helper()
	testkit.Eventually(s.t, patience, func() error {
		if s.server(name).Up {
			return errors.New(name + " is up")
		}
		return nil
	})
}

// TestHealthSurvivesReloads: a new worker sends no request to a server that the one
// before knew to be down, and has no prejudice against others. Without the state
// file it is otherwise, so that this can be seen.
func TestHealthSurvivesReloads(t *testing.T) {
	each(t, func(fx *fixture) {
		a, b, c := well(fx.t, "a"), sick(fx.t, "b"), well(fx.t, "c")
		s := fx.raise(checked(50*time.Millisecond, a, b))
		s.down("s2")
		next, _ := s.next(checked(time.Hour, a, b)) // no further check
		s.reload(next)
		if got := fx.answered(); got["a"] != 20 || s.server("s2").Up {
			fx.t.Errorf("after the reload %v answered, s2 is %+v", got, s.server("s2"))
		}
		if got := fx.file(haproxy.StateFile(fx.cfg.ConfigPath)); got != "1\n" {
			fx.t.Errorf("the state was left behind: %s", got)
		}
		other := checked(time.Hour, a, c)
		other.Balance = "random"
		if next, _ = s.next(other); next.Backends[0].Slots[1].Member != nil {
			fx.t.Fatal("c takes the slot of b")
		}
		next.Backends[0].Slots[1], next.Backends[0].Slots[2] = next.Backends[0].Slots[2], next.Backends[0].Slots[1]
		s.reload(next) // with c where b was
		if got := fx.answered(); got["c"] == 0 || got["b"] > 0 || !s.server("s2").Up {
			fx.t.Errorf("with another member %v answered, s2 is %+v", got, s.server("s2"))
		}

		without := fx.configOf(checked(time.Hour, a, b))
		without.Process.StateFile = ""
		without.Backends[0].Balance = "static-rr"
		s.reload(without)
		if got := fx.answered(); got["b"] == 0 {
			fx.t.Errorf("without a state file %v answered", got)
		}
	})
}

// TestReloadsKeepWhatIsNotInTheFile: what somebody has done to servers whose state
// is nobody else's stays; for slots the new file is right.
func TestReloadsKeepWhatIsNotInTheFile(t *testing.T) {
	each(t, func(fx *fixture) {
		a, b := well(fx.t, "a"), well(fx.t, "b")
		fixed := lb.ResolvedBackend{Backend: lb.Backend{Key: "pinned", Type: "static", Mode: "http", Balance: "roundrobin"}}
		for _, m := range []lb.HostPort{a, b} {
			fixed.Members = append(fixed.Members, lb.Member{Address: m, Weight: 1})
		}
		s := fx.raise(pool("live", a, b), fixed)
		client := statsock.New(fx.cfg.StatsSocket)
		for _, command := range []string{
			"set server pinned/" + fixed.Members[0].ServerName() + " state maint",
			"set server pinned/" + fixed.Members[1].ServerName() + " weight 7",
			"set server live/s1 state drain", "set server live/s2 weight 9", "set server live/s3 state ready",
		} {
			if said, err := client.Do(fx.t.Context(), command); err != nil || strings.TrimSpace(said) != "" {
				fx.t.Fatalf("%s: %q, %v", command, said, err)
			}
		}
		live := pool("live", a, b)
		live.Members[1].Weight, live.Balance = 3, "leastconn"
		next, _ := s.next(live, fixed)
		s.reload(next)
		for _, server := range s.servers() {
			if server.Backend != "pinned" {
				continue
			}
			first := server.Server == fixed.Members[0].ServerName()
			if server.Maintenance != first || first == (server.Weight == 7) {
				fx.t.Errorf("got %+v", server)
			}
		}
		for i, want := range s.running.Backends[0].Servers() {
			got := s.server(lb.SlotName(i))
			if got.Maintenance != want.Spare || got.Weight != want.Weight || got.Draining {
				fx.t.Errorf("got %+v, want %+v", got, want)
			}
		}
	})
}

// TestOutdatedStateIsForgotten: who starts HAProxy later must not find how its
// servers once stood, nor when the agent ended in a reload.
func TestOutdatedStateIsForgotten(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	file := haproxy.StateFile(fx.cfg.ConfigPath)
	s := fx.raise(pool("live", well(t, "a")))
	old := []byte("1\n# left by an agent that was killed\n")
	if err := os.WriteFile(file, old, 0o600); err != nil {
		t.Fatal(err)
	}
	release, err := fx.Claim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if got := fx.file(file); got != "1\n" {
		t.Errorf("the next agent leaves %q", got)
	}
	other := pool("live", well(t, "b"))
	other.Natives = []lb.RawLine{"bind-process 1 2 3 4 5"} // refused at the check
	next, _ := s.next(other)
	if _, err := fx.Apply(t.Context(), s.render(next).Bytes, "x"); err == nil {
		t.Error("HAProxy took it")
	}
	if got := fx.file(file); got != "1\n" {
		t.Errorf("a refused change leaves %q", got)
	}
}

// finished is the mark of peers that have no more to learn.
var finished = regexp.MustCompile(`id=thalassa disabled=0 flags=0x[0-9a-f]*3 `)

// TestStickTablesSurviveReloads: a new worker gets the entries of the one before.
// HAProxy 2.6 hands them on only once it has given up to get some itself, five
// seconds after its start.
func TestStickTablesSurviveReloads(t *testing.T) {
	each(t, func(fx *fixture) { fx.countsOn(nil) })
}
