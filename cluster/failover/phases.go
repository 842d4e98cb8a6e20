package failover

import (
	"strings"
	"time"

	"thalassa/cluster"
)

// loss are the phases until the cluster knows that a node is lost, and has a DC.
func (s *story) loss() []*Phase {
	from, to := s.at.Time.Add(-beforeInput), s.at.Time.Add(time.Second)
	detection := &Phase{Name: PhaseDetection, Node: s.Node}
	membership := &Phase{Name: PhaseMembership, Node: s.Node}
	if s.Before.ID != "" {
		detection.Sources = append(detection.Sources, ofTransition(s.Before))
	}
	if l := lastOf(s.lines(memberLeft, from, to)); l != nil {
		membership.End, to = exactly(l.Time), l.Time
		membership.Sources = append(membership.Sources, l.source())
	} else if l, ok := s.lineOf(stateOfNode, from, to, s.Node, "lost"); ok {
		membership.End = Instant{Latest: l.Time}
		membership.Sources = append(membership.Sources, l.source())
	} else {
		membership.End = Instant{Latest: s.at.Time.Add(time.Second)}
		membership.Sources = append(membership.Sources, ofTransition(s.at))
	}
	// Only the node that notices first says so. What was noticed before another membership was formed
	// belongs to that one.
	if l := lastOf(s.lines(memberFormed, from, to.Add(-time.Millisecond))); l != nil {
		from = l.Time
	}
	if l := lastOf(s.lines(tokenTimedOut, from, to)); l != nil {
		s.token = l
		seen := l.Time.Add(-l.ms(1))
		detection.Begin, detection.End = Instant{seen, seen.Add(held(l.ms(1)))}, exactly(l.Time)
		detection.Recorded = true
	} else if l := lastOf(s.lines(processorLost, from, to)); l != nil {
		detection.End = exactly(l.Time)
		detection.Sources = append(detection.Sources, l.source())
	}
	if s.token != nil {
		detection.Sources = []Source{s.token.source()}
		membership.Sources = append([]Source{s.token.source()}, membership.Sources...)
	}
	membership.Begin = detection.End
	membership.Recorded = membership.Begin.Known() && membership.End.Known()
	phases := []*Phase{detection, membership}
	if p := s.election(membership.End); p != nil {
		phases = append(phases, p)
	}
	return phases
}

// held is how long an idle ring keeps the token at one node: so long after the token came by, the node
// that passed it on may still have been there. It is corosync's default of totem.hold (totemconfig.c),
// from that of four retransmissions before a loss.
func held(token time.Duration) time.Duration {
	return max(0, time.Duration(float64(token)/4.2*0.8)-10*time.Millisecond)
}

// lastOf is the last of some lines; nil: there is none.
func lastOf(list []line) *line {
	if len(list) == 0 {
		return nil
	}
	return &list[len(list)-1]
}

// election is that of a DC after a membership; nil: the DC stayed.
func (s *story) election(formed Instant) *Phase {
	p := &Phase{Name: PhaseElection, Node: s.at.DC}
	from := formed.Earliest
	if from.IsZero() {
		from = s.at.Time.Add(-beforeInput)
	}
	for _, l := range s.lines(stateOfDC, from, s.at.Time.Add(time.Second)) {
		switch {
		case l.parts[2] == "S_ELECTION" && p.Begin.Earliest.IsZero():
			p.Begin = exactly(l.Time)
		case l.parts[2] == "S_POLICY_ENGINE" && !p.Begin.Earliest.IsZero():
			p.End = exactly(l.Time)
		case p.Begin.Earliest.IsZero():
			continue
		}
		p.Sources = append(p.Sources, l.source())
	}
	if p.Begin.Earliest.IsZero() && (s.Before.ID == "" || s.Before.DC == s.at.DC) {
		if s.Before.ID != "" && s.at.DC != "" {
			s.Notes = append(s.Notes, "There was no election: "+s.at.DC+" stayed the DC.")
		}
		return nil
	}
	if len(p.Sources) == 0 {
		p.Sources = []Source{ofTransition(s.Before), ofTransition(s.at)}
	}
	p.Recorded = p.Begin.Known() && p.End.Known()
	return p
}

// failure is from the last good check of a resource until the failure was known.
func (s *story) failure() *Phase {
	o := s.failed
	p := &Phase{Name: PhaseDetection, Node: o.Node, Resource: o.Resource, Sources: []Source{ofOperation(o)}, Recorded: true}
	p.Begin, p.End = s.ran(o, p)
	if o.IntervalMS > 0 { // it broke at some time since the check before
		p.Begin = Instant{p.Begin.Earliest.Add(-time.Duration(o.IntervalMS) * time.Millisecond), p.End.Latest}
	}
	return p
}

