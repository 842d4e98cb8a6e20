package haproxy_test

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/plan"
	"thalassa/statsock"
	"thalassa/template"
)

// A slotFixture is a fixture with a HAProxy whose frontend leads to a backend with slots.
type slotFixture struct {
	*fixture
	running lb.Config
	asked   []string // what a template changes in the rendering of running, in pairs
	shown   string   // the fingerprint then
}

// pool is a dynamic backend with members of weight 1.
func pool(key lb.Name, members ...lb.HostPort) lb.ResolvedBackend {
	p := lb.ResolvedBackend{Backend: lb.Backend{Key: key, Type: "dynamic", Service: "shop", Version: "1", Mode: "http", Balance: "roundrobin"}}
	for _, m := range members {
		p.Members = append(p.Members, lb.Member{Address: m, Weight: 1})
	}
	return p
}

// configOf has a frontend that leads to the first of the pools.
func (fx *fixture) configOf(pools ...lb.ResolvedBackend) lb.Config {
	sorted := slices.SortedFunc(slices.Values(pools), func(a, b lb.ResolvedBackend) int { return cmp.Compare(a.Key, b.Key) })
	return lb.Config{
		Process: lb.Process{
			StatsSocket: fx.cfg.StatsSocket, MaxConn: 1000, HardStopAfter: 10 * time.Second,
			StateFile: haproxy.StateFile(fx.cfg.ConfigPath), PeersSocket: filepath.Join(fx.dir, "peers"),
		},
		Frontends: []lb.Frontend{{
			Key: "web", Mode: pools[0].Mode, Keepalive: "default", Backend: pools[0].Key,
			Binds: []lb.Bind{{Host: "127.0.0.1", Port: uint16(fx.port)}}, //nolint:gosec // a port
		}},
		Backends: sorted,
	}
}

// raise starts HAProxy with the pools.
func (fx *fixture) raise(pools ...lb.ResolvedBackend) *slotFixture {
	fx.t.Helper()
	s := &slotFixture{fixture: fx}
	s.reload(plan.Layout(nil, fx.configOf(pools...)))
	return s
}

func (s *slotFixture) reload(config lb.Config) {
	s.t.Helper()
	rendered := s.render(config)
	if _, err := s.Apply(s.t.Context(), rendered.Bytes, rendered.Fingerprint); err != nil {
		s.t.Fatal(err)
	}
	s.running = config
}

func (s *slotFixture) render(config lb.Config) template.Rendered {
	s.t.Helper()
	rendered, err := template.Default().Render(config)
	if err != nil {
		s.t.Fatal(err)
	}
	return rendered
}

// next lays the backends out for what runs.
func (s *slotFixture) next(backends ...lb.ResolvedBackend) (lb.Config, plan.Change) {
	wanted := plan.Layout(plan.SlotsOf(s.running), s.configOf(backends...))
	return wanted, plan.Compute(&s.running, wanted)
}

// ops are what makes the servers that run those of a configuration.
func (s *slotFixture) ops(wanted lb.Config) []lb.ServerOp {
	s.t.Helper()
	return plan.Repair(wanted, s.servers()).Ops
}

// become changes the pools at run time.
func (s *slotFixture) become(pools ...lb.ResolvedBackend) {
	s.t.Helper()
	wanted, change := s.next(pools...)
	if len(change.Reload) > 0 {
		s.t.Fatalf("cannot be done at run time: %.500q", change.Reload)
	}
	s.adjust(s.ops(wanted)...)
	s.running = wanted
	s.stands()
}

func (s *slotFixture) adjust(ops ...lb.ServerOp) {
	s.t.Helper()
	if err := s.CarryOut(s.t.Context(), ops...); err != nil {
		s.t.Fatal(err)
	}
}

// stands checks that HAProxy's servers are as a reload would have left them, and
// that it still shows the fingerprint of what it runs.
func (s *slotFixture) stands() {
	s.t.Helper()
	found := map[string]lb.ServerState{}
	for _, server := range s.servers() {
		found[string(server.Backend)+"/"+server.Server] = server
	}
	for _, p := range s.running.Backends {
		for _, want := range p.Servers() {
			got, ok := found[string(p.Key)+"/"+want.Name]
			wrong := got.Maintenance != want.Spare || got.Weight != want.Weight ||
				!want.Spare && (got.Address != want.Address || got.Draining)
			if !ok || wrong {
				s.t.Fatalf("%+v, want %+v", got, want)
			}
		}
	}
	if got, want := s.state().Fingerprint, s.render(s.running).Fingerprint; got != want {
		s.t.Errorf("HAProxy shows %s, want %s", got, want)
	}
}

