package gateway

import (
	"slices"
	"strconv"

	"thalassa/lb"
)

// None is the dialect's name for the default pool of a gateway without one.
const None = "None"

// A Gateway is a frontend in the terms of the dialect.
type Gateway struct {
	Name      string
	Protocol  string // "http" or "tcp"
	Enabled   bool
	Default   string // a pool; empty: none
	Endpoints []Endpoint
	Pools     []string // all that it can send requests to, sorted
	// Beyond are the fields of the frontend that the dialect cannot express, e.g. "rules". It
	// keeps them.
	Beyond []string
}

// An Endpoint is an address of a gateway. One that has no name is named by its address.
type Endpoint struct {
	Name    string
	Address string // "ip:port", or what a raw bind line says
	// Certificate is the name of the certificate that it serves; empty: no TLS.
	Certificate string
	// Raw: it is part of a raw line, which this dialect does not change.
	Raw bool
}

// Text is the address with the certificate, e.g. "*:443 @key.pem".
func (e Endpoint) Text() string {
	if e.Certificate == "" {
		return e.Address
	}
	return e.Address + " @" + e.Certificate + ".pem"
}

// A Pool is a backend in the terms of the dialect.
type Pool struct {
	Name    string
	Enabled bool
	Policy  string // HAProxy's algorithm, e.g. "roundrobin"
	Weight  int    // of targets without one of their own
	Targets []Target
	// Service is the Consul service that the targets come from; empty: they are listed.
	Service string
	// Beyond are the fields of the backend that the dialect cannot express, e.g. "health". It
	// keeps them.
	Beyond []string
}

// A Target is a member of a pool. One that has no name is named by its address.
type Target struct {
	Name    string
	Address string // "ip:port"
	Weight  int    // 0 to 256
	Enabled bool
}

// A Model presents an intent as gateways and pools. Its methods change it; after an error it is
// unchanged. It must not be used concurrently.
type Model struct {
	in   lb.Intent
	snap lb.Snapshot
	// skip are frontends that are no gateways.
	skip map[lb.Name]bool
	// Sees reports whether a caller may know of an object, by its id, such as "backend/eta"; nil: of
	// any. Targets and endpoints of others are not found by their names, and do not move.
	Sees func(id string) bool
}

// isSeen reports whether a caller may know of an object of a model.
func isSeen(m *Model, o lb.Object) bool { return m.Sees == nil || m.Sees(o.ID()) }

// New makes the model of an intent. The snapshot has the targets that come from Consul. The
// frontends in skip are hidden, and their names are refused.
func New(in lb.Intent, snap lb.Snapshot, skip ...lb.Name) *Model {
	m := &Model{in: in, snap: snap, skip: map[lb.Name]bool{}}
	for _, name := range skip {
		m.skip[name] = true
	}
	return m
}

// Intent is the intent with all changes so far.
func (m *Model) Intent() lb.Intent { return m.in }

// Gateways lists all gateways by name.
func (m *Model) Gateways() []Gateway {
	out := []Gateway{}
	for _, f := range m.in.SortedFrontends() {
		if !m.skip[f.Key] {
			out = append(out, gatewayOf(f))
		}
	}
	return out
}

// Gateway finds a gateway.
func (m *Model) Gateway(name string) (Gateway, bool) {
	f, ok := m.frontend(name)
	return gatewayOf(f), ok
}

func (m *Model) frontend(name string) (lb.Frontend, bool) {
	f, ok := m.in.Frontends[lb.Name(name)]
	return f, ok && !m.skip[f.Key]
}

// Pools lists all pools by name.
func (m *Model) Pools() []Pool {
	out := make([]Pool, 0, len(m.in.Backends))
	for _, b := range m.in.SortedBackends() {
		out = append(out, m.poolOf(b))
	}
	return out
}

// Pool finds a pool.
func (m *Model) Pool(name string) (Pool, bool) {
	b, ok := m.in.Backends[lb.Name(name)]
	return m.poolOf(b), ok
}

// Target finds a target by its name, first in a pool and then in all others: names are
// unique.
func (m *Model) Target(pool, name string) (Target, string, bool) {
	first, _ := m.Pool(pool)
	for _, p := range slices.Concat([]Pool{first}, m.Pools()) {
		for _, t := range p.Targets {
			if t.Name == name && isSeen(m, lb.Backend{Key: lb.Name(p.Name)}) {
				return t, p.Name, true
			}
		}
	}
	return Target{}, "", false
}