// request is from the request of a move until the scheduler began, which the caller adds.
func (s *story) request() []*Phase {
	p := &Phase{Name: PhaseRequest, Recorded: true}
	for _, j := range s.Jobs {
		if !j.Begun.After(s.at.Time.Add(time.Second)) && (p.Begin.Earliest.IsZero() || j.Begun.Before(p.Begin.Earliest)) {
			p.Begin = exactly(j.Begun)
			p.Sources = []Source{{"job", j.Begun, j.Node, shortened(strings.TrimSpace(j.Author + ": " + j.Kind + " " + j.Object))}}
		}
	}
	c := s.at.Change
	if p.Begin.Earliest.IsZero() && s.at.Versions > 0 && c != nil && c.Time.After(s.at.Time.Add(-beforeInput)) && !c.Time.After(s.at.Time.Add(time.Second)) {
		p.Begin = second(c.Time)
		p.Sources = []Source{{"change", c.Time, c.Node, shortened(c.User + " with " + c.Client)}}
	}
	if p.Begin.Earliest.IsZero() {
		s.Notes = append(s.Notes, "Nobody recorded who asked for the move, or when.")
		return nil
	}
	return []*Phase{p}
}

// scheduler is the run of the scheduler.
func (s *story) scheduler() *Phase {
	p := &Phase{Name: PhaseScheduler, Node: s.at.DC, Begin: second(s.at.Time)}
	until := s.at.Time.Add(beforeInput)
	name := strings.TrimSuffix(s.at.File, ".bz2")
	if l, ok := s.lineOf(calculated, s.at.Time, until, name); ok {
		p.End, until = exactly(l.Time), l.Time
		p.Sources = []Source{l.source()}
	}
	for _, l := range s.lines(stateOfDC, s.at.Time.Add(-time.Second), until) {
		if l.parts[2] == "S_POLICY_ENGINE" && !l.Time.After(s.at.Time.Add(2*time.Second)) && p.End.Known() {
			p.Begin, p.Recorded = exactly(l.Time), true
			p.Sources = []Source{l.source(), p.Sources[len(p.Sources)-1]}
		}
	}
	if len(p.Sources) == 0 {
		p.Sources = []Source{ofTransition(s.at)}
	}
	return p
}

// fencing is that of the node; nil: nobody decided to fence one.
func (s *story) fencing() *Phase {
	var by cluster.Transition
	for _, t := range s.Run {
		if node := Fenced(t); node != "" && (node == s.Node || s.Kind != KindLoss) {
			by = t
			break
		}
	}
	node := Fenced(by)
	if node == "" {
		if s.Kind == KindLoss {
			s.Notes = append(s.Notes, "Nobody decided to fence "+s.Node+".")
		}
		return nil
	}
	p := &Phase{Name: PhaseFencing, Node: node, Sources: []Source{ofTransition(by)}}
	until := by.Time.Add(fenceTime)
	for _, l := range s.lines(fenceAsked, by.Time, until) {
		if l.parts[2] == node {
			p.Begin, p.Sources = exactly(l.Time), append(p.Sources, l.source())
			break
		}
	}
	end, ok := s.lineOf(peerFenced, by.Time, until, node)
	if !ok {
		end, ok = s.lineOf(actionOn, by.Time, until, node)
	}
	if ok {
		p.End, p.Sources = exactly(end.Time), append(p.Sources, end.source())
	}
	p.Recorded = p.Begin.Known() && p.End.Known()
	return p
}

// ran is when an operation began and ended: as a log says, or as Pacemaker keeps it. Lines
// that say so are added to the sources of a phase.
func (s *story) ran(o cluster.OperationResult, p *Phase) (begin, end Instant) {
	begin, end = ranFrom(o), ranTo(o)
	for _, l := range s.Case.lines(resultOf, begin.Earliest.Add(-time.Second), end.Latest.Add(time.Second)) {
		if l.parts[1] == o.Name && primitive(l.parts[2]) == primitive(o.Resource) && l.parts[3] == o.Node {
			end = exactly(l.Time)
			begin = end.plus(-took(o))
			p.Sources = append(p.Sources, l.source())
			break
		}
	}
	for _, l := range s.lines(initiated, begin.Earliest.Add(-2*time.Second), end.Latest) {
		if l.parts[1] == o.Name && l.parts[3] == o.Node && strings.HasPrefix(l.parts[2], primitive(o.Resource)+"_") {
			begin = exactly(l.Time)
			p.Sources = append(p.Sources, l.source())
			break
		}
	}
	// What began later than to the second ended later, too, unless clocks differ.
	if least := begin.Earliest.Add(took(o)); least.After(end.Earliest) && !least.After(end.Latest) {
		end.Earliest = least
	}
	return begin, end
}