func (s *slotFixture) servers() []lb.ServerState {
	s.t.Helper()
	servers, err := s.Servers(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return servers
}

// server is one line of backend live.
func (s *slotFixture) server(name string) lb.ServerState {
	s.t.Helper()
	servers := s.servers()
	i := slices.IndexFunc(servers, func(state lb.ServerState) bool { return state.Backend == "live" && state.Server == name })
	if i < 0 {
		s.t.Fatalf("no server %s in %+v", name, servers)
	}
	return servers[i]
}

// answers checks who answers, each of them.
func (s *slotFixture) answers(want ...string) {
	s.t.Helper()
	seen := map[string]bool{}
	for range 4 * len(want) {
		word, err := s.get()
		if err != nil {
			s.t.Fatal(err)
		}
		seen[strings.TrimSpace(word)] = true
	}
	if len(seen) != len(want) || slices.ContainsFunc(want, func(w string) bool { return !seen[w] }) {
		s.t.Fatalf("answers from %v, want %v", seen, want)
	}
}

// web answers with its name, once per value of hold when that is given.
func web(tb testing.TB, name, host string, hold <-chan struct{}) lb.HostPort {
	tb.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		tb.Skip(err) // no IPv6
	}
	server := &http.Server{
		ReadHeaderTimeout: patience,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if hold != nil {
				select {
				case <-hold:
				case <-r.Context().Done():
				}
			}
			fmt.Fprintln(w, name)
		}),
	}
	go func() { _ = server.Serve(listener) }() // ends with Close
	tb.Cleanup(func() { _ = server.Close() })
	return lb.HostPort{Host: lb.Host(host), Port: uint16(listener.Addr().(*net.TCPAddr).Port)}
}

func TestMembersChangeAtRunTime(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		a, b, c := web(t, "a", "127.0.0.1", nil), web(t, "b", "::1", nil), web(t, "c", "127.0.0.1", nil)
		s := fx.raise(pool("live", a), pool("other"))
		worker := fx.state().WorkerPID
		s.answers("a")
		s.become(pool("live", a, b), pool("other", c))
		s.answers("a", "b")
		heavy := pool("live", a, b)
		heavy.Members[0].Weight, heavy.Members[1].Weight = 0, 256
		s.become(heavy, pool("other"))
		s.answers("b")
		s.become(pool("live", a, c), pool("other", a, b))
		s.answers("a", "c")
		s.become(pool("live"), pool("other"))
		if word, err := s.get(); err != nil || !strings.Contains(word, "503") {
			t.Errorf("nobody is in use, and a client got %q, %v", word, err)
		}
		s.become(pool("live", b), pool("other", b))
		s.answers("b")
		if got := fx.state().WorkerPID; got != worker {
			t.Errorf("the worker was %d and is %d", worker, got)
		}
	})
}

// TestAddressInUse changes it under a server that serves.
func TestAddressInUse(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		a, b := web(t, "a", "127.0.0.1", nil), web(t, "b", "::1", nil)
		s := fx.raise(pool("live", a))
		for range 20 {
			s.adjust(lb.ServerOp{Backend: "live", Server: "s1", Address: &b, Up: true})
			s.answers("b")
			s.adjust(lb.ServerOp{Backend: "live", Server: "s1", Address: &a, Up: true})
			s.answers("a")
		}
	})
}

// dying raises a backend whose only server is down by its checks.
func (fx *fixture) dying() *slotFixture {
	fx.t.Helper()
	p := pool("live", lb.HostPort{Host: "127.0.0.1", Port: uint16(testkit.Port(fx.t))})
	p.Health = &lb.Health{Method: "GET", URI: "/", Version: "HTTP/1.0", Interval: 20 * time.Millisecond}
	s := fx.raise(p)
	testkit.Eventually(fx.t, patience, func() error {
		if s.server("s1").Up {
			return errors.New("the server is up")
		}
		return nil
	})
	return s
}

// TestDeadServerRevives: another one takes its place, and gets requests at once.
func TestDeadServerRevives(t *testing.T) {
	each(t, func(fx *fixture) {
		s := fx.dying()
		a, one := web(fx.t, "a", "127.0.0.1", nil), 1
		s.adjust(lb.ServerOp{Backend: "live", Server: "s1", Address: &a, Weight: &one, Up: true})
		s.answers("a")
		if !s.server("s1").Up {
			fx.t.Error("the server is still down")
		}
	})
}

// TestDeadServersSlotIsAsGoodAsAny, also when its checks have never been right.
func TestDeadServersSlotIsAsGoodAsAny(t *testing.T) {
	each(t, func(fx *fixture) {
		s := fx.dying()
		a := web(fx.t, "a", "127.0.0.1", nil)
		s.adjust(lb.ServerOp{Backend: "live", Server: "s1", Maintenance: true})
		s.adjust(lb.ServerOp{Backend: "live", Server: "s1", Address: &a, Unused: true, Ready: true})
		s.answers("a")
	})
}

