package failover

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"thalassa/cluster"
)

const (
	// beforeInput is how long before a transition is looked for what led to it.
	beforeInput = time.Minute
	// maxPhases and maxSources bound an explanation.
	maxPhases, maxSources = 40, 10
)

// Explain says what became of a case.
func Explain(c Case) Explanation {
	c = c.aboutOne()
	for i := range c.Log.Lines { // a line without a node is of the node that the log is of
		c.Log.Lines[i].Node = cmp.Or(c.Log.Lines[i].Node, c.Log.Node)
	}
	e := Explanation{
		Transition: c.ID, Phases: []Phase{}, Notes: []string{}, Advice: []Advice{},
		LogNode: c.Log.Node, LogNodes: c.Log.Nodes(), LogSources: c.Log.Sources, Missing: c.Log.Missing,
	}
	if e.LogSources == nil {
		e.LogSources = []cluster.LogSource{}
	}
	if e.Missing == nil {
		e.Missing = []string{}
	}
	for _, t := range c.Run {
		e.Transitions = append(e.Transitions, t.ID)
	}
	s := story{Case: c, Explanation: &e}
	s.find()
	s.tell()
	e.Phases = e.Phases[:min(len(e.Phases), maxPhases)]
	for i := range e.Phases {
		p := &e.Phases[i]
		p.Took = span(p.Begin, p.End)
		p.Sources = slices.Clone(p.Sources[:min(len(p.Sources), maxSources)])
		if p.Sources == nil {
			p.Sources = []Source{}
		}
	}
	e.Total = s.total()
	e.Summary = s.summary()
	e.Advice = append(e.Advice, s.advice()...)
	slices.SortStableFunc(e.Advice, func(a, b Advice) int { return cmp.Compare(b.CostMS, a.CostMS) })
	s.lacks()
	return e
}

// A story is a case while it is explained.
type story struct {
	Case
	*Explanation

	at     cluster.Transition      // that began it
	failed cluster.OperationResult // of KindFailure
	token  *line                   // by which corosync noticed, with the timeouts; nil: none
}

// find says what kind of case it is, and with which transition it began.
func (s *story) find() {
	s.at, s.Kind = s.first(), KindOther
	if len(s.Lost) > 0 {
		s.Kind, s.Node = KindLoss, s.Lost[0].Node
		s.begin(func(t cluster.Transition) bool { return t.ID == s.Lost[0].Transition })
		return
	}
	for _, o := range s.since(s.first().Time.Add(-beforeInput)) {
		if o.Failed && !o.Time.After(s.last().Time) && s.isNews(o) {
			s.Kind, s.failed, s.Node = KindFailure, o, o.Node
			break
		}
	}
	s.begin(Interesting)
	if s.Kind != KindOther {
		return
	}
	if node := Fenced(s.at); node != "" {
		s.Kind, s.Node = KindLoss, node
		return
	}
	if i := slices.IndexFunc(s.at.Decisions, moves); i >= 0 {
		s.Kind = KindMove
		d := s.at.Decisions[i]
		if s.Node = d.From; s.Node == "" && d.Action != "start" {
			s.Node = d.Node
		}
	}
}

// begin lets the story begin with the first transition of the run that is chosen.
func (s *story) begin(chosen func(cluster.Transition) bool) {
	if i := slices.IndexFunc(s.Run, chosen); i >= 0 {
		s.at = s.Run[i]
		if i > 0 {
			s.Before = s.Run[i-1]
		}
	}
}

// isNews reports whether the run is the first to have a result.
func (s *story) isNews(o cluster.OperationResult) bool {
	return slices.ContainsFunc(s.Run, func(t cluster.Transition) bool {
		return slices.ContainsFunc(t.Operations, func(n cluster.OperationResult) bool { return n.Key() == o.Key() })
	})
}

// since are the results since a time, the earliest first, each once.
func (s *story) since(from time.Time) []cluster.OperationResult {
	var out []cluster.OperationResult
	seen := map[string]bool{}
	for _, o := range s.Results {
		if !o.Time.Before(from) && !seen[o.Key()] && (s.After.IsZero() || !o.Time.After(s.After)) && o.Time.Sub(s.last().Time) <= fenceTime {
			seen[o.Key()] = true
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b cluster.OperationResult) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Call, b.Call))
	})
	return out
}

