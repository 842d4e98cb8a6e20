package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"thalassa/gateway"
	"thalassa/lb"
)

// A zoo makes random frontends and backends of the other dialect.
type zoo struct {
	*rand.Rand
	t *testing.T
}

func (z zoo) often(percent int) bool { return z.IntN(100) < percent }

func pick[T any](z zoo, from ...T) T { return from[z.IntN(len(from))] }

func (z zoo) backend(i int) lb.Backend {
	s := lb.BackendSpec{Type: "static", Balance: pick(z, "roundrobin", "leastconn", "source"), Mode: "http", Disabled: z.often(20)}
	if z.often(15) {
		s.Type, s.Service, s.Version = "dynamic", "shop", "1"
		return z.parsed(i, s)
	}
	for j := range z.IntN(4) {
		m := lb.MemberSpec{Host: "10.0." + strconv.Itoa(i) + "." + strconv.Itoa(j+1), Port: 80 + j, Disabled: z.often(30)}
		if z.often(50) {
			m.Target = fmt.Sprintf("t%d-%d", i, j)
		}
		if z.often(50) {
			w := z.IntN(257)
			m.Weight = &w
		}
		s.Members = append(s.Members, m)
	}
	if z.often(30) {
		s.Natives = pick(z, []string{"timeout server 3s"}, []string{"default-server weight 7"}, []string{"option redispatch", "default-server weight 3 maxconn 9"})
	}
	if z.often(20) {
		s.Health = &lb.HealthSpec{Method: "GET", URI: "/up"}
	}
	return z.parsed(i, s)
}

func (z zoo) parsed(i int, s lb.BackendSpec) lb.Backend {
	b, err := s.Parse(lb.Name("b" + strconv.Itoa(i)))
	if err != nil {
		z.t.Fatal(err)
	}
	return b
}

func (z zoo) frontend(i int, backends []lb.Backend) lb.Frontend {
	target := func() string { return string(pick(z, backends...).Key) }
	port := func(j int) string { return "127.0.0.1:" + strconv.Itoa(2000+100*i+j) }
	s := lb.FrontendSpec{Bind: port(0), Backend: target(), Mode: "http", Keepalive: pick(z, "default", "default", "close")}
	if z.often(40) {
		s.Bind += "," + port(1)
	}
	if z.often(40) {
		s.Endpoints = []lb.EndpointSpec{{Name: "e" + strconv.Itoa(i), Address: port(0)}}
	}
	if z.often(30) {
		s.Rules = []lb.RuleSpec{{Type: "path", Operation: "path_beg", Value: "/a", Backend: target()}}
	}
	if z.often(30) {
		s.Natives = pick(z, []string{"maxconn 5"}, []string{"disabled"}, []string{"timeout client 9s", "disabled"}, []string{"bind 127.0.0.1:" + strconv.Itoa(2050+100*i) + " name raw"})
	}
	if z.often(40) {
		s.TLS = &lb.FrontendTLSSpec{Bind: port(10), Certificates: pick(z, []string{"key"}, []string{"key", "other"}), HSTS: pick(z, "", "", "max-age=9"), MinVersion: pick(z, "", "", "1.3")}
		if z.often(50) {
			s.TLS.Bind += "," + port(11)
		}
	}
	if z.often(30) {
		s.Pools = []string{target()}
	}
	f, err := s.Parse(lb.Name("f" + strconv.Itoa(i)))
	if err != nil {
		z.t.Fatal(err)
	}
	return f
}

// model has random objects.
func (z zoo) model() *gateway.Model {
	m := tlsModel(z.t)
	var changes []lb.ObjectChange
	var backends []lb.Backend
	for i := range 2 + z.IntN(3) {
		b := z.backend(i)
		backends = append(backends, b)
		changes = append(changes, lb.ObjectChange{ID: b.ID(), After: b})
	}
	for i := range 1 + z.IntN(3) {
		f := z.frontend(i, backends)
		changes = append(changes, lb.ObjectChange{ID: f.ID(), After: f})
	}
	in := m.Intent().With(changes)
	if err := in.Validate(); err != nil {
		z.t.Fatal(err)
	}
	return gateway.New(in, lb.Snapshot{})
}

