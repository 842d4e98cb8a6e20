package gateway

import (
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
)

// A PoolChange is a PUT of a pool.
type PoolChange struct {
	Name    string
	Enabled *bool    // nil: as it is; of a new one true
	Targets []Target // names and addresses: added to the existing ones, or changed

	field string // that names the pool; empty: "pool"
}

// A TargetChange is a PUT of a target.
type TargetChange struct {
	Pool    string // the pool that it belongs to after the change
	Name    string
	Address string
	Weight  int
	Enabled *bool // nil: as it is; of a new one true
}

// PutPool creates or changes a pool; isNew reports which. Targets of other pools move to it.
func (m *Model) PutPool(c PoolChange) (isNew bool, err error) {
	before := *m
	defer m.undo(before, &err)
	b, isThere := m.in.Backends[lb.Name(c.Name)]
	if !isThere {
		field := c.field
		if field == "" {
			field = "pool"
		}
		if err := checkName(field, c.Name); err != nil {
			return true, err
		}
		b = lb.Backend{Key: lb.Name(c.Name), Type: "static", Mode: "http", Balance: "roundrobin"}
	}
	if err := changeable(b); err != nil && len(c.Targets) > 0 {
		return false, err
	}
	if c.Enabled != nil {
		b.Disabled = !*c.Enabled
	}
	spec := b.Spec()
	for _, t := range c.Targets {
		field := "targets." + t.Name
		address, err := parseTargetAddress(field, t.Address)
		if err != nil {
			return !isThere, err
		}
		moved, err := m.takeTarget(c.Name, t.Name)
		if err != nil {
			return !isThere, err
		}
		if err := putMember(&spec, field, t.Name, func(member *lb.MemberSpec) {
			if moved != nil {
				*member = *moved
			}
			member.Host, member.Port = address.Host, address.Port
		}); err != nil {
			return !isThere, err
		}
	}
	return !isThere, m.putSpec(b, spec)
}

// PutTarget creates, changes or moves a target; isNew reports which. The pool must exist.
func (m *Model) PutTarget(c TargetChange) (isNew bool, err error) {
	before := *m
	defer m.undo(before, &err)
	b := m.in.Backends[lb.Name(c.Pool)]
	if err := changeable(b); err != nil {
		return false, err
	}
	address, err := parseTargetAddress("address", c.Address)
	if err != nil {
		return false, err
	}
	_, _, isThere := m.Target(c.Pool, c.Name)
	moved, err := m.takeTarget(c.Pool, c.Name)
	if err != nil {
		return false, err
	}
	spec := b.Spec()
	err = putMember(&spec, "target", c.Name, func(member *lb.MemberSpec) {
		if moved != nil {
			*member = *moved
		}
		member.Host, member.Port, member.Weight = address.Host, address.Port, &c.Weight
		if c.Enabled != nil {
			member.Disabled = !*c.Enabled
		}
	})
	if err != nil {
		return !isThere, err
	}
	return !isThere, m.putSpec(b, spec)
}

// putMember changes the member of a name, or adds one.
func putMember(spec *lb.BackendSpec, path, name string, change func(*lb.MemberSpec)) error {
	for i := range spec.Members {
		if m := &spec.Members[i]; m.Target == name || m.Target == "" && addressText(*m) == name {
			change(m)
			return nil
		}
	}
	if err := checkName(path, name); err != nil {
		return err
	}
	var member lb.MemberSpec
	change(&member)
	member.Target = name
	for i := range spec.Members {
		m := &spec.Members[i]
		if m.Target == "" && addressText(*m) == addressText(member) { // it has no name so far
			change(m)
			m.Target = name
			return nil
		}
		if addressText(*m) == addressText(member) {
			return &lb.ConflictError{ID: path, Reason: addressText(member) + " is target " + m.Target + " already"}
		}
	}
	spec.Members = append(spec.Members, member)
	return nil
}

func addressText(m lb.MemberSpec) string {
	return lb.HostPort{Host: lb.Host(m.Host), Port: uint16(m.Port)}.String() //nolint:gosec // a parsed port
}

// takeTarget removes a target from its pool, if that is another one.
func (m *Model) takeTarget(pool, name string) (*lb.MemberSpec, error) {
	_, owner, ok := m.Target(pool, name)
	if !ok || owner == pool {
		return nil, nil //nolint:nilnil // there is nothing to take
	}
	b := m.in.Backends[lb.Name(owner)]
	if err := changeable(b); err != nil {
		return nil, err
	}
	spec := b.Spec()
	i := slices.IndexFunc(b.Members, func(s lb.StaticMember) bool { return targetName(s) == name })
	taken := spec.Members[i]
	spec.Members = slices.Delete(spec.Members, i, i+1)
	return &taken, m.putSpec(b, spec)
}

