package haproxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/plan"
)

// hosts are other addresses of a server on all of 127/8.
func hosts(network, count int, port uint16) []lb.HostPort {
	out := make([]lb.HostPort, count)
	for i := range out {
		out[i] = lb.HostPort{Host: lb.Host(fmt.Sprintf("127.0.%d.%d", network+i/250, 1+i%250)), Port: port}
	}
	return out
}

// everywhere is a web server on all addresses of this machine, and how many connections it
// has taken.
func everywhere(tb testing.TB, word string) (port uint16, connections *atomic.Int64) {
	tb.Helper()
	listener, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		tb.Fatal(err)
	}
	connections = &atomic.Int64{}
	server := &http.Server{
		ReadHeaderTimeout: patience,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, word) }),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateActive {
				return
			}
			if state == http.StateNew {
				connections.Add(1)
			}
		},
	}
	go func() { _ = server.Serve(listener) }() // ends with Close
	tb.Cleanup(func() { _ = server.Close() })
	return uint16(listener.Addr().(*net.TCPAddr).Port), connections //nolint:gosec // a port
}

// load asks a frontend from some clients until it is stopped, which gives the numbers of
// requests and failures.
func (fx *fixture) load(clients int) (stop func() (requests, failed int64)) {
	ctx, cancel := context.WithCancel(fx.t.Context())
	var requests, failed atomic.Int64
	ended := make(chan struct{})
	for range clients {
		go func() {
			defer func() { ended <- struct{}{} }()
			client := http.Client{Timeout: patience, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				res, err := client.Get("http://" + fx.address())
				requests.Add(1)
				if err != nil {
					failed.Add(1)
					continue
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
					failed.Add(1)
				}
				_ = res.Body.Close()
			}
		}()
	}
	return func() (int64, int64) {
		cancel()
		for range clients {
			<-ended
		}
		return requests.Load(), failed.Load()
	}
}

// install makes the file that of what runs, as the agent does.
func (s *slotFixture) install() {
	s.t.Helper()
	if err := s.Install(s.t.Context(), s.render(s.running).Bytes); err != nil {
		s.t.Fatal(err)
	}
	if got := s.file(s.cfg.ConfigPath); got != string(s.render(s.running).Bytes) {
		s.t.Error("the file is not what runs")
	}
}

// TestGrowthNeedsNoReload: a backend grows from 3 instances to 300 under load.
func TestGrowthNeedsNoReload(t *testing.T) {
	each(t, func(fx *fixture) {
		port, _ := everywhere(fx.t, "served")
		all := hosts(1, 300, port)
		s := fx.raise(pool("live", all[:3]...))
		worker := fx.state().WorkerPID
		stop := fx.load(4)
		for n := 4; n <= 300; n += 1 + n/20 {
			s.become(pool("live", all[:n]...))
		}
		s.become(pool("live", all...))
		s.become(pool("live", all[:10]...))
		s.become(pool("live", all[150:]...))
		requests, failed := stop()
		if failed > 0 || requests < 100 {
			fx.t.Errorf("%d of %d requests failed", failed, requests)
		}
		fx.t.Logf("%d requests", requests)
		if got := fx.state(); got.WorkerPID != worker || got.Reloads != 0 {
			fx.t.Errorf("the worker was %d, and the state is %+v", worker, got)
		}
		s.install()
		fx.asFresh("after growth")
	})
}

// TestConnectionsToAddedLinesAreReused as those to lines of the file.
func TestConnectionsToAddedLinesAreReused(t *testing.T) {
	each(t, func(fx *fixture) {
		port, connections := everywhere(fx.t, "served")
		all := hosts(1, 20, port)
		s := fx.raise(pool("live", all[0]))
		s.become(pool("live", all...))
		s.become(pool("live", all[10:]...))
		connections.Store(0)
		stop := fx.load(2)
		<-time.After(time.Second)
		requests, failed := stop()
		fx.t.Logf("%d requests, %d connections", requests, connections.Load())
		if n := connections.Load(); failed > 0 || n > 200 || n > requests/2 {
			fx.t.Errorf("%d requests, %d failed, took %d connections", requests, failed, n)
		}
	})
}

// TestAddedLinesAreAsThoseOfTheFile: whatever the options are, a fresh start from the file
// makes the same servers, and they serve.
func TestAddedLinesAreAsThoseOfTheFile(t *testing.T) {
	each(t, func(fx *fixture) {
		s := &slotFixture{fixture: fx}
		for name, c := range optionCases() {
			s.grow(name, c)
		}
		for name, options := range map[string]string{
			"pool":       "pool-max-conn 7 pool-purge-delay 1s max-reuse -1",
			"limits":     "maxconn 50 maxqueue 10",
			"observing":  "observe layer7 fall 2 rise 1 fastinter 100ms",
			"names":      "init-addr last,libc,none resolve-prefer ipv4 stick",
			"revoked":    "send-proxy check-ssl no-send-proxy no-check-ssl",
			"slow":       "slowstart 10ms on-marked-down shutdown-sessions",
			"no reuse":   "pool-max-conn 0",
			"tcp checks": "check inter 100ms fall 3",
		} {
			s.grow(name, optionCase{member: plain, after: lines(lb.RawLine("default-server " + options))})
		}
		s.grow("consistent", optionCase{member: plain, after: variant{natives: []lb.RawLine{"balance uri", "hash-type consistent"}}})
		s.grow("http", optionCase{member: plain, after: lines("option httpchk HEAD /x", "http-check expect status 200-499")})
	})
}

