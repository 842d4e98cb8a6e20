package failover

import (
	"slices"
	"strings"
	"time"

	"thalassa/cluster"
)

// A Case is what was recorded of an incident or a move.
type Case struct {
	ID string // the transition that is asked about
	// Run are the transitions that belong together, the earliest first, with their decisions;
	// at least one.
	Run []cluster.Transition
	// Before is the transition before them; its zero value: none is known.
	Before cluster.Transition
	// Lost are the nodes that the cluster lost with transitions of the run, in their order.
	Lost []Loss
	// Results are of operations that the run and the input after it have, also of earlier
	// ones.
	Results []cluster.OperationResult
	// After is the time of the transition after the run, whose input has results of it; zero:
	// there is none yet.
	After time.Time
	// Live: there is no transition after the run yet; After is now, and the last results are those that
	// the cluster has.
	Live     bool
	Settings Settings
	Totem    Totem
	Jobs     []cluster.Job // that made the run's changes
	Log      cluster.Logged
	// Events are what the agent of this node has noted about HAProxy.
	Events []Source
}

// A Loss is a node that was there in the input before a transition, is not in that of the
// transition, and was not asked to leave.
type Loss struct{ Node, Transition string }

// Settings are what a CIB says about how long a failover takes.
type Settings struct {
	Addresses []string // resources that are addresses
	HAProxy   []string // resources that run HAProxy
	Nodes     int      // members of the cluster
	// TransitionDelay is that option.
	TransitionDelay time.Duration
	// Orders are the mandatory ones between primitives: those of constraints, and of groups.
	Orders []Order
}

// Totem is what corosync.conf says now.
type Totem struct {
	// Base is the token timeout without what is added for nodes beyond two; not positive: it
	// is not set, or not known.
	Base time.Duration
}

// An Order lets a primitive start only after another one has.
type Order struct {
	ID          string // of the constraint, or of the group
	First, Then string
	Group       bool
}

// What belongs together: transitions that follow each other within a pause, or, after a
// decision to fence, within the time that this may take. A run has a bounded length.
const (
	pause     = 10 * time.Second
	fenceTime = 5 * time.Minute
	longest   = 30
)

// RunOf chooses from transitions, the earliest first, those that belong together with the
// one at a place: indexes from, included, and to, excluded. Between them may be some that
// decided nothing, but these link no others. What another job changed begins a run of its own.
func RunOf(list []cluster.Transition, place int) (from, to int) {
	from, to = place, place+1
	for i, last := place+1, place; i < len(list) && i-place < longest-longest/3 && !beginsAnew(list, i) && follows(list[last], list[i]); i++ {
		switch {
		case matters(list[i]):
			last, to = i, i+1
		case list[i].Time.Sub(list[last].Time) <= pause: // it may have results
			to = i + 1
		}
	}
	for i, first := place-1, place; i >= 0 && to-i <= longest && !beginsAnew(list, i+1); i-- {
		if !matters(list[i]) {
			continue
		}
		if !follows(list[i], list[first]) {
			break
		}
		from, first = i, i
	}
	return from, to
}

// matters reports whether a transition did something, or may have: attributes of nodes make the
// scheduler run as well.
func matters(t cluster.Transition) bool { return !t.Known || len(t.Jobs) > 0 || Interesting(t) }

// beginsAnew reports whether a job led to a transition, and to none of the last ones before.
func beginsAnew(list []cluster.Transition, place int) bool {
	jobs := list[place].Jobs
	return len(jobs) > 0 && !slices.ContainsFunc(list[max(0, place-longest):place], func(t cluster.Transition) bool {
		return slices.ContainsFunc(t.Jobs, func(id string) bool { return slices.Contains(jobs, id) })
	})
}

func follows(before, after cluster.Transition) bool {
	wait := pause
	if Fenced(before) != "" {
		wait = fenceTime
	}
	return after.Time.Sub(before.Time) <= wait
}

// aboutOne is the case without the transitions of other losses than the one that is asked about:
// its own, or the last one before. What somebody had moved before the first loss is another story.
func (c Case) aboutOne() Case {
	indexOf := func(id string) int {
		return slices.IndexFunc(c.Run, func(t cluster.Transition) bool { return t.ID == id })
	}
	place, from, to := indexOf(c.ID), 0, len(c.Run)
	for i, l := range c.Lost {
		switch at := indexOf(l.Transition); {
		case i == 0 && !c.isApart(l, at), i > 0 && l.Transition == c.Lost[i-1].Transition: // what led to the first belongs to it
		case at <= place:
			from = at
		default:
			to = min(to, at)
		}
	}
	if from > 0 {
		c.Before = c.Run[from-1]
	}
	if to < len(c.Run) {
		c.After, c.Live = c.Run[to].Time, false
	}
	c.Run = c.Run[from:to]
	c.Lost = slices.DeleteFunc(slices.Clone(c.Lost), func(l Loss) bool { return indexOf(l.Transition) < 0 })
	return c
}

// isApart reports whether a loss, with the transition at a place, has nothing to do with what the run
// began with: somebody had something moved, and no transition before decided to fence the node.
func (c Case) isApart(l Loss, at int) bool {
	if at <= 0 {
		return false
	}
	asked := func(t cluster.Transition) bool { return Interesting(t) && (len(t.Jobs) > 0 || t.Change != nil) }
	led := func(t cluster.Transition) bool { return Fenced(t) == l.Node }
	return slices.ContainsFunc(c.Run[:at], asked) && !slices.ContainsFunc(c.Run[:at], led)
}

// Fenced is the node that a transition decided to fence; empty: none.
func Fenced(t cluster.Transition) string {
	for _, d := range t.Decisions {
		if strings.HasPrefix(strings.ToLower(d.Action), "fence") {
			return d.Node
		}
	}
	return ""
}

// moves reports whether a decision moves, starts or stops something.
func moves(d cluster.Consequence) bool {
	return d.Resource != "" && slices.Contains([]string{"move", "migrate", "start", "stop", "restart", "recover", "promote", "demote"}, d.Action)
}

// Interesting reports whether there is something to explain about a transition: it fences,
// moves or recovers.
func Interesting(t cluster.Transition) bool {
	return Fenced(t) != "" || slices.ContainsFunc(t.Decisions, moves)
}

// primitive is the name of a resource without the number of its instance.
func primitive(resource string) string {
	name, _, _ := strings.Cut(resource, ":")
	return name
}

func (c Case) isAddress(resource string) bool {
	return slices.Contains(c.Settings.Addresses, primitive(resource))
}

func (c Case) isHAProxy(resource string) bool {
	return slices.Contains(c.Settings.HAProxy, primitive(resource))
}

// first and last are those transitions of the run.
func (c Case) first() cluster.Transition { return c.Run[0] }
func (c Case) last() cluster.Transition  { return c.Run[len(c.Run)-1] }
