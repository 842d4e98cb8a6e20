package plan

import (
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
)

// compareBackends finds the backends created, removed and changed. Both configurations are sorted,
// so it walks through both at once; a map of a thousand backends would slow down every change.
func (c *Change) compareBackends(a, b lb.Config) {
	pretended, pretends := pretending(a.Frontends), pretending(b.Frontends)
	before, after := a.Backends, b.Backends
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].Key < after[0].Key:
			c.Reload = append(c.Reload, Reason{Object: before[0].ID(), What: "removed"})
			before = before[1:]
			continue
		case len(before) == 0 || after[0].Key < before[0].Key:
			c.Reload = append(c.Reload, Reason{Object: after[0].ID(), What: "created"})
			after = after[1:]
			continue
		}
		old, p := &before[0], &after[0]
		before, after = before[1:], after[1:]
		if !old.Same(*p) {
			c.compareBackend(*old, *p, changed(serverOptions(a, *old), serverOptions(b, *p)))
		}
		if pretended[p.Key] != pretends[p.Key] {
			c.Reload = append(c.Reload, Reason{Object: p.ID(), What: "keepalive", Detail: changed(pretendText(pretended[p.Key]), pretendText(pretends[p.Key]))})
		}
	}
}

func pretendText(on bool) string {
	if on {
		return "pretended"
	}
	return "default"
}

func (c *Change) compareBackend(a, b lb.ResolvedBackend, connections []string) {
	r := reasons{object: b.ID()}
	r.add("balance", changed(a.Balance, b.Balance))
	r.add("health", changed(healthText(a, b), healthText(b, a)))
	if sentHost(a) != sentHost(b) {
		r.add("host", changed(a.Host, b.Host))
	}
	r.add("connections", connections)
	r.add("hash", changed(a.Placement.String(), b.Placement.String()))
	r.add("defaults", changed(string(a.Defaults), string(b.Defaults)))
	r.add("mode", changed(a.Mode, b.Mode))
	r.add("natives", listChanged(texts(a.Natives, nativeText), texts(b.Natives, nativeText)))
	members := compareMembers(a, b)
	if b.Placement == lb.PlacedByNumber && a.Placement == b.Placement && len(members) > 0 {
		r.add("hash", []string{"hashStable numbers the server lines by address, which takes a reload"})
	}
	if a.Slots == nil && b.Slots == nil {
		c.Reload = append(append(c.Reload, r.list...), members...)
		return
	}
	lines, slots := max(0, len(b.Slots)-len(a.Slots)), compareSlots(a, b)
	if len(slots) > 0 && !addsLines(a, b) {
		c.Reload = append(append(append(c.Reload, r.list...), slots...), members...)
		return
	}
	c.Reload = append(c.Reload, r.list...)
	servers, obstacles := compareServers(b, states(a))
	c.Servers += servers
	if len(obstacles) == 0 {
		c.Lines += lines
		c.Runtime = append(append(c.Runtime, slots...), members...)
		return
	}
	c.Reload = append(c.Reload, slots...)
	c.Reload = append(c.Reload, members...)
	for _, reason := range obstacles { // the reasons about members are more precise
		if !slices.ContainsFunc(members, func(r Reason) bool { return r.What == reason.What }) {
			c.Reload = append(c.Reload, reason)
		}
	}
}

// compareServers counts the servers of p that change without a reload, and lists the
// reasons why others need one.
func compareServers(p lb.ResolvedBackend, now []lb.ServerState) (changes int, obstacles []Reason) {
	reload := reasons{object: p.ID()}
	eachDifference(p, now, &reload, func(difference) { changes++ })
	return changes, reload.merged()
}

// A difference is a server that has to change, and can without a reload.
type difference struct {
	want lb.Server
	is   lb.ServerState
	op   lb.ServerOp // without the backend
	adds bool        // a line for the server; is and op are zero
}