// Endpoint finds an endpoint by its name, first in a gateway and then in all others: names
// are unique.
func (m *Model) Endpoint(gateway, name string) (Endpoint, string, bool) {
	first, _ := m.Gateway(gateway)
	for _, g := range slices.Concat([]Gateway{first}, m.Gateways()) {
		for _, e := range g.Endpoints {
			if e.Name == name && isSeen(m, lb.Frontend{Key: lb.Name(g.Name)}) {
				return e, g.Name, true
			}
		}
	}
	return Endpoint{}, "", false
}

func gatewayOf(f lb.Frontend) Gateway {
	g := Gateway{
		Name: string(f.Key), Protocol: f.Mode, Default: string(f.Backend),
		Enabled: !slices.Contains(f.Natives, disabledLine), Endpoints: endpointsOf(f), Pools: []string{}, Beyond: beyondGateway(f),
	}
	for _, p := range f.AllTargets() {
		if p != "" {
			g.Pools = append(g.Pools, string(p))
		}
	}
	return g
}

// disabledLine keeps HAProxy from listening for a frontend.
const disabledLine lb.RawLine = "disabled"

func endpointsOf(f lb.Frontend) []Endpoint {
	out := []Endpoint{}
	named := map[lb.Bind]bool{}
	add := func(name string, b lb.Bind) {
		e := Endpoint{Name: name, Address: b.String()}
		if f.TLS != nil && slices.Contains(f.TLS.Binds, b) {
			e.Certificate = string(f.TLS.Default)
		}
		out = append(out, e)
	}
	for _, e := range f.Endpoints {
		named[e.Bind] = true
		add(string(e.Name), e.Bind)
	}
	for _, b := range f.TypedBinds() {
		if !named[b] {
			add(b.String(), b)
		}
	}
	for _, text := range f.RawBindTexts() {
		out = append(out, Endpoint{Name: text, Address: text, Raw: true})
	}
	return out
}

func (m *Model) poolOf(b lb.Backend) Pool {
	p := Pool{Name: string(b.Key), Enabled: !b.Disabled, Policy: b.Balance, Weight: b.DefaultWeight(), Targets: []Target{}, Beyond: beyondPool(m.in, b)}
	if b.Type != "static" {
		p.Service = string(b.Service)
		for _, member := range lb.Populate(b, m.snap).Members {
			address := member.Given().String()
			p.Targets = append(p.Targets, Target{Name: address, Address: address, Weight: member.Weight, Enabled: !member.Maintenance})
		}
		return p
	}
	for _, member := range b.Members {
		p.Targets = append(p.Targets, targetOf(b, member))
	}
	return p
}

func targetOf(b lb.Backend, m lb.StaticMember) Target {
	return Target{Name: targetName(m), Address: m.String(), Weight: b.StaticWeight(m), Enabled: !m.Disabled}
}

func targetName(m lb.StaticMember) string {
	if m.Target == "" {
		return m.String()
	}
	return string(m.Target)
}

// invalid is an error about one field.
func invalid(path, problem, expected string) error {
	return &lb.InvalidError{Fields: []lb.FieldError{{Path: path, Problem: problem, Expected: expected}}}
}

// checkName refuses what no object can be called.
func checkName(path, name string) error {
	_, err := lb.ParseName(name)
	return at(path, err)
}

// at is the error of a parser that does not know its field.
func at(path string, err error) error {
	if f, ok := err.(lb.FieldError); ok { //nolint:errorlint // made by lb's parsers, never wrapped
		return invalid(path, f.Problem, f.Expected)
	}
	return err
}

// parseTargetAddress reads "ip:port".
func parseTargetAddress(path, address string) (lb.MemberSpec, error) {
	bind, err := lb.ParseBind(address)
	if err == nil && bind.Host == "" {
		bind.Host = "0.0.0.0"
	}
	if why := bind.Host.NoMember(); err == nil && why != "" {
		err = lb.FieldError{Problem: strconv.Quote(address) + " " + why, Expected: "ip:port, where the target listens"}
	}
	return lb.MemberSpec{Host: string(bind.Host), Port: int(bind.Port)}, at(path, err)
}