// TestChecksOfTheFormerAddressDoNotCount: a check that hangs when a line gets another member fails
// later. It says nothing about the new member, which stays in use.
func TestChecksOfTheFormerAddressDoNotCount(t *testing.T) {
	each(t, func(fx *fixture) {
		silent, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			fx.t.Fatal(err)
		}
		fx.t.Cleanup(func() { _ = silent.Close() })
		const interval = 500 * time.Millisecond // how long a check may take, too
		p := pool("live", lb.HostPort{Host: "127.0.0.1", Port: uint16(silent.Addr().(*net.TCPAddr).Port)})
		p.Health = &lb.Health{Method: "GET", URI: "/", Version: "HTTP/1.0", Interval: interval}
		s := fx.raise(p)
		a := web(fx.t, "a", "127.0.0.1", nil)
		check, err := silent.Accept()
		if err != nil {
			fx.t.Fatal(err)
		}
		fx.t.Cleanup(func() { _ = check.Close() })
		s.adjust(lb.ServerOp{Backend: "live", Server: "s1", Maintenance: true})
		s.adjust(lb.ServerOp{Backend: "live", Server: "s1", Address: &a, Unused: true, Ready: true})
		begun := time.Now()
		testkit.Eventually(fx.t, patience, func() error {
			switch since := time.Since(begun); {
			case !s.server("s1").Up:
				fx.t.Fatalf("the new member is down after %s", since)
			case since < 2*interval:
				return errors.New("the check of the former member has not ended yet")
			}
			return nil
		})
		s.answers("a")
	})
}

// TestManyAtOnce: more commands than fit into a line, and more backends than are
// read one by one.
func TestManyAtOnce(t *testing.T) {
	each(t, func(fx *fixture) {
		crowd := func(network string, count int) []lb.HostPort {
			out := make([]lb.HostPort, count)
			for i := range out {
				out[i] = lb.HostPort{Host: lb.Host(fmt.Sprintf("127.%s.%d", network, i+1)), Port: 1}
			}
			return out
		}
		pools := func(network string, count int) []lb.ResolvedBackend {
			out := []lb.ResolvedBackend{pool("live", crowd(network, 60*count)...)}
			for i := range 30 {
				out = append(out, pool(lb.Name(fmt.Sprint("other-", i)), crowd(network, count)...))
			}
			return out
		}
		s := fx.raise(pools("0.1", 4)...)
		s.become(pools("0.1", 0)...)
		s.become(pools("0.2", 4)...)
		s.become(pools("0.2", 0)...)
	})
}

// TestWeightsOfEveryAlgorithm: HAProxy takes weights at run time where plan thinks
// so, and only there.
func TestWeightsOfEveryAlgorithm(t *testing.T) {
	each(t, func(fx *fixture) {
		algorithms := []string{
			"roundrobin", "leastconn", "first", "random", "random(3)", "static-rr", "source", "uri", "uri depth 2", "url_param q", "hdr(host)", "rdp-cookie",
		}
		pools := make([]lb.ResolvedBackend, len(algorithms))
		for i, algorithm := range algorithms {
			pools[i] = pool(lb.Name(fmt.Sprint("b", i)), lb.HostPort{Host: "127.0.0.1", Port: 1})
			pools[i].Balance = algorithm
		}
		s := fx.raise(pools...)
		for i, algorithm := range algorithms {
			heavy := slices.Clone(pools)
			heavy[i].Members = []lb.Member{{Address: pools[i].Members[0].Address, Weight: 5}}
			_, change := s.next(heavy...)
			five := 5
			err := s.CarryOut(fx.t.Context(), lb.ServerOp{Backend: pools[i].Key, Server: "s1", Weight: &five})
			if took, thought := err == nil, len(change.Reload) == 0; took != thought {
				fx.t.Errorf("%s: thought to take weights: %t, takes them: %t (%v)", algorithm, thought, took, err)
			}
		}
	})
}