// DeleteTarget removes a target of any pool; false: there is none.
func (m *Model) DeleteTarget(pool, name string) (bool, error) {
	_, owner, ok := m.Target(pool, name)
	if !ok {
		return false, nil
	}
	b := m.in.Backends[lb.Name(owner)]
	if err := changeable(b); err != nil {
		return true, err
	}
	b.Members = slices.DeleteFunc(slices.Clone(b.Members), func(s lb.StaticMember) bool { return targetName(s) == name })
	return true, m.putBackend(b)
}

// DisableTarget disables a target, so that it gets no requests; false: there is none. A target that
// comes from Consul is not changed, because Consul's checks decide.
func (m *Model) DisableTarget(pool, name string) (bool, error) {
	_, owner, ok := m.Target(pool, name)
	b := m.in.Backends[lb.Name(owner)]
	if !ok || b.Type != "static" {
		return ok, nil
	}
	b.Members = slices.Clone(b.Members)
	for i := range b.Members {
		if targetName(b.Members[i]) == name {
			b.Members[i].Disabled = true
		}
	}
	return true, m.putBackend(b)
}

// DeletePool removes a pool, also from its gateways; false: there is none. The error is a
// *lb.ConflictError while rules, raw lines or frontends that are not gateways lead there.
func (m *Model) DeletePool(name string) (isThere bool, err error) {
	before := *m
	defer m.undo(before, &err)
	b, ok := m.in.Backends[lb.Name(name)]
	if !ok {
		return false, nil
	}
	for _, f := range m.in.SortedFrontends() {
		if f.IsGateway() && slices.Contains(f.AllTargets(), b.Key) {
			if err := m.putFrontend(without(f, b.Key)); err != nil {
				return true, err
			}
		}
	}
	m.in, err = m.in.Apply(lb.Edit{Delete: b.ID()})
	return true, err
}

// SetPolicy sets the algorithm of a pool and the weight of targets without one of their
// own. The pool must exist.
func (m *Model) SetPolicy(pool, policy string, weight int) error {
	b := m.in.Backends[lb.Name(pool)]
	if weight < 0 || weight > 256 {
		return invalid("weights", strconv.Itoa(weight)+" is not a weight", "a whole number from 0 to 256")
	}
	b.Balance, b.Natives = policy, withDefaultWeight(b.Natives, weight)
	return m.putBackend(b)
}

// ResetPolicy sets the policy of a new pool.
func (m *Model) ResetPolicy(pool string) error { return m.SetPolicy(pool, "roundrobin", 1) }

// withDefaultWeight are raw lines that give servers a weight; 1 is HAProxy's own default.
func withDefaultWeight(lines []lb.RawLine, weight int) []lb.RawLine {
	const keyword = "default-server"
	out := []lb.RawLine{}
	for _, line := range lines {
		words := strings.Fields(string(line))
		if len(words) == 0 || words[0] != keyword {
			out = append(out, line)
			continue
		}
		if i := slices.Index(words, "weight"); i > 0 && i+1 < len(words) {
			words = slices.Delete(words, i, i+2)
			line = lb.RawLine(strings.Join(words, " "))
		}
		if len(words) > 1 {
			out = append(out, line)
		}
	}
	if weight != 1 {
		out = append(out, lb.RawLine(keyword+" weight "+strconv.Itoa(weight)))
	}
	return out
}

// changeable refuses a pool whose targets come from Consul.
func changeable(b lb.Backend) error {
	if b.Type == "static" {
		return nil
	}
	return &lb.ConflictError{ID: b.ID(), Reason: "its targets are the instances of service " + string(b.Service) + " in Consul"}
}

func (m *Model) putBackend(b lb.Backend) error { return m.putSpec(b, b.Spec()) }

// putSpec checks a backend and puts it into the intent.
func (m *Model) putSpec(b lb.Backend, spec lb.BackendSpec) error {
	checked, err := spec.Parse(b.Key)
	if err == nil {
		err = checked.CheckNew()
	}
	if err == nil {
		m.in = m.in.With([]lb.ObjectChange{{ID: b.ID(), After: checked}})
	}
	return err
}
