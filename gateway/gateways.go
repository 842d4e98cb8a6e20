package gateway

import (
	"slices"
	"strconv"

	"thalassa/lb"
)

// A Change is a PUT of a gateway. Fields that are nil or empty leave the gateway unchanged, or have
// their defaults if it is new.
type Change struct {
	Name      string
	Protocol  string     // empty: as it is
	Endpoints []Endpoint // added to those that it has, or changed
	Default   string     // a pool, which is created if it does not exist; empty: none
	Enabled   *bool      // nil: as it is; of a new one true
	Pools     []PoolOf   // attached
}

// A PoolOf is a pool of a gateway, and a target to create it with if it does not exist.
type PoolOf struct {
	Name    string
	Address string // empty: the pool must exist
}

// PutGateway creates or changes a gateway; isNew reports which. Endpoints of other gateways move to
// it.
func (m *Model) PutGateway(c Change) (isNew bool, err error) {
	before := *m
	defer m.undo(before, &err)
	if m.skip[lb.Name(c.Name)] {
		return false, invalid("gateway", strconv.Quote(c.Name)+" is the name of the dashboard", "another name")
	}
	f, isThere := m.frontend(c.Name)
	if !isThere {
		if err := checkName("gateway", c.Name); err != nil {
			return true, err
		}
		f = lb.Frontend{Key: lb.Name(c.Name), Keepalive: "default"}
	}
	if c.Protocol != "" {
		f = inMode(f, c.Protocol)
	}
	if f.Mode != "http" && f.Mode != "tcp" {
		return !isThere, invalid("protocol", strconv.Quote(f.Mode)+" is not a protocol of a gateway", "http or tcp")
	}
	if c.Enabled != nil {
		f = enable(f, *c.Enabled)
	}
	f.Backend = lb.Name(c.Default)
	if f.Pools, err = m.attached(f, c); err != nil {
		return !isThere, err
	}
	f = serving(m.in, f, c.Endpoints)
	for _, e := range c.Endpoints {
		if err := m.release(string(f.Key), e.Name); err != nil {
			return !isThere, err
		}
		if f, err = withEndpoint(m.in, f, "endpoints."+e.Name, e); err != nil {
			return !isThere, err
		}
	}
	return !isThere, m.putFrontend(f)
}

// undo restores the model if err is set.
func (m *Model) undo(before Model, err *error) {
	if *err != nil {
		*m = before
	}
}

// attached creates the pools that a change names and that do not exist, and lists all pools of the
// gateway after the change.
func (m *Model) attached(f lb.Frontend, c Change) ([]lb.Name, error) {
	pools := slices.Clone(f.Pools)
	if _, ok := m.in.Backends[lb.Name(c.Default)]; c.Default != "" && !ok {
		if _, err := m.PutPool(PoolChange{Name: c.Default, field: "defaultBack"}); err != nil {
			return nil, err
		}
	}
	for _, p := range c.Pools {
		field := "pools." + p.Name
		if _, ok := m.in.Backends[lb.Name(p.Name)]; !ok {
			if p.Address == "" {
				return nil, invalid(field, strconv.Quote(p.Name)+" is not a pool", `a pool that exists, or an object of new pools: {"pool": "ip:port"}`)
			}
			targets := []Target{{Name: p.Name, Address: p.Address}}
			if _, err := m.PutPool(PoolChange{Name: p.Name, Targets: targets, field: field}); err != nil {
				return nil, err
			}
		}
		if !slices.Contains(pools, lb.Name(p.Name)) {
			pools = append(pools, lb.Name(p.Name))
		}
	}
	return pools, nil
}

// enable is the frontend with HAProxy listening for it, or not.
func enable(f lb.Frontend, isEnabled bool) lb.Frontend {
	f.Natives = slices.DeleteFunc(slices.Clone(f.Natives), func(n lb.RawLine) bool { return n == disabledLine })
	if !isEnabled {
		f.Natives = append(f.Natives, disabledLine)
	}
	return f
}

