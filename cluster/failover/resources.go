package failover

import (
	"slices"

	"thalassa/cluster"
)

// resources are the phases of addresses and HAProxy, by time.
func (s *story) resources() []Phase {
	var out []Phase
	var arrival *Phase // of the address that arrived last
	for _, o := range s.since(s.at.Time) {
		name := map[string]string{"start": PhaseAddress, "migrate_from": PhaseAddress, "stop": PhaseStop}[o.Name]
		if name == "" || !s.isAddress(o.Resource) || name == PhaseStop && s.Kind == KindLoss && o.Node == s.Node {
			continue
		}
		p := Phase{Name: name, Node: o.Node, Resource: o.Resource, Recorded: true, Sources: []Source{ofOperation(o)}}
		p.Begin, p.End = s.ran(o, &p)
		out = append(out, p)
		if name == PhaseAddress && !o.Failed {
			arrival = &out[len(out)-1]
		}
	}
	if p := s.haproxy(arrival); p != nil {
		out = append(out, *p)
	}
	slices.SortStableFunc(out, func(a, b Phase) int { return a.Begin.Earliest.Compare(b.Begin.Earliest) })
	return out
}

// haproxy is until the first good monitor of HAProxy on the node of an address; nil: there is
// none, which is noted.
func (s *story) haproxy(arrival *Phase) *Phase {
	node := s.Node
	if arrival != nil {
		node = arrival.Node
	} else if s.Kind != KindFailure || !s.isHAProxy(s.failed.Resource) {
		return nil
	}
	var start, good *cluster.OperationResult
	for _, o := range s.since(s.at.Time) {
		if !s.isHAProxy(o.Resource) || o.Node != node || o.Failed {
			continue
		}
		switch {
		case o.Name == "start" && start == nil:
			start = &o
		case o.Name == "monitor" && o.IntervalMS > 0 && good == nil:
			good = &o
		}
	}
	p := &Phase{Name: PhaseHAProxy, Node: node}
	switch {
	case good != nil:
		p.Resource, p.Recorded, p.Sources = good.Resource, true, []Source{ofOperation(*good)}
		p.Begin, p.End = s.ran(*good, p)
	case s.noted(p):
	case start != nil:
		p.Resource, p.Sources = start.Resource, []Source{ofOperation(*start)}
		p.Begin, p.End = s.ran(*start, p)
		s.Notes = append(s.Notes, "Nobody recorded the first good monitor of HAProxy on "+node+": its start is shown.")
		return p
	default:
		s.ranBefore(node)
		return nil
	}
	switch {
	case start != nil:
		begin := Phase{}
		p.Begin, _ = s.ran(*start, &begin)
		p.Sources = append([]Source{ofOperation(*start)}, p.Sources...)
	case arrival != nil && arrival.End.Earliest.Before(p.End.Latest):
		p.Begin = arrival.End
	}
	return p
}

// noted takes the end of the phase from what the agent of this node has noted of HAProxy.
func (s *story) noted(p *Phase) bool {
	if p.Node != s.Log.Node {
		return false
	}
	for _, e := range s.Events {
		if !e.Time.Before(s.at.Time) && (s.After.IsZero() || !e.Time.After(s.After)) {
			p.End, p.Sources, p.Recorded = exactly(e.Time), []Source{e}, true
			p.Begin = p.End
			return true
		}
	}
	return false
}

// ranBefore notes that HAProxy ran on a node before, or that nobody knows.
func (s *story) ranBefore(node string) {
	for _, o := range s.Results {
		if s.isHAProxy(o.Resource) && o.Node == node && o.Name == "monitor" && o.Code == 0 && o.Time.Before(s.at.Time) {
			s.Notes = append(s.Notes, "HAProxy ran on "+node+" before, so the address did not wait for it.")
			return
		}
	}
	if len(s.Settings.HAProxy) > 0 {
		s.Notes = append(s.Notes, "Nobody recorded when HAProxy was good on "+node+".")
	}
}
