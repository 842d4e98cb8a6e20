package plan

import (
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
)

// Repair says what to change in a running HAProxy so that the slots of a
// configuration are as they should be, whatever somebody did to them. The weight and
// state of servers that belong to no slot are left alone, as is HAProxy's own opinion
// of their health. Reasons to reload instead are a slot that HAProxy does not have, a
// weight that its balance algorithm cannot take, in mode http another
// address for a slot that is in use: requests would go on to the former one over
// the connections that are in use at that moment (lb.ServerOp, Unused), and whatever
// else a server has otherwise than its file says (lb.ServerState, Deviation).
func Repair(wanted lb.Config, servers []lb.ServerState) Change {
	by := byBackend(servers)
	var change Change
	for _, p := range wanted.Backends {
		if p.Slots != nil {
			change.repair(p, by[p.Key])
		}
	}
	change.Reload = append(change.Reload, deviations(servers)...)
	change.order()
	change.Runtime, change.Reload = sorted(change.Runtime), sorted(change.Reload)
	return change
}

// deviations are reasons to reload for servers that are not as their file says. HAProxy
// lists the servers of a backend together.
func deviations(servers []lb.ServerState) []Reason {
	var list []Reason
	for _, s := range servers {
		if s.Deviation == "" {
			continue
		}
		object, detail := lb.Backend{Key: s.Backend}.ID(), s.Server+" "+s.Deviation
		if last := len(list) - 1; last >= 0 && list[last].Object == object {
			list[last].Detail = append(list[last].Detail, detail)
		} else {
			list = append(list, Reason{Object: object, What: "servers", Detail: []string{detail}})
		}
	}
	return list
}

// byBackend finds the servers of a backend. Where those stand together, as HAProxy
// lists them, they are not copied.
func byBackend(servers []lb.ServerState) map[lb.Name][]lb.ServerState {
	by := map[lb.Name][]lb.ServerState{}
	for first := 0; first < len(servers); {
		key, end := servers[first].Backend, first+1
		for end < len(servers) && servers[end].Backend == key {
			end++
		}
		if known := by[key]; known != nil {
			by[key] = append(known, servers[first:end]...)
		} else {
			by[key] = servers[first:end:end]
		}
		first = end
	}
	return by
}

// A roster finds the servers of a backend by their names.
type roster struct {
	servers []lb.ServerState
	byName  map[string]lb.ServerState // nil: nobody was looked for in vain
}

// find is a server that probably stands at a place in the list.
func (r *roster) find(place int, name string) (lb.ServerState, bool) {
	if place < len(r.servers) && r.servers[place].Server == name {
		return r.servers[place], true
	}
	if r.byName == nil {
		r.byName = make(map[string]lb.ServerState, len(r.servers))
		for _, s := range r.servers {
			r.byName[s.Server] = s
		}
	}
	s, ok := r.byName[name]
	return s, ok
}

func (c *Change) repair(p lb.Pool, servers []lb.ServerState) {
	runtime, reload := reasons{object: p.ID()}, reasons{object: p.ID()}
	now := roster{servers: servers}
	for i, want := range p.Servers() {
		is, ok := now.find(i, want.Name)
		if !ok {
			reload.add("slots", []string{want.Name + " is missing"})
			continue
		}
		op, detail := repairServer(want, is)
		switch {
		case len(detail) == 0:
		case op.Weight != nil && !weighs(p.Balance):
			reload.add("weight", []string{weightText(want.Name, is.Weight, want.Weight)})
		case op.Address != nil && !is.Maintenance && p.Mode != "tcp":
			reload.add("slots", []string{want.Name + " is in use by " + is.Address.String()})
		default:
			op.Backend, op.Unused = p.Key, op.Address != nil && p.Mode != "tcp"
			c.steps = append(c.steps, step{op, rank(op, is)})
			runtime.add("servers", detail)
		}
	}
	c.Runtime = append(c.Runtime, runtime.merged()...)
	c.Reload = append(c.Reload, reload.merged()...)
}

// repairServer brings one line to what is wanted, and says in words what was
// not as it should be.
func repairServer(want lb.Server, is lb.ServerState) (lb.ServerOp, []string) {
	op := lb.ServerOp{Server: want.Name}
	var detail []string
	if want.Weight != is.Weight {
		weight := want.Weight // what is pointed at is allocated, and mostly nothing differs
		op.Weight = &weight
	}
	if want.Spare {
		switch {
		case !is.Maintenance:
			op.Maintenance = true
			detail = append(detail, "-"+is.Address.String())
		case op.Weight != nil:
			detail = append(detail, weightText(want.Name, is.Weight, want.Weight))
		}
		return op, detail
	}
	if want.Address != is.Address {
		address := want.Address
		op.Address, op.Up = &address, !is.Maintenance
		if !is.Maintenance {
			detail = append(detail, "-"+is.Address.String())
		}
		detail = append(detail, "+"+want.Address.String())
	}
	if want.Address == is.Address && op.Weight != nil {
		detail = append(detail, weightText(want.Address.String(), is.Weight, want.Weight))
	}
	if is.Maintenance || is.Draining {
		op.Ready = true
		if want.Address == is.Address {
			detail = append(detail, want.Address.String()+" was out of use")
		}
	}
	return op, detail
}

func weightText(who string, from, to int) string {
	return who + " weight " + strconv.Itoa(from) + " → " + strconv.Itoa(to)
}

// A step is an operation with its turn.
type step struct {
	op   lb.ServerOp
	rank int
}

// rank is an operation's turn. Traffic is given to servers before it is taken from
// others, so that a pool is never empty in between. What is there gets heavier
// before others come, and lighter after others have gone: so nobody has more
// traffic in between than before and after, as one that is light for a reason
// would, be it for a millisecond.
func rank(op lb.ServerOp, is lb.ServerState) int {
	const heavier, coming, going, lighter = 0, 1, 2, 3
	switch {
	case op.Maintenance:
		return going
	case op.Ready || op.Address != nil:
		return coming
	case op.Weight != nil && *op.Weight < is.Weight && !is.Maintenance:
		return lighter
	}
	return heavier
}

// order makes operations of the steps.
func (c *Change) order() {
	slices.SortStableFunc(c.steps, func(a, b step) int { return a.rank - b.rank })
	for _, s := range c.steps {
		c.Ops = append(c.Ops, s.op)
	}
	c.steps = nil
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

// states are the servers of a pool as HAProxy has them when it runs the pool. The
// address of a spare one is not known: it may be that of a former member.
func states(p lb.Pool) []lb.ServerState {
	servers := p.Servers()
	out := make([]lb.ServerState, len(servers))
	for i, s := range servers {
		out[i] = lb.ServerState{Backend: p.Key, Server: s.Name, Address: s.Address, Weight: s.Weight, Maintenance: s.Spare}
		if s.Spare {
			out[i].Address = lb.HostPort{}
		}
	}
	return out
}
