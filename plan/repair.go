package plan

import (
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
)

// Repair says what to change in a running HAProxy so that the slots of a
// configuration are as they should be, whatever somebody did to them. Servers
// that belong to no slot are left alone, as is HAProxy's own opinion of their
// health. A slot that HAProxy does not have, or a weight that its balance
// algorithm cannot take, is a reason to reload instead.
func Repair(wanted lb.Config, servers []lb.ServerState) Change {
	by := map[lb.Name][]lb.ServerState{}
	for _, s := range servers {
		by[s.Backend] = append(by[s.Backend], s)
	}
	var change Change
	for _, p := range wanted.Backends {
		if p.Slots != nil {
			change.repair(p, by[p.Key])
		}
	}
	change.Ops = ordered(change.Ops)
	change.Runtime, change.Reload = sorted(change.Runtime), sorted(change.Reload)
	return change
}

func (c *Change) repair(p lb.Pool, servers []lb.ServerState) {
	runtime, reload := reasons{object: p.ID()}, reasons{object: p.ID()}
	byName := make(map[string]lb.ServerState, len(servers))
	for _, s := range servers {
		byName[s.Server] = s
	}
	for _, want := range p.Servers() {
		is, ok := byName[want.Name]
		if !ok {
			reload.add("slots", []string{want.Name + " is missing"})
			continue
		}
		op, detail := repairServer(want, is)
		switch {
		case len(detail) == 0:
			continue
		case op.Weight != nil && !weighs(p.Balance):
			reload.add("weight", detail)
			continue
		}
		op.Backend = p.Key
		c.Ops = append(c.Ops, op)
		runtime.add("servers", detail)
	}
	c.Runtime = append(c.Runtime, runtime.merged()...)
	c.Reload = append(c.Reload, reload.merged()...)
}

// repairServer brings one line to what is wanted, and says in words what was
// not as it should be.
func repairServer(want lb.Server, is lb.ServerState) (lb.ServerOp, []string) {
	op := lb.ServerOp{Server: want.Name}
	if want.Spare {
		if is.Maintenance {
			return op, nil
		}
		op.Maintenance = true
		return op, []string{"-" + is.Address.String()}
	}
	var detail []string
	if want.Address != is.Address {
		op.Address, op.Up = &want.Address, !is.Maintenance
		if !is.Maintenance {
			detail = append(detail, "-"+is.Address.String())
		}
		detail = append(detail, "+"+want.Address.String())
	}
	if want.Weight != is.Weight {
		op.Weight = &want.Weight
		detail = append(detail, want.Address.String()+" weight "+strconv.Itoa(is.Weight)+" → "+strconv.Itoa(want.Weight))
	}
	if is.Maintenance || is.Draining {
		op.Ready = true
		if want.Address == is.Address {
			detail = append(detail, want.Address.String()+" was out of use")
		}
	}
	return op, detail
}

// ordered brings servers into use before others are taken out, so that a pool is
// never empty in between.
func ordered(ops []lb.ServerOp) []lb.ServerOp {
	rank := func(op lb.ServerOp) int {
		switch {
		case op.Maintenance:
			return 2
		case op.Ready:
			return 0
		}
		return 1
	}
	slices.SortStableFunc(ops, func(a, b lb.ServerOp) int { return rank(a) - rank(b) })
	return ops
}

// weighs reports whether a balance algorithm takes weights at run time (HAProxy
// configuration manual, "balance": dynamic algorithms).
func weighs(balance string) bool {
	for _, dynamic := range []string{"roundrobin", "leastconn", "first", "random"} {
		if strings.HasPrefix(balance, dynamic) {
			return true
		}
	}
	return false
}

// states are the servers of a pool as HAProxy has them when it runs the pool.
func states(p lb.Pool) []lb.ServerState {
	servers := p.Servers()
	out := make([]lb.ServerState, len(servers))
	for i, s := range servers {
		out[i] = lb.ServerState{Backend: p.Key, Server: s.Name, Address: s.Address, Weight: s.Weight, Maintenance: s.Spare}
	}
	return out
}
