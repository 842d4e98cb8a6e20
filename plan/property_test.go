package plan_test

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"thalassa/lb"
	"thalassa/plan"
	"thalassa/template"
)

// A generator makes configurations out of few values, so that two of them are
// alike in most ways.
type generator struct {
	*rand.Rand
}

func pick[T any](g generator, list ...T) T { return list[g.IntN(len(list))] }

// some picks values of list in list's order.
func some[T any](g generator, list ...T) []T {
	var out []T
	for _, v := range list {
		if g.IntN(2) == 0 {
			out = append(out, v)
		}
	}
	return out
}

func (g generator) config() lb.Config {
	c := lb.Config{Process: g.process()}
	for _, key := range some(g, lb.Name("a"), "b", "stats") {
		c.Frontends = append(c.Frontends, g.frontend(key))
	}
	for _, key := range some(g, lb.Name("a"), "b", "c") {
		c.Backends = append(c.Backends, g.pool(key))
	}
	return c
}

func (g generator) process() lb.Process {
	return lb.Process{
		StatsSocket: pick(g, "", "/run/a.sock", "/run/b.sock"), SocketUser: pick(g, "", "root"),
		User: pick(g, "", "nobody"), Group: pick(g, "", "nogroup"), Log: pick(g, "", "/dev/log local0"),
		MaxConn: pick(g, -1, 0, 4096), HardStopAfter: pick(g, 0, time.Minute), StatsBind: pick(g, nil, &lb.Bind{Port: 1988}),
	}
}

func (g generator) frontend(key lb.Name) lb.Frontend {
	return lb.Frontend{
		Key: key, Binds: append(some(g, lb.Bind{Port: 80}, lb.Bind{Host: "::1", Port: 81}), lb.Bind{Port: 82}),
		Backend: pick(g, lb.Name(""), "a", "b"), Mode: pick(g, "http", "http", "tcp"),
		Keepalive: pick(g, "default", "default", "close", "server-close"),
		Rules: g.shuffled(some(g,
			lb.Rule{Type: "path", Operation: "path_beg", Values: []string{"/a", "/b"}, Backend: pick(g, lb.Name("a"), "b")},
			lb.Rule{Type: "header", Header: pick(g, "host", "Host"), Operation: "hdr", Values: some(g, "x", "it's", "z"), Backend: "c"},
		)),
		Natives: some(g, lb.RawLine("option forwardfor"), "option forwardfor", "# a remark"), Register: pick(g, lb.Name(""), "shop"),
	}
}

func (g generator) shuffled(rules []lb.Rule) []lb.Rule {
	rules = slices.DeleteFunc(rules, func(r lb.Rule) bool { return len(r.Values) == 0 })
	g.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
	return rules
}

func (g generator) pool(key lb.Name) lb.ResolvedBackend {
	p := lb.ResolvedBackend{Backend: lb.Backend{
		Key: key, Type: pick(g, "static", "dynamic"), Service: pick(g, lb.Name("shop"), "store"), Version: pick(g, lb.Version("1"), "2"),
		Balance: pick(g, "roundrobin", "source"), Host: pick(g, "", "example.org"), Mode: pick(g, "http", "tcp"),
		Natives: some(g, lb.RawLine("timeout server 1s")),
	}}
	if p.Type == "dynamic" && g.IntN(4) == 0 {
		p.Version, p.Versions = "", lb.Split{{Version: "1", Weight: pick(g, 1, 9)}, {Version: "2", Weight: 1}}
	}
	if g.IntN(2) == 0 {
		p.Health = &lb.Health{
			Method: pick(g, "GET", "GET", "GET", "HEAD"), URI: pick(g, "/", "/", "/", "/health"), Version: pick(g, "HTTP/1.0", "HTTP/1.0", "HTTP/1.1"),
			Interval: pick(g, lb.DefaultCheckInterval, 500*time.Millisecond),
		}
	}
	for _, host := range pick(g, nil, some(g, lb.Host("10.0.0.1"), "2001:db8::1", "a.example.org")) {
		p.Members = append(p.Members, lb.Member{
			Address: lb.HostPort{Host: host, Port: 80}, Weight: pick(g, 1, 5), Version: pick(g, lb.Version("1"), "2"),
			LastKnown: pick(g, time.Time{}, time.Unix(1, 0)), Meta: pick(g, nil, map[string]string{"pid": "1"}),
		})
	}
	g.Shuffle(len(p.Members), func(i, j int) { p.Members[i], p.Members[j] = p.Members[j], p.Members[i] })
	return p
}

