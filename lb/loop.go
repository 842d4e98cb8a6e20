package lb

import (
	"net/netip"
	"slices"
	"strconv"
)

// A loopFinder finds endless loops of requests: a frontend leads by default to a backend with a
// static member that is the address of a frontend, and so on, back to the first. Members from
// Consul are not considered, because they change without an edit.
type loopFinder struct {
	in        Intent
	listeners map[uint16][]boundAt // by port
	ranges    []boundAt
}

// A boundAt is a listener and the frontend that it belongs to.
type boundAt struct {
	listener

	frontend Name
}

// A loopEdge leads requests from a frontend on: its backend's member is what another
// frontend, or itself, listens on.
type loopEdge struct {
	backend Backend
	member  int // its index
	next    Name
}

func newLoopFinder(in Intent) *loopFinder {
	l := &loopFinder{in: in, listeners: map[uint16][]boundAt{}}
	for _, f := range in.SortedFrontends() {
		for _, b := range f.listeners() {
			switch at := (boundAt{b, f.Key}); {
			case b.network != networkTCP || b.scope != "": // of another network, perhaps
			case b.first == b.last:
				l.listeners[b.first] = append(l.listeners[b.first], at)
			default:
				l.ranges = append(l.ranges, at)
			}
		}
	}
	return l
}

// edges are where a frontend leads to by default. A backend with raw lines may change a
// request so that a rule leads it elsewhere the next time.
func (l *loopFinder) edges(frontend Name) []loopEdge {
	f, _ := l.in.Frontends[frontend].resolved()
	b, ok := l.in.Backends[f.Backend]
	if !ok || b.Disabled || len(b.Natives) > 0 && len(f.AllTargets()) > 1 {
		return nil
	}
	var out []loopEdge
	for i, m := range b.Members {
		for _, at := range slices.Concat(l.listeners[m.Port], l.ranges) {
			if !m.Disabled && at.takes(m.HostPort) {
				out = append(out, loopEdge{b, i, at.frontend})
			}
		}
	}
	return out
}

// takes reports whether connections to an address reach the listener for certain: it has
// that address, or all of them and the address is a loopback one.
func (l listener) takes(a HostPort) bool {
	if a.Port < l.first || a.Port > l.last {
		return false
	}
	host := plainHost(string(a.Host))
	address, err := netip.ParseAddr(host)
	isLoopback := err == nil && address.IsLoopback()
	return l.host == host || isLoopback && (l.host == "*" && address.Is4() || l.host == "::" && address.Is6())
}

// from is the first edge of a way from a frontend back to it; false: there is none.
func (l *loopFinder) from(frontend Name) (loopEdge, bool) {
	for _, first := range l.edges(frontend) {
		seen, open := map[Name]bool{}, []Name{first.next}
		for len(open) > 0 {
			next := open[0]
			if open = open[1:]; next == frontend {
				return first, true
			}
			if seen[next] {
				continue
			}
			seen[next] = true
			for _, e := range l.edges(next) {
				open = append(open, e.next)
			}
		}
	}
	return loopEdge{}, false
}

// checkLoops refuses edits that create endless loops of requests, and returns the index of the edit
// that the error is about. Loops that existed before are not reported.
func checkLoops(in Intent, edits []Edit) (int, error) {
	var finder *loopFinder
	for i, e := range edits {
		for _, key := range startsOf(in, e) {
			if finder == nil {
				finder = newLoopFinder(in)
			}
			edge, isLoop := finder.from(key)
			if !isLoop {
				continue
			}
			var fe FieldErrors
			field := "backend"
			if e.Backend != nil {
				field = "members[" + strconv.Itoa(edge.member) + "]"
			}
			address := edge.backend.Members[edge.member].String()
			fe.Add(field, edge.backend.ID()+" would lead requests of "+in.Frontends[key].ID()+" back to it: "+
				in.Frontends[edge.next].ID()+" listens on "+address, "a backend whose members are no frontends that lead back")
			return i, fe.Err()
		}
	}
	return 0, nil
}

// startsOf are the frontends whose requests an edit may send round: the one that it puts,
// or those that lead to the backend by default.
func startsOf(in Intent, e Edit) []Name {
	var out []Name
	switch {
	case e.Frontend != nil:
		if _, isThere := in.Frontends[e.Frontend.Key]; isThere {
			out = append(out, e.Frontend.Key)
		}
	case e.Backend != nil && len(e.Backend.Members) > 0:
		for _, f := range in.SortedFrontends() {
			if f.Backend == e.Backend.Key {
				out = append(out, f.Key)
			}
		}
	}
	return out
}