func TestWhatHAProxyDoesNotDoIsAnError(t *testing.T) {
	each(t, func(fx *fixture) {
		p := pool("live", lb.HostPort{Host: "127.0.0.1", Port: 1}, lb.HostPort{Host: "127.0.0.1", Port: 2})
		p.Balance = "source"
		s := fx.raise(p)
		five, to := 5, lb.HostPort{Host: "10.0.0.1", Port: 80}
		for name, c := range map[string]struct {
			op    lb.ServerOp
			words string
		}{
			"no such server":           {lb.ServerOp{Backend: "live", Server: "s99", Ready: true}, "live/s99 does not exist"},
			"address of no server":     {lb.ServerOp{Backend: "live", Server: "s99", Address: &to, Ready: true}, "live/s99 does not exist"},
			"no such backend":          {lb.ServerOp{Backend: "none", Server: "s1", Maintenance: true}, "Can't find backend"},
			"address in no backend":    {lb.ServerOp{Backend: "none", Server: "s1", Address: &to, Unused: true}, "Can't find backend"},
			"weight of a static kind":  {lb.ServerOp{Backend: "live", Server: "s1", Weight: &five}, "live/s1 has the weight 1, expected 5"},
			"address that is a name":   {lb.ServerOp{Backend: "live", Server: "s1", Address: &lb.HostPort{Host: "a.example.org", Port: 80}}, "live/s1 has the address 127.0.0.1:1, expected a.example.org:80"},
			"weight beyond everything": {lb.ServerOp{Backend: "live", Server: "s1", Weight: new(257)}, "live/s1 has the weight 1, expected 257"},
		} {
			err := s.CarryOut(fx.t.Context(), c.op)
			if err == nil || !strings.Contains(err.Error(), c.words) {
				fx.t.Errorf("%s: got %v, want %q", name, err, c.words)
			}
		}
		s.stands()
	})
}

// TestAddressOfABusyServer: HAProxy 2.6 would reuse the connection of a request
// under way for a later one, whatever the server's address is by then.
func TestAddressOfABusyServer(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		hold := make(chan struct{})
		a, b := web(t, "a", "127.0.0.1", hold), web(t, "b", "127.0.0.1", nil)
		s := fx.raise(pool("live", a))
		answer := make(chan string, 1)
		go func() {
			word, err := s.get()
			answer <- strings.TrimSpace(word) + fmt.Sprint(err)
		}()
		session, err := statsock.New(fx.cfg.StatsSocket).Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer session.End()
		testkit.Eventually(t, patience, func() error {
			list, err := session.ShowConnections(t.Context(), "live")
			if err == nil && list[0].Used == 0 {
				err = errors.New("no request is under way")
			}
			return err
		})
		s.adjust(lb.ServerOp{Backend: "live", Server: "s1", Maintenance: true})
		move := lb.ServerOp{Backend: "live", Server: "s1", Address: &b, Unused: true, Ready: true}
		err = s.CarryOut(t.Context(), move)
		if err == nil || !strings.Contains(err.Error(), "live/s1 still has 1 connections to "+a.String()+" in use") {
			t.Errorf("got %v", err)
		}
		if now := s.server("s1"); now.Address != a || !now.Maintenance {
			t.Errorf("the server is %+v", now)
		}
		back := move
		back.Address = &a
		s.adjust(back) // the same address is fine
		s.adjust(lb.ServerOp{Backend: "live", Server: "s1", Maintenance: true})
		close(hold)
		if got := <-answer; got != "a<nil>" {
			t.Errorf("the request under way got %s", got)
		}
		testkit.Eventually(t, patience, func() error { return s.CarryOut(t.Context(), move) })
		s.answers("b")
	})
}

// TestAddressesReadAsTheyAreWritten: HAProxy writes some of them in another way.
func TestAddressesReadAsTheyAreWritten(t *testing.T) {
	each(t, func(fx *fixture) {
		var members []lb.HostPort
		for _, text := range []string{"::102:304", "::ffff:10.0.0.1", "2001:db8::1:0:0:1", "fe80::1", "::", "1:0:2::3", "255.255.255.254", "64:ff9b::a00:1"} {
			host, err := lb.ParseHost(text)
			if err != nil {
				fx.t.Fatal(err)
			}
			members = append(members, lb.HostPort{Host: host, Port: 65535})
		}
		s := fx.raise(pool("live", members[:3]...))
		s.become(pool("live", members[3:6]...))
		s.become(pool("live", members[6:]...))
		s.become(pool("live", members[:2]...))
	})
}

// TestReloadInTheMiddleOfAnAdjust: the worker that was asked still answers, and
// refuses changes from then on. Another one has to get them.
func TestReloadInTheMiddleOfAnAdjust(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		a, b := web(t, "a", "127.0.0.1", nil), web(t, "b", "127.0.0.1", nil)
		s := fx.raise(pool("live", a))
		wanted, change := s.next(pool("live", a, b))
		calls := 0
		err := s.Adjust(t.Context(), change.Backends(), func(servers []lb.ServerState) ([]lb.ServerOp, error) {
			if calls++; calls == 1 {
				fx.reloadBySomebody()
			}
			return plan.Repair(wanted, servers).Ops, nil
		})
		if err != nil || calls != 3 {
			t.Errorf("after %d looks: %v", calls, err)
		}
		s.running = wanted
		s.stands()
		s.answers("a", "b")
	})
}