// change makes a random change of the dialect, which may be refused.
func (z zoo) change(m *gateway.Model) (what string, err error) {
	g, p := pick(z, m.Gateways()...), pick(z, m.Pools()...)
	name := "new" + strconv.Itoa(z.IntN(3))
	address := "127.0.0.1:" + strconv.Itoa(9000+z.IntN(5)) + pick(z, "", "", " @key.pem", " @other.pem")
	target := "10.9.9." + strconv.Itoa(1+z.IntN(5)) + ":80"
	switch n := z.IntN(9); n {
	case 0:
		_, err = m.PutGateway(gateway.Change{Name: g.Name, Default: p.Name, Protocol: pick(z, "", "http", "tcp"), Enabled: pick(z, nil, new(bool)), Endpoints: []gateway.Endpoint{{Name: name, Address: address}}})
		return "gateway", err
	case 1:
		_, err = m.PutEndpoint(g.Name, name, address)
		return "endpoint", err
	case 2:
		if len(g.Endpoints) > 0 {
			_, err = m.DeleteEndpoint(g.Name, pick(z, g.Endpoints...).Name)
		}
		return "no endpoint", err
	case 3:
		return "attach", m.Attach(g.Name, p.Name)
	case 4:
		_, err = m.Detach(g.Name, p.Name)
		return "detach", err
	case 5:
		_, err = m.PutPool(gateway.PoolChange{Name: p.Name, Enabled: pick(z, nil, new(bool)), Targets: []gateway.Target{{Name: name, Address: target}}})
		return "pool", err
	case 6:
		_, err = m.PutTarget(gateway.TargetChange{Pool: p.Name, Name: name, Address: target, Weight: z.IntN(257)})
		return "target", err
	case 7:
		if len(p.Targets) > 0 {
			_, err = m.DeleteTarget(p.Name, pick(z, p.Targets...).Name)
		}
		return "no target", err
	default:
		return "policy", m.SetPolicy(p.Name, pick(z, "roundrobin", "leastconn"), 1+z.IntN(9))
	}
}

// kept is what no request of the dialect may change.
func kept(o lb.Object) any {
	switch o := o.(type) {
	case lb.Frontend:
		s := o.Spec()
		natives := slices.DeleteFunc(s.Natives, func(n string) bool { return n == "disabled" })
		out := []any{s.Keepalive, s.Rules, natives, s.Defaults, s.Register, o.RawBind}
		if t := s.TLS; t != nil && (len(t.Certificates) > 1 || t.HSTS != "" || t.MinVersion != "1.2") {
			out = append(out, t.HSTS, t.MinVersion, t.Redirect, t.ClientCA, t.StrictSNI)
			if len(t.Certificates) > 1 {
				out = append(out, t.Certificates, t.Default)
			}
		}
		return out
	case lb.Backend:
		s := o.Spec()
		return []any{s.Type, s.Service, s.Version, s.Health, s.Host, s.HashStable, s.Defaults, slices.Contains(s.Natives, "timeout server 3s"), slices.Contains(s.Natives, "option redispatch")}
	}
	return nil
}

// Whatever the dialect does, what it cannot express of an object stays, what it shows is what
// it stores, and what it refuses changes nothing.
func TestTheDialectDropsNothing(t *testing.T) {
	for seed := range uint64(100) {
		z := zoo{rand.New(rand.NewPCG(seed, 1)), t} //nolint:gosec // repeatable
		m := z.model()
		for range 30 {
			before := m.Intent()
			what, err := z.change(m)
			after := m.Intent()
			if err != nil {
				if changes := before.Changes(after); len(changes) > 0 {
					t.Fatalf("seed %d: %s was refused (%v), and has changed %v", seed, what, err, changes)
				}
				continue
			}
			for _, c := range before.Changes(after) {
				if c.Before == nil || c.After == nil {
					t.Fatalf("seed %d: %s has made or removed %s", seed, what, c.ID)
				}
				if had, has := kept(c.Before), kept(c.After); !reflect.DeepEqual(had, has) {
					t.Fatalf("seed %d: %s has changed of %s\n%+v to\n%+v", seed, what, c.ID, had, has)
				}
			}
			if err := after.Validate(); err != nil && before.Validate() == nil {
				break // which the draft refuses: an address twice, or a protocol that does not fit
			}
		}
	}
}