// eachDifference calls a function for each difference between the servers of p and those
// that HAProxy has. It adds the reasons why other servers need a reload.
func eachDifference(p lb.ResolvedBackend, now []lb.ServerState, reload *reasons, do func(difference)) {
	index := serverIndex{servers: now}
	for i, want := range p.Servers() {
		is, ok := index.find(i, want.Name)
		if !ok && index.takes(p, want) {
			do(difference{want: want, adds: true})
			continue
		}
		if !ok {
			reload.add(missing(want))
			continue
		}
		op := operation(want, is)
		if isNothing(op) {
			continue
		}
		if what, detail := obstacle(p, op, want, is); what != "" {
			reload.add(what, detail)
		} else {
			do(difference{want: want, is: is, op: op})
		}
	}
}

// compareMembers says in words which members and weights differ.
func compareMembers(a, b lb.ResolvedBackend) []Reason {
	r := reasons{object: b.ID()}
	members, weights := listChanged(texts(a.Members, address), texts(b.Members, address)), weightsChanged(a.Members, b.Members)
	r.add("members", members)
	r.add("weight", weights)
	r.add("state", statesChanged(a.Members, b.Members))
	r.add("tls", ownTLSChanged(a.Members, b.Members))
	if len(members) > 0 || len(weights) > 0 {
		r.add("version", changed(origin(a, b), origin(b, a)))
	}
	return r.list
}

// serverOptions are the options that all servers of p have, without those that can change while
// HAProxy runs.
func serverOptions(c lb.Config, p lb.ResolvedBackend) string {
	return strings.Join(c.ServerOptions(p.Backend, plainWord, false), " ")
}

// healthText describes p's check. Only server lines contain the interval, so it counts only
// where p and the other backend both have servers.
func healthText(p, other lb.ResolvedBackend) string {
	text := ""
	if h := p.Health; h != nil {
		text = h.Method + " " + h.URI + " " + h.Version
	}
	if len(p.Servers()) == 0 || len(other.Servers()) == 0 || p.CheckInterval() == other.CheckInterval() {
		return text
	}
	if text == "" {
		text = "connect"
	}
	return text + " every " + p.CheckInterval().String()
}

// sentHost is the Host header that members receive in requests or checks.
func sentHost(p lb.ResolvedBackend) string {
	if p.Mode == "http" || p.Health != nil {
		return p.Host
	}
	return ""
}

func address(m lb.Member) string {
	if m.Named != "" { // the line is called by its name
		return m.Address.String() + " (" + string(m.Named) + ")"
	}
	return m.Address.String()
}

// weightsChanged compares the weights of the members that both have.
func weightsChanged(a, b []lb.Member) []string {
	before := map[lb.HostPort]int{}
	for _, m := range a {
		before[m.Address] = m.Weight
	}
	var detail []string
	for _, m := range b {
		if old, ok := before[m.Address]; ok && old != m.Weight {
			detail = append(detail, address(m)+" weight "+strconv.Itoa(old)+" → "+strconv.Itoa(m.Weight))
		}
	}
	return detail
}

// statesChanged compares which members are in maintenance; a new member counts as one that was
// ready before.
func statesChanged(a, b []lb.Member) []string {
	inMaintenance := map[lb.HostPort]bool{}
	for _, m := range a {
		inMaintenance[m.Address] = m.Maintenance
	}
	var detail []string
	for _, m := range b {
		for _, d := range changed(stateText(inMaintenance[m.Address]), stateText(m.Maintenance)) {
			detail = append(detail, address(m)+" "+d)
		}
	}
	return detail
}

// ownTLSChanged compares what the members that both have say about TLS.
func ownTLSChanged(a, b []lb.Member) []string {
	before := map[lb.HostPort]lb.OwnTLS{}
	for _, m := range a {
		before[m.Address] = m.TLS
	}
	var detail []string
	for _, m := range b {
		if old, ok := before[m.Address]; ok {
			for _, d := range changed(old.String(), m.TLS.String()) {
				detail = append(detail, address(m)+" "+d)
			}
		}
	}
	return detail
}

func stateText(isInMaintenance bool) string {
	if isInMaintenance {
		return lb.StateMaint
	}
	return lb.StateReady
}

// origin is where p's members come from: the versions, with the service when the
// other backend's is another one.
func origin(p, other lb.ResolvedBackend) string {
	switch {
	case p.Type != "dynamic":
		return "static"
	case p.Service == other.Service:
		return p.Selection()
	}
	return string(p.Service) + " " + p.Selection()
}
