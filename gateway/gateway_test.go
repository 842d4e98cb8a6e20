package gateway_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"thalassa/gateway"
	"thalassa/lb"
)

func model(t *testing.T, edits ...lb.Edit) *gateway.Model {
	t.Helper()
	in, err := lb.Intent{}.ApplyAll(edits)
	if err != nil {
		t.Fatal(err)
	}
	return gateway.New(in, lb.Snapshot{}, "dash")
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// valid checks that what a model has made holds together.
func valid(t *testing.T, m *gateway.Model) {
	t.Helper()
	if err := m.Intent().Validate(); err != nil {
		t.Error(err)
	}
}

func TestGatewaysAndPools(t *testing.T) {
	m, put := model(t), must[bool](t)
	if !put(m.PutGateway(gateway.Change{
		Name: "web", Protocol: "http", Default: "eta", Pools: []gateway.PoolOf{{Name: "one", Address: "10.0.0.9:80"}},
		Endpoints: []gateway.Endpoint{{Name: "a", Address: "127.0.0.1:80"}, {Name: "b", Address: "127.0.0.1:81"}},
	})) {
		t.Error("a new gateway is not new")
	}
	put(m.PutPool(gateway.PoolChange{Name: "eta", Targets: []gateway.Target{{Name: "s1", Address: "10.0.0.1:80"}, {Name: "s2", Address: "10.0.0.2:80"}}}))
	if put(m.PutTarget(gateway.TargetChange{Pool: "eta", Name: "s1", Address: "10.0.0.1:80", Weight: 200, Enabled: new(bool)})) {
		t.Error("a known target is new")
	}
	valid(t, m)
	g, _ := m.Gateway("web")
	if !g.Enabled || g.Default != "eta" || !slices.Equal(g.Pools, []string{"eta", "one"}) || len(g.Endpoints) != 2 || g.Endpoints[0] != (gateway.Endpoint{Name: "a", Address: "127.0.0.1:80"}) {
		t.Errorf("gateway %+v", g)
	}
	p, _ := m.Pool("eta")
	want := []gateway.Target{{Name: "s1", Address: "10.0.0.1:80", Weight: 200}, {Name: "s2", Address: "10.0.0.2:80", Weight: 1, Enabled: true}}
	if !p.Enabled || p.Policy != "roundrobin" || p.Weight != 1 || !slices.Equal(p.Targets, want) {
		t.Errorf("pool %+v", p)
	}
	config := lb.Resolve(m.Intent(), lb.Snapshot{}, lb.Process{})
	if len(config.Backends[0].Members) != 1 || config.Frontends[0].Backend != "eta" {
		t.Errorf("HAProxy gets %+v", config)
	}
}

func TestNamesAreUnique(t *testing.T) {
	m, put := model(t), must[bool](t)
	for _, name := range []string{"g", "h"} {
		put(m.PutGateway(gateway.Change{Name: name, Protocol: "http", Endpoints: []gateway.Endpoint{{Name: name, Address: "127.0.0.1:8" + map[string]string{"g": "0", "h": "1"}[name]}}}))
	}
	put(m.PutGateway(gateway.Change{Name: "h", Endpoints: []gateway.Endpoint{{Name: "g", Address: "127.0.0.1:80"}}}))
	g, _ := m.Gateway("g")
	h, _ := m.Gateway("h")
	if len(g.Endpoints) != 0 || len(h.Endpoints) != 2 {
		t.Errorf("endpoints %+v and %+v, want all in h", g.Endpoints, h.Endpoints)
	}
	if config := lb.Resolve(m.Intent(), lb.Snapshot{}, lb.Process{}); len(config.Frontends) != 1 {
		t.Errorf("HAProxy gets the gateway without an address: %+v", config.Frontends)
	}
	put(m.PutPool(gateway.PoolChange{Name: "p", Targets: []gateway.Target{{Name: "t", Address: "10.0.0.1:80"}}}))
	put(m.PutPool(gateway.PoolChange{Name: "q"}))
	put(m.PutTarget(gateway.TargetChange{Pool: "q", Name: "t", Address: "10.0.0.1:81", Weight: 3}))
	p, _ := m.Pool("p")
	q, _ := m.Pool("q")
	if len(p.Targets) != 0 || len(q.Targets) != 1 || q.Targets[0].Weight != 3 || q.Targets[0].Address != "10.0.0.1:81" {
		t.Errorf("targets %+v and %+v, want t in q", p.Targets, q.Targets)
	}
	valid(t, m)
}

// What the dialect does not know of a frontend stays.
func TestFrontendsKeepWhatTheDialectCannotExpress(t *testing.T) {
	f := lb.Frontend{
		Key: "www", Binds: []lb.Bind{{Port: 80}}, Backend: "live", Mode: "http", Keepalive: "close", Natives: []lb.RawLine{"maxconn 5", "bind *:443 ssl crt /x.pem"},
		Rules: []lb.Rule{{Type: "path", Operation: "path_beg", Values: []string{"/a"}, Backend: "files"}},
	}
	live := lb.Backend{Key: "live", Type: "dynamic", Service: "shop", Version: "1", Balance: "roundrobin", Mode: "http"}
	files := lb.Backend{Key: "files", Type: "static", Balance: "uri", Mode: "http", Natives: []lb.RawLine{"timeout server 3s"}, Members: []lb.StaticMember{{HostPort: lb.HostPort{Host: "10.0.0.1", Port: 80}}}}
	m, put := model(t, lb.Edit{Frontend: &f}, lb.Edit{Backend: &live}, lb.Edit{Backend: &files}), must[bool](t)
	g, _ := m.Gateway("www")
	if len(g.Endpoints) != 2 || g.Endpoints[0].Name != "*:80" || !g.Endpoints[1].Raw || !slices.Equal(g.Pools, []string{"files", "live"}) {
		t.Errorf("gateway %+v", g)
	}
	put(m.PutGateway(gateway.Change{Name: "www", Default: "live", Endpoints: []gateway.Endpoint{{Name: "plain", Address: "*:80"}}}))
	put(m.PutPool(gateway.PoolChange{Name: "files", Targets: []gateway.Target{{Name: "t1", Address: "10.0.0.1:80"}}}))
	after := m.Intent().Frontends["www"]
	if len(after.Rules) != 1 || after.Keepalive != "close" || len(after.Natives) != 2 || len(after.Binds) != 1 || after.Endpoints[0].Name != "plain" {
		t.Errorf("frontend %+v", after)
	}
	if b := m.Intent().Backends["files"]; len(b.Members) != 1 || b.Members[0].Target != "t1" || b.Balance != "uri" || len(b.Natives) != 1 {
		t.Errorf("backend %+v", b)
	}
	conflict := new(*lb.ConflictError)
	if _, err := m.DeleteEndpoint("www", "*:443 ssl crt /x.pem"); !errors.As(err, conflict) {
		t.Errorf("a raw line was changed: %v", err)
	}
	if _, err := m.Detach("www", "files"); !errors.As(err, conflict) {
		t.Errorf("a rule was dropped: %v", err)
	}
	if _, err := m.DeletePool("files"); !errors.As(err, conflict) {
		t.Errorf("a pool was removed that a rule leads to: %v", err)
	}
	if _, err := m.PutTarget(gateway.TargetChange{Pool: "live", Name: "x", Address: "10.0.0.1:1"}); !errors.As(err, conflict) {
		t.Errorf("a target of Consul's was changed: %v", err)
	}
}

func TestPolicies(t *testing.T) {
	m := model(t)
	must[bool](t)(m.PutPool(gateway.PoolChange{Name: "p", Targets: []gateway.Target{{Name: "t", Address: "10.0.0.1:80"}}}))
	if err := m.SetPolicy("p", "leastconn", 7); err != nil {
		t.Fatal(err)
	}
	if p, _ := m.Pool("p"); p.Policy != "leastconn" || p.Weight != 7 || p.Targets[0].Weight != 7 {
		t.Errorf("pool %+v", p)
	}
	if err := m.ResetPolicy("p"); err != nil {
		t.Fatal(err)
	}
	if b := m.Intent().Backends["p"]; b.Balance != "roundrobin" || len(b.Natives) != 0 {
		t.Errorf("backend %+v", b)
	}
}

// A pool follows the protocol of the one gateway that leads there.
func TestProtocols(t *testing.T) {
	m, put := model(t), must[bool](t)
	put(m.PutPool(gateway.PoolChange{Name: "db"}))
	put(m.PutGateway(gateway.Change{Name: "g", Protocol: "tcp", Default: "db", Endpoints: []gateway.Endpoint{{Name: "e", Address: "127.0.0.1:80"}}}))
	valid(t, m)
	if mode := m.Intent().Backends["db"].Mode; mode != "tcp" {
		t.Errorf("mode %s", mode)
	}
	put(m.DeletePool("db"))
	valid(t, m)
	if g, _ := m.Gateway("g"); g.Default != "" || len(g.Pools) != 0 {
		t.Errorf("gateway %+v", g)
	}
}

func TestBadValuesAreNamedAndChangeNothing(t *testing.T) {
	m, put := model(t), must[bool](t)
	put(m.PutPool(gateway.PoolChange{Name: "p", Targets: []gateway.Target{{Name: "t", Address: "10.0.0.1:80"}}}))
	put(m.PutPool(gateway.PoolChange{Name: "q", Targets: []gateway.Target{{Name: "u", Address: "10.0.0.2:80"}}}))
	put(m.PutGateway(gateway.Change{Name: "g", Protocol: "http", Endpoints: []gateway.Endpoint{{Name: "e", Address: "*:80"}}}))
	gate := func(c gateway.Change) error { _, err := m.PutGateway(c); return err }
	pool := func(targets ...gateway.Target) error {
		_, err := m.PutPool(gateway.PoolChange{Name: "p", Targets: targets})
		return err
	}
	before := m.Intent()
	for want, err := range map[string]error{
		"gateway: ":             gate(gateway.Change{Name: "a b", Protocol: "http"}),
		"gateway: \"dash\"":     gate(gateway.Change{Name: "dash", Protocol: "http"}),
		"protocol: ":            gate(gateway.Change{Name: "x", Protocol: "udp"}),
		"endpoints.e: ":         gate(gateway.Change{Name: "g", Endpoints: []gateway.Endpoint{{Name: "f", Address: "*:81"}, {Name: "e", Address: "nowhere"}}}),
		"endpoints.a b: ":       gate(gateway.Change{Name: "g", Endpoints: []gateway.Endpoint{{Name: "a b", Address: "*:82"}}}),
		"is endpoint e already": gate(gateway.Change{Name: "g", Endpoints: []gateway.Endpoint{{Name: "f", Address: "*:80"}}}),
		"pools.new: \"new\"":    gate(gateway.Change{Name: "g", Pools: []gateway.PoolOf{{Name: "new"}}}),
		"defaultBack: ":         gate(gateway.Change{Name: "g", Default: "a b"}),
		"targets.v: ":           pool(gateway.Target{Name: "v", Address: "10.0.0.1"}),
		"targets.u: ":           pool(gateway.Target{Name: "u", Address: "*:80"}),
		"is target t already":   pool(gateway.Target{Name: "w", Address: "10.0.0.1:80"}),
		"members[0].weight": func() error {
			_, err := m.PutTarget(gateway.TargetChange{Pool: "p", Name: "t", Address: "10.0.0.1:80", Weight: 257})
			return err
		}(),
		"balance: \"backfill\" is": m.SetPolicy("p", "backfill", 1),
		"weights: ":                m.SetPolicy("p", "roundrobin", 257),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if changes := before.Changes(m.Intent()); len(changes) > 0 {
		t.Errorf("changed %v", changes)
	}
}

// tlsModel has the certificates key and other.
func tlsModel(t *testing.T, edits ...lb.Edit) *gateway.Model {
	t.Helper()
	in, err := lb.Intent{}.ApplyAll(edits)
	if err != nil {
		t.Fatal(err)
	}
	var changes []lb.ObjectChange
	for _, name := range []lb.Name{"key", "other"} {
		c := lb.Certificate{Key: name, Files: []lb.PEMFile{{Digest: strings.Repeat("a", 64), KeyType: "RSA", Chain: []lb.X509{{Serial: "1"}}}}}
		changes = append(changes, lb.ObjectChange{ID: c.ID(), After: c})
	}
	return gateway.New(in.With(changes), lb.Snapshot{}, "dash")
}

func TestEndpointsWithTLS(t *testing.T) {
	m, put := tlsModel(t), must[bool](t)
	put(m.PutGateway(gateway.Change{Name: "g", Protocol: "http", Endpoints: []gateway.Endpoint{
		{Name: "plain", Address: "*:8080"}, {Name: "one", Address: "*:8081 @key.pem"}, {Name: "two", Address: "*:8082 @key.pem"},
	}}))
	valid(t, m)
	endpoints := func(want ...string) {
		t.Helper()
		g, _ := m.Gateway("g")
		var got []string
		for _, e := range g.Endpoints {
			got = append(got, e.Name+" "+e.Text())
		}
		if !slices.Equal(got, want) || len(g.Beyond) > 0 {
			t.Errorf("%q beyond %q, want %q", got, g.Beyond, want)
		}
		valid(t, m)
	}
	endpoints("plain *:8080", "one *:8081 @key.pem", "two *:8082 @key.pem")
	if f := m.Intent().Frontends["g"]; len(f.Binds) != 1 || len(f.TLS.Binds) != 2 || f.TLS.Default != "key" || len(f.TLS.ALPN) != 2 {
		t.Errorf("frontend %+v, TLS %+v", f, f.TLS)
	}
	// With and without TLS, and another address.
	put(m.PutEndpoint("g", "one", "*:8081"))
	endpoints("plain *:8080", "one *:8081", "two *:8082 @key.pem")
	put(m.PutEndpoint("g", "plain", "*:8090 @key.pem"))
	endpoints("plain *:8090 @key.pem", "one *:8081", "two *:8082 @key.pem")
	// Another certificate for one of two is a conflict; for both it is not.
	conflict := new(*lb.ConflictError)
	if _, err := m.PutEndpoint("g", "two", "*:8082 @other.pem"); !errors.As(err, conflict) || !strings.Contains(err.Error(), "gateway of its own") {
		t.Errorf("two certificates: %v", err)
	}
	put(m.PutGateway(gateway.Change{Name: "g", Protocol: "tcp", Endpoints: []gateway.Endpoint{{Name: "plain", Address: "*:8090 @other"}, {Name: "two", Address: "*:8082 @other"}}}))
	endpoints("plain *:8090 @other.pem", "one *:8081", "two *:8082 @other.pem")
	if f := m.Intent().Frontends["g"]; len(f.TLS.ALPN) != 0 {
		t.Errorf("TCP offers %q", f.TLS.ALPN)
	}
	missing := new(*gateway.NoCertificateError)
	if _, err := m.PutEndpoint("g", "two", "*:8082 @none.pem"); !errors.As(err, missing) || (*missing).Name != "none" {
		t.Errorf("no certificate: %v", err)
	}
	// It moves to another gateway, and the last one takes TLS along.
	put(m.PutGateway(gateway.Change{Name: "h", Protocol: "http", Endpoints: []gateway.Endpoint{{Name: "two", Address: "*:8082 @key.pem"}}}))
	endpoints("plain *:8090 @other.pem", "one *:8081")
	put(m.DeleteEndpoint("g", "plain"))
	endpoints("one *:8081")
	if m.Intent().Frontends["g"].TLS != nil {
		t.Error("TLS without an address")
	}
}

// What the dialect cannot express of TLS stays, and it says so.
func TestTLSBeyondTheDialect(t *testing.T) {
	f, err := lb.FrontendSpec{Bind: "*:80", Backend: "b", TLS: &lb.FrontendTLSSpec{
		Bind: "*:443", Certificates: []string{"key", "other"}, Default: "other", MinVersion: "1.3", Redirect: true, HSTS: "max-age=60",
	}}.Parse("g")
	if err != nil {
		t.Fatal(err)
	}
	b := lb.Backend{Key: "b", Type: "static", Balance: "roundrobin", Mode: "http"}
	m, put := tlsModel(t, lb.Edit{Backend: &b}), must[bool](t)
	m = gateway.New(m.Intent().With([]lb.ObjectChange{{ID: f.ID(), After: f}}), lb.Snapshot{})
	g, _ := m.Gateway("g")
	if !slices.Equal(g.Beyond, []string{"tls.certificates", "tls.minVersion", "tls.redirect", "tls.hsts"}) || g.Endpoints[1].Text() != "*:443 @other.pem" {
		t.Errorf("gateway %+v", g)
	}
	put(m.PutGateway(gateway.Change{Name: "g", Default: "b", Endpoints: []gateway.Endpoint{{Name: "tls", Address: "*:444 @other.pem"}, {Name: "tls", Address: "*:443 @other.pem"}}}))
	valid(t, m)
	after := m.Intent().Frontends["g"]
	if after.TLS.HSTS != "max-age=60" || len(after.TLS.Certificates) != 2 || after.Endpoints[0].Name != "tls" {
		t.Errorf("frontend %+v, TLS %+v", after, after.TLS)
	}
	conflict := new(*lb.ConflictError)
	if _, err := m.PutEndpoint("g", "tls", "*:443 @key.pem"); !errors.As(err, conflict) {
		t.Errorf("another default certificate: %v", err)
	}
	if _, err := m.PutEndpoint("g", "tls", "*:443"); err == nil {
		_, err = m.DeleteEndpoint("g", "*:443")
		if !errors.As(err, conflict) {
			t.Errorf("the settings of TLS were dropped: %v", err)
		}
	} else if !errors.As(err, conflict) || !strings.Contains(err.Error(), "would be lost") {
		t.Errorf("the settings of TLS were dropped: %v", err)
	}
}
