package plan

import "thalassa/lb"

// A Correction brings the servers of a running HAProxy back to a configuration.
type Correction struct {
	Change
	// Ops are the operations to carry out, in this order. They are enough when there is no reason
	// to reload; after a reload they are not needed.
	Ops []lb.ServerOp
}

// Repair says what to change in a running HAProxy so that the slots of a configuration are as they
// should be, whatever has changed them. The weight and state of servers outside slots are left
// alone, as is the result of HAProxy's own checks. Reasons to reload instead are:
//   - a slot that HAProxy does not have and cannot add (see takesLines);
//   - a weight that the balance algorithm of a backend cannot take;
//   - in mode http, another address for a slot in use: requests would continue to reach the
//     former address over the connections in use (lb.ServerOp, Unused);
//   - anything else in which a server differs from its file (lb.ServerState, Deviation).
func Repair(wanted lb.Config, servers []lb.ServerState) Correction {
	by := byBackend(servers)
	var c Correction
	var steps []step
	for _, p := range wanted.Backends {
		if p.Slots != nil {
			steps = append(steps, c.repair(p, by[p.Key])...)
		}
	}
	c.Reload = append(c.Reload, deviations(wanted, servers)...)
	c.Ops, c.Servers = inOrder(steps), len(steps)
	c.Runtime, c.Reload = sorted(c.Runtime), sorted(c.Reload)
	return c
}

// deviations are reasons to reload for servers that differ from their file. HAProxy lists
// the servers of a backend together. Lines that somebody else has added are ignored.
func deviations(wanted lb.Config, servers []lb.ServerState) []Reason {
	var list []Reason
	for _, s := range servers {
		if s.Deviation == "" || s.Added && !isSlot(wanted, s) {
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

// byBackend groups the servers by backend. It copies nothing where those of a backend are
// listed together, as HAProxy does.
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

// A serverIndex finds the servers of a backend by their names.
type serverIndex struct {
	servers []lb.ServerState
	byName  map[string]lb.ServerState // nil: every server was at its place so far
	last    int                       // the greatest number of a slot, counted from 1; 0: not known yet
}

// find is a server that is probably at this place in the list.
func (x *serverIndex) find(place int, name string) (lb.ServerState, bool) {
	if place < len(x.servers) && x.servers[place].Server == name {
		return x.servers[place], true
	}
	if x.byName == nil {
		x.byName = make(map[string]lb.ServerState, len(x.servers))
		for _, s := range x.servers {
			x.byName[s.Server] = s
		}
	}
	s, ok := x.byName[name]
	return s, ok
}

// repair adds the differences of one backend and returns the operations for it.
func (c *Correction) repair(p lb.ResolvedBackend, now []lb.ServerState) []step {
	runtime, reload := reasons{object: p.ID()}, reasons{object: p.ID()}
	var steps []step
	eachDifference(p, now, &reload, func(d difference) {
		op := d.op
		if d.adds {
			op = addition(p, d.want)
			runtime.add("servers", describeAddition(d.want))
			c.Lines++
		} else {
			op.Backend, op.Unused = p.Key, op.Address != nil && p.Mode != "tcp"
			runtime.add("servers", describe(op, d.want, d.is))
		}
		steps = append(steps, step{op, rank(op, d.is)})
	})
	c.Runtime = append(c.Runtime, runtime.merged()...)
	c.Reload = append(c.Reload, reload.merged()...)
	return steps
}