// DeleteGateway removes a gateway with its endpoints; false: there is none.
func (m *Model) DeleteGateway(name string) bool {
	f, ok := m.frontend(name)
	if ok {
		m.in = m.in.With([]lb.ObjectChange{{ID: f.ID()}})
	}
	return ok
}

// PutEndpoint creates or changes an endpoint; isNew reports which. An endpoint of another gateway
// stays there. The gateway must exist.
func (m *Model) PutEndpoint(gateway, name, address string) (isNew bool, err error) {
	before := *m
	defer m.undo(before, &err)
	if _, owner, ok := m.Endpoint(gateway, name); ok {
		gateway = owner
	} else {
		isNew = true
	}
	e := Endpoint{Name: name, Address: address}
	f, err := withEndpoint(m.in, serving(m.in, m.in.Frontends[lb.Name(gateway)], []Endpoint{e}), "address", e)
	if err != nil {
		return isNew, err
	}
	return isNew, m.putFrontend(f)
}

// DeleteEndpoint removes an endpoint of any gateway; false: there is none.
func (m *Model) DeleteEndpoint(gateway, name string) (isThere bool, err error) {
	before := *m
	defer m.undo(before, &err)
	e, owner, ok := m.Endpoint(gateway, name)
	if !ok {
		return false, nil
	}
	f := m.in.Frontends[lb.Name(owner)]
	if e.Raw {
		return true, rawEndpoint(f, e)
	}
	f, err = withoutEndpoint(f, name)
	if err != nil {
		return true, err
	}
	return true, m.putFrontend(f)
}

// release takes an endpoint away from the gateways that are not the owner.
func (m *Model) release(owner, name string) error {
	for _, f := range m.in.SortedFrontends() {
		has := slices.ContainsFunc(f.Endpoints, func(e lb.Endpoint) bool { return string(e.Name) == name })
		if !has || string(f.Key) == owner || m.skip[f.Key] || !isSeen(m, f) {
			continue
		}
		less, err := withoutEndpoint(f, name)
		if err != nil {
			return err
		}
		m.in = m.in.With([]lb.ObjectChange{{ID: f.ID(), After: less}})
	}
	return nil
}

func rawEndpoint(f lb.Frontend, e Endpoint) error {
	return &lb.ConflictError{ID: f.ID(), Reason: strconv.Quote(e.Name) + " is part of a raw bind line: change that through /frontends/" + string(f.Key)}
}

// withEndpoint is a frontend of the intent with an endpoint added or changed.
func withEndpoint(in lb.Intent, f lb.Frontend, path string, e Endpoint) (lb.Frontend, error) {
	bind, certificate, err := splitAddress(in, path, e.Address)
	if err != nil {
		return f, err
	}
	for _, present := range endpointsOf(f) {
		switch {
		case present.Name == e.Name && present.Raw:
			return f, rawEndpoint(f, present)
		case present.Name != e.Name && present.Name != present.Address && present.Address == bind.String():
			return f, &lb.ConflictError{ID: f.ID(), Reason: bind.String() + " is endpoint " + present.Name + " already"}
		}
	}
	if err := checkEndpointName(f, path, e.Name); err != nil {
		return f, err
	}
	if f.RawBind != "" {
		return f, &lb.ConflictError{ID: f.ID(), Reason: "its addresses are one raw bind line: change that through /frontends/" + string(f.Key)}
	}
	f, former := replaceEndpoint(f, lb.Name(e.Name), bind)
	return place(f, path, former, bind, certificate)
}

// checkEndpointName refuses an invalid name of an endpoint. An address without a name is named by
// its text.
func checkEndpointName(f lb.Frontend, path, name string) error {
	if slices.ContainsFunc(f.TypedBinds(), func(b lb.Bind) bool { return b.String() == name }) {
		return nil
	}
	return checkName(path, name)
}