// tell makes the phases.
func (s *story) tell() {
	if s.Kind == KindOther {
		return
	}
	var core []*Phase
	switch s.Kind {
	case KindLoss:
		core = append(core, s.loss()...)
	case KindFailure:
		core = append(core, s.failure())
	default:
		core = append(core, s.request()...)
	}
	scheduler := s.scheduler()
	if s.Kind == KindMove && len(core) > 0 { // it lasts until the scheduler begins
		core[0].End = scheduler.Begin
	}
	core = append(core, scheduler)
	if p := s.fencing(); p != nil {
		core = append(core, p)
	}
	resources := s.resources()
	// What is not known of the core lies between what is known of it.
	var order []*Instant
	if s.Before.ID != "" {
		order = append(order, &Instant{s.Before.Time, s.Before.Time.Add(time.Second)})
	}
	for _, p := range core {
		order = append(order, &p.Begin, &p.End)
	}
	if len(resources) > 0 {
		first := resources[0].Begin
		order = append(order, &first)
	} else if !s.After.IsZero() {
		after := second(s.After)
		order = append(order, &after)
	}
	bounded(order)
	for _, p := range core {
		s.Phases = append(s.Phases, *p)
	}
	s.Phases = append(s.Phases, resources...)
}

// total is from the first phase to the end of the last one.
func (s *story) total() Span {
	if len(s.Phases) == 0 {
		return Span{}
	}
	end := Instant{}
	for _, p := range s.Phases {
		if p.End.Earliest.After(end.Earliest) {
			end = p.End
		}
	}
	return span(s.Phases[0].Begin, end)
}

// summary is one sentence.
func (s *story) summary() string {
	var began string
	switch s.Kind {
	case KindOther:
		return "Nothing was lost, failed or moved."
	case KindLoss:
		began = s.Node + " was lost"
	case KindFailure:
		began = "The " + s.failed.Name + " of " + s.failed.Resource + " failed on " + s.Node
		if s.failed.Meaning != "" {
			began += " (" + s.failed.Meaning + ")"
		}
	default:
		began = "Resources were moved"
		if s.Node != "" {
			began += " off " + s.Node
		}
	}
	var came []string
	for _, p := range s.Phases {
		if what := p.Resource + " on " + p.Node; p.Name == PhaseAddress && !slices.Contains(came, what) {
			came = append(came, what)
		}
	}
	if len(came) > 0 {
		began += "; started: " + strings.Join(came, ", ")
	}
	return began + "."
}

// unrecorded are the addresses that were to start on a node, and of which there is no result.
func (s *story) unrecorded() []string {
	var out []string
	for _, t := range s.Run {
		for _, d := range t.Decisions {
			what := d.Resource + " on " + d.Node
			if !s.isAddress(d.Resource) || !moves(d) || d.Action == "stop" || slices.Contains(out, what) {
				continue
			}
			if !slices.ContainsFunc(s.Phases, func(p Phase) bool {
				return p.Name == PhaseAddress && primitive(p.Resource) == primitive(d.Resource) && p.Node == d.Node
			}) {
				out = append(out, what)
			}
		}
	}
	return out
}

// lacks notes what the records lack.
func (s *story) lacks() {
	if s.Kind == KindOther {
		return
	}
	if missing := s.unrecorded(); !s.After.IsZero() && len(missing) > 0 {
		yet := ""
		if s.Live {
			yet = " yet"
		}
		s.Notes = append(s.Notes, "These starts were decided, and Pacemaker has no result of them"+yet+": "+strings.Join(missing, ", ")+".")
	}
	if s.After.IsZero() {
		s.Notes = append(s.Notes, "There is no later transition yet: what was done after the last one is known with the next.")
	}
	if len(s.Log.Lines) == 0 {
		s.Notes = append(s.Notes, "No log has a line of that time: times are those of Pacemaker's records, to the second.")
	} else if s.Log.More {
		s.Notes = append(s.Notes, "The logs have more lines before those that were read.")
	}
	if s.Before.ID == "" {
		s.Notes = append(s.Notes, "No transition before these is known.")
	}
}