// neighbor changes one part of c.
func (g generator) neighbor(c lb.Config) lb.Config {
	next := lb.Config{Process: c.Process, Frontends: slices.Clone(c.Frontends), Backends: slices.Clone(c.Backends)}
	other := g.config()
	switch g.IntN(4) {
	case 0:
		next.Process = other.Process
	case 1:
		if len(next.Frontends) > 0 {
			g.changeFrontend(&next.Frontends[g.IntN(len(next.Frontends))])
		}
	case 2:
		if len(next.Backends) > 0 {
			g.changeBackend(&next.Backends[g.IntN(len(next.Backends))])
		}
	default:
		return other
	}
	return next
}

func (g generator) changeFrontend(f *lb.Frontend) {
	other := g.frontend(f.Key)
	switch g.IntN(7) {
	case 0:
		f.Binds = other.Binds
	case 1:
		f.Backend = other.Backend
	case 2:
		f.Mode = other.Mode
	case 3:
		f.Keepalive = other.Keepalive
	case 4:
		f.Rules = other.Rules
	case 5:
		f.Natives = other.Natives
	default:
		f.Register = other.Register
	}
}

func (g generator) changeBackend(p *lb.ResolvedBackend) {
	other := g.pool(p.Key)
	switch g.IntN(8) {
	case 0:
		p.Balance = other.Balance
	case 1:
		p.Host = other.Host
	case 2:
		p.Mode = other.Mode
	case 3:
		p.Health = other.Health
	case 4:
		p.Natives = other.Natives
	case 5:
		p.Members = other.Members
	case 6:
		p.Version, p.Versions, p.Service, p.Type = other.Version, other.Versions, other.Service, other.Type
	default:
		p.Members = slices.Clone(p.Members)
		for i := range p.Members {
			p.Members[i].Weight, p.Members[i].TLS = pick(g, 1, 5), g.ownTLS()
		}
	}
}

// TestChangeMeansOtherBytes: a change is empty exactly when the default template
// makes the same of both configurations.
func TestChangeMeansOtherBytes(t *testing.T) {
	t.Parallel()
	g := generator{rand.New(rand.NewPCG(7, 8))}
	tmpl := template.Default()
	render := func(c lb.Config) []byte {
		out, err := tmpl.Render(c)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		return out.Bytes
	}
	same, different, pairs := 0, 0, 1200
	if testing.Short() {
		pairs = 120
	}
	for range pairs {
		running := g.config()
		wanted := g.neighbor(running)
		if g.IntN(2) == 0 {
			running = plan.Layout(nil, running)
			wanted = plan.Layout(plan.SlotsOf(running), wanted)
		}
		before, after := render(running), render(wanted)
		change := plan.Compute(&running, wanted)
		if bytes.Equal(before, after) != change.Empty() {
			t.Fatalf("the bytes are equal: %v, and the change is %q\n%s\n%s", bytes.Equal(before, after), change.Diff(), before, after)
		}
		if change.Empty() {
			same++
		} else {
			different++
		}
		checkChange(t, running, wanted, change)
	}
	if same < pairs/20 || different < pairs/2 {
		t.Errorf("%d pairs were the same and %d different, want more", same, different)
	}
}

// checkChange holds what is true of every change.
func checkChange(t *testing.T, running, wanted lb.Config, change plan.Change) {
	t.Helper()
	for _, c := range []lb.Config{running, wanted} {
		if self := plan.Compute(&c, c); !self.Empty() {
			t.Fatalf("from a configuration to itself: %q", self.Diff())
		}
	}
	if again := plan.Compute(&running, wanted); !reflect.DeepEqual(again, change) {
		t.Fatalf("%v, and the second time %v", change, again)
	}
	if back := plan.Compute(&wanted, running); back.Empty() != change.Empty() {
		t.Fatalf("there %q, and back %q", change.Diff(), back.Diff())
	}
	ordered := slices.IsSortedFunc(change.Reload, func(a, b plan.Reason) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.What, b.What))
	})
	if !ordered {
		t.Fatalf("not sorted: %v", change)
	}
	for i, r := range change.Reload {
		if len(r.Detail) == 0 && r.What != "created" && r.What != "removed" {
			t.Fatalf("no detail: %v", r)
		}
		if i > 0 && r.Object == change.Reload[i-1].Object && r.What == change.Reload[i-1].What {
			t.Fatalf("said twice: %v", r)
		}
	}
}