// replaceEndpoint sets the address of an endpoint, and returns the address that it replaces.
func replaceEndpoint(f lb.Frontend, name lb.Name, bind lb.Bind) (out lb.Frontend, former lb.Bind) {
	f.Endpoints = slices.Clone(f.Endpoints)
	former = bind
	binds := f.TypedBinds()
	if i := slices.IndexFunc(f.Endpoints, func(e lb.Endpoint) bool { return e.Name == name }); i >= 0 {
		former = f.Endpoints[i].Bind
		f.Endpoints[i].Bind = bind
	} else if j := slices.IndexFunc(binds, func(b lb.Bind) bool { return b.String() == string(name) }); j >= 0 {
		former = binds[j] // which has no name, and gets none
	} else {
		f.Endpoints = append(f.Endpoints, lb.Endpoint{Name: name, Bind: bind})
	}
	if f.Endpoints == nil {
		f.Endpoints = []lb.Endpoint{}
	}
	return f, former
}

func withoutEndpoint(f lb.Frontend, name string) (lb.Frontend, error) {
	kept := []lb.Endpoint{}
	address := name
	for _, e := range f.Endpoints {
		if string(e.Name) == name {
			address = e.Bind.String()
			continue
		}
		kept = append(kept, e)
	}
	f.Endpoints = kept
	binds := slices.Clone(f.TypedBinds())
	f.Binds = slices.DeleteFunc(slices.Clone(f.Binds), func(b lb.Bind) bool { return b.String() == address })
	return withoutTLS(f, slices.DeleteFunc(binds, func(b lb.Bind) bool { return b.String() != address })...)
}

// Attach adds a pool to a gateway. Both must exist.
func (m *Model) Attach(gateway, pool string) (err error) {
	before := *m
	defer m.undo(before, &err)
	f := m.in.Frontends[lb.Name(gateway)]
	if !slices.Contains(f.AllTargets(), lb.Name(pool)) {
		f.Pools = append(slices.Clone(f.Pools), lb.Name(pool))
	}
	return m.putFrontend(f)
}

// Detach removes a pool from a gateway. The error is a *lb.ConflictError if a rule leads to the
// pool; false: the pool does not belong to the gateway.
func (m *Model) Detach(gateway, pool string) (isAttached bool, err error) {
	before := *m
	defer m.undo(before, &err)
	f, name := m.in.Frontends[lb.Name(gateway)], lb.Name(pool)
	if !slices.Contains(f.AllTargets(), name) {
		return false, nil
	}
	f = without(f, name)
	if slices.Contains(f.AllTargets(), name) {
		return true, &lb.ConflictError{ID: lb.Backend{Key: name}.ID(), Reason: "rules or raw lines of " + f.ID() + " lead there: change them through /frontends/" + gateway, By: []string{f.ID()}}
	}
	return true, m.putFrontend(f)
}

// without is the frontend without a pool, but for rules and raw lines.
func without(f lb.Frontend, pool lb.Name) lb.Frontend {
	f.Pools = slices.DeleteFunc(slices.Clone(f.Pools), func(p lb.Name) bool { return p == pool })
	if f.Backend == pool {
		f.Backend = ""
	}
	return f
}

// putFrontend checks a frontend and puts it into the intent. Its pools get its protocol unless
// other gateways use them.
func (m *Model) putFrontend(f lb.Frontend) error {
	if f.Endpoints == nil {
		f.Endpoints = []lb.Endpoint{}
	}
	checked, err := f.Spec().Parse(f.Key)
	if err == nil {
		err = checked.CheckNew()
	}
	if err != nil {
		return err
	}
	m.in = m.in.With([]lb.ObjectChange{{ID: f.ID(), After: checked}})
	for _, pool := range checked.AllTargets() {
		b, ok := m.in.Backends[pool]
		if ok && b.Mode != checked.Mode && len(m.in.RoutedBy(pool)) == 1 {
			b.Mode = checked.Mode
			if err := m.putBackend(b); err != nil {
				return err
			}
		}
	}
	return nil
}
