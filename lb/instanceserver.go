package lb

import "cmp"

// An InstanceServer is the state in HAProxy of the server for an instance in one backend.
type InstanceServer struct {
	Backend Name
	ServerHealth
	// Weight of the member, and its override; nil: none.
	Weight   int
	Override *Override
}

// Reason says why the server gets no requests; empty: it does.
func (s InstanceServer) Reason() string {
	reason := s.ServerHealth.Reason()
	if reason == "" && s.Weight == 0 {
		reason = "it has weight 0, so it gets only requests of sessions that it has"
	}
	return withOperator(reason, s.Override)
}

// withOperator adds to the reason why HAProxy does not use a server who asked for that.
func withOperator(reason string, o *Override) string {
	if reason == "" || o == nil || o.IsNeutral() {
		return reason
	}
	reason += "; " + oneLine(cmp.Or(o.Origin.Author, "an operator")) + " asked for " + o.String()
	if o.Reason != "" {
		reason += ": " + oneLine(o.Reason)
	}
	return reason
}

// ServersOf lists what HAProxy says of each instance of a service: a server for each
// backend whose member the instance is, sorted by backend. health is what HAProxy says of
// the servers of a backend; it may lack some.
func ServersOf(service Name, in Intent, snap Snapshot, health func(backend Name) []ServerHealth) [][]InstanceServer {
	instances := snap.Services[service].Instances
	out := make([][]InstanceServer, len(instances))
	for _, b := range in.SortedBackends() {
		if b.Type != "dynamic" || b.Service != service {
			continue
		}
		p := Populate(b, snap)
		used, servers := p.used(snap.Services[service]), p.servers(health(b.Key))
		for i, instance := range instances {
			if s, is := servers[instance.Address]; is && used[instance.Address].is(instance) {
				out[i] = append(out[i], s)
			}
		}
	}
	return out
}

// servers are what HAProxy says of the members, by address.
func (p ResolvedBackend) servers(health []ServerHealth) map[HostPort]InstanceServer {
	byAddress := make(map[HostPort]ServerHealth, len(health))
	for _, h := range health {
		byAddress[h.Address] = h
	}
	out := make(map[HostPort]InstanceServer, len(p.Members))
	for _, m := range p.Members {
		if h, known := byAddress[m.Address]; known {
			out[m.Address] = InstanceServer{Backend: p.Key, ServerHealth: h, Weight: m.Weight, Override: m.Override}
		}
	}
	return out
}