// Where the dialect does not say that an object has more than it can express, it can make
// the object again from what it shows.
func TestTheDialectSaysWhatItCannotExpress(t *testing.T) {
	alike, more := 0, 0
	for seed := range uint64(100) {
		z := zoo{rand.New(rand.NewPCG(seed, 2)), t} //nolint:gosec // repeatable
		m := z.model()
		again := tlsModel(t)
		for _, p := range m.Pools() {
			if len(p.Beyond) > 0 {
				more++
				continue
			}
			alike++
			copyPool(t, again, p)
			had, has := m.Intent().Backends[lb.Name(p.Name)], again.Intent().Backends[lb.Name(p.Name)]
			if had.Balance != has.Balance || had.Disabled != has.Disabled || had.Mode != has.Mode || had.DefaultWeight() != has.DefaultWeight() || !slices.Equal(effective(had), effective(has)) {
				t.Fatalf("seed %d: pool %s was %+v, and made again %+v", seed, p.Name, had, has)
			}
		}
		for _, g := range m.Gateways() {
			if len(g.Beyond) > 0 || slices.ContainsFunc(g.Endpoints, func(e gateway.Endpoint) bool { return e.Raw }) {
				more++
				continue
			}
			alike++
			copyGateway(t, again, g)
			had, has := m.Intent().Frontends[lb.Name(g.Name)].Spec(), again.Intent().Frontends[lb.Name(g.Name)].Spec()
			had.Endpoints, has.Endpoints, had.Pools, has.Pools = nil, nil, nil, nil
			if !reflect.DeepEqual(had, has) {
				t.Fatalf("seed %d: gateway %s was %+v %+v, and made again %+v %+v", seed, g.Name, had, had.TLS, has, has.TLS)
			}
			if now, _ := again.Gateway(g.Name); !slices.Equal(now.Pools, g.Pools) {
				t.Fatalf("seed %d: gateway %s leads to %q, and made again to %q", seed, g.Name, g.Pools, now.Pools)
			}
		}
	}
	if alike < 50 || more < 50 {
		t.Errorf("%d objects were made again, and %d had more: the test is too narrow", alike, more)
	}
}

// A pool of TCP that no gateway leads to has a protocol of its own.
func TestProtocolBeyondTheDialect(t *testing.T) {
	b := lb.Backend{Key: "b", Type: "static", Balance: "roundrobin", Mode: "tcp"}
	m := model(t, lb.Edit{Backend: &b})
	if p, _ := m.Pool("b"); !slices.Equal(p.Beyond, []string{"mode"}) {
		t.Errorf("beyond %q", p.Beyond)
	}
	must[bool](t)(m.PutGateway(gateway.Change{Name: "g", Protocol: "tcp", Default: "b", Endpoints: []gateway.Endpoint{{Name: "e", Address: "*:80"}}}))
	if p, _ := m.Pool("b"); len(p.Beyond) > 0 {
		t.Errorf("beyond %q", p.Beyond)
	}
}

// effective is what HAProxy gets of each member.
func effective(b lb.Backend) []string {
	var out []string
	for _, m := range b.Members {
		out = append(out, fmt.Sprint(m.HostPort, b.StaticWeight(m), m.Disabled))
	}
	return out
}

func copyPool(t *testing.T, m *gateway.Model, p gateway.Pool) {
	t.Helper()
	put := must[bool](t)
	put(m.PutPool(gateway.PoolChange{Name: p.Name, Enabled: &p.Enabled}))
	if err := m.SetPolicy(p.Name, p.Policy, p.Weight); err != nil {
		t.Fatal(err)
	}
	for i, target := range p.Targets {
		put(m.PutTarget(gateway.TargetChange{Pool: p.Name, Name: fmt.Sprint(p.Name, "-", i), Address: target.Address, Weight: target.Weight, Enabled: &target.Enabled}))
	}
}

func copyGateway(t *testing.T, m *gateway.Model, g gateway.Gateway) {
	t.Helper()
	c := gateway.Change{Name: g.Name, Protocol: g.Protocol, Default: g.Default, Enabled: &g.Enabled}
	for i, e := range g.Endpoints {
		c.Endpoints = append(c.Endpoints, gateway.Endpoint{Name: fmt.Sprint(g.Name, "-", i), Address: e.Text()})
	}
	for _, p := range g.Pools {
		if _, isThere := m.Pool(p); !isThere {
			must[bool](t)(m.PutPool(gateway.PoolChange{Name: p}))
		}
		c.Pools = append(c.Pools, gateway.PoolOf{Name: p})
	}
	must[bool](t)(m.PutGateway(c))
}