// grow has HAProxy run a variant and adds lines to it.
func (s *slotFixture) grow(name string, c optionCase) {
	address, authority := c.member(s.t)
	after := c.after.replaced(strings.NewReplacer("PORT", strconv.Itoa(int(address.Port)), "CA", authority))
	after.weights = nil
	if slices.Contains(after.natives, "default-server disabled") {
		return // HAProxy reads "disabled" of the file alone
	}
	nobody := pool("live")
	if s.running.Backends == nil {
		s.running = s.configOf(nobody)
	}
	s.running = plan.Layout(nil, s.configOf(nobody))
	if err := s.apply(nobody, after); err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
	shown := s.state().Fingerprint
	grown := pool("live", address)
	grown.Natives, grown.Arrivals = after.natives, 9
	wanted, change := s.next(grown)
	if len(change.Reload) > 0 || change.Lines == 0 {
		s.t.Fatalf("%s: %+v", name, change)
	}
	// The last line gets the member, which is an added one.
	slots := wanted.Backends[0].Slots
	slots[0], slots[len(slots)-1] = slots[len(slots)-1], slots[0]
	if err := s.Adjust(s.t.Context(), change.Backends(), func(servers []lb.ServerState) ([]lb.ServerOp, error) {
		c := plan.Repair(wanted, servers)
		if len(c.Reload) > 0 {
			return nil, fmt.Errorf("%v", c.Reload)
		}
		return c.Ops, nil
	}); err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
	s.running = wanted
	config := string(s.render(wanted).Bytes)
	config = strings.NewReplacer(after.edits...).Replace(config)
	config = strings.Replace(config, s.render(wanted).Fingerprint, shown, 1)
	if err := s.Install(s.t.Context(), []byte(config)); err != nil || s.file(s.cfg.ConfigPath) != config {
		s.t.Errorf("%s: the file is not what runs: %v", name, err)
	}
	s.asFresh(name)
	s.serves(name, !c.fails)
	for _, p := range []*haproxy.Process{s.Process, s.another(nil)} { // the next agent
		if _, err := p.State(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		servers, err := p.Servers(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if repair := plan.Repair(wanted, servers); !repair.Empty() {
			s.t.Errorf("%s: to be repaired: %q", name, repair.Diff())
		}
	}
}

// TestHealthOfAddedLinesSurvivesReloads: a new worker knows that they are down.
func TestHealthOfAddedLinesSurvivesReloads(t *testing.T) {
	each(t, func(fx *fixture) {
		a := well(fx.t, "a")
		many := hosts(9, 10, a.Port)
		s := fx.raise(checked(50*time.Millisecond, a))
		b := sick(fx.t, "b")
		grown := checked(50*time.Millisecond, append(slices.Clone(many), a, b)...)
		s.become(grown)
		line := ""
		for i, slot := range s.running.Backends[0].Slots {
			if slot.Member != nil && slot.Member.Address == b {
				line = lb.SlotName(i)
			}
		}
		s.down(line)
		grown.Balance = "leastconn"
		grown.Members = grown.Members[10:]
		grown.Health = &lb.Health{Method: "GET", URI: "/check", Version: "HTTP/1.0", Interval: time.Hour}
		s.install()
		next, _ := s.next(grown)
		s.reload(next)
		if s.server(line).Up || fx.answered()["b"] > 0 {
			fx.t.Errorf("%s, which was down before the reload, is up: %+v", line, fx.answered())
		}
	})
}

// TestLinesThatHAProxyRefuses: the error has its reason, whether HAProxy or a look at the
// options gives it.
func TestLinesThatHAProxyRefuses(t *testing.T) {
	each(t, func(fx *fixture) {
		for native, why := range map[lb.RawLine]string{
			"balance source":                      "must use a dynamic load balancing",
			"default-server tcp-ut 30s":           "not accepted for dynamic server",
			"default-server proto h2":             "HTTP/2",
			`default-server sni str(a\ b)`:        "as one word",
			`default-server sni "str($HOSTNAME)"`: "contain variables",
		} {
			p := pool("live", lb.HostPort{Host: "127.0.0.1", Port: 1})
			p.Natives = []lb.RawLine{native}
			s := &slotFixture{fixture: fx}
			config := plan.Layout(nil, fx.configOf(p))
			rendered := s.render(config)
			if _, err := s.Apply(fx.t.Context(), rendered.Bytes, rendered.Fingerprint); err != nil {
				fx.t.Fatalf("%s: %v", native, err)
			}
			err := s.CarryOut(fx.t.Context(), lb.ServerOp{Backend: "live", Server: "s9", Add: true})
			lines, ok := errors.AsType[*haproxy.LinesError](err)
			if !ok || lines.Backend != "live" || !strings.Contains(lines.Why, why) {
				fx.t.Errorf("%s: got %v, want %q", native, err, why)
			}
		}
	})
}
