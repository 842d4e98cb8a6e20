package failover

import (
	"fmt"
	"time"

	"thalassa/cluster"
)

// Limits from which something is worth an advice.
const (
	slowToken    = 1200 * time.Millisecond
	slowAgree    = 500 * time.Millisecond
	slowStart    = 2 * time.Second
	slowFence    = 2 * time.Second
	slowOrder    = 200 * time.Millisecond
	slowQueue    = 500 * time.Millisecond
	slowCheck    = time.Second
	slowInterval = 5 * time.Second
)

// advice are the rules that the case meets.
func (s *story) advice() []Advice {
	var out []Advice
	add := func(rule string, cost time.Duration, atMost bool, format string, args ...any) {
		out = append(out, Advice{rule, cost.Milliseconds(), atMost, fmt.Sprintf(format, args...)})
	}
	s.ofCorosync(add)
	s.ofPacemaker(add)
	s.ofOperations(add)
	s.ofOrders(add)
	return out
}

type adder func(rule string, cost time.Duration, atMost bool, format string, args ...any)

// ofCorosync is about the timeouts that corosync has logged.
func (s *story) ofCorosync(add adder) {
	if s.token == nil {
		return
	}
	token, consensus := s.token.ms(1), s.token.ms(2)
	base := token
	if s.Totem.Base > 0 && s.Totem.Base < token && s.Settings.Nodes > 2 {
		base = s.Totem.Base
		add("token_coefficient", token-base, false, "corosync adds token_coefficient for every node beyond two: %s to the token of %s. With token_coefficient: 0 the loss is noticed earlier.", token-base, base)
	}
	if base > slowToken {
		add("token", base, false, "The loss of a node is noticed when its token timeout is over: %s. With token: 1000 it takes 1 s.", base)
	}
	if p := s.phase(PhaseMembership); p != nil && p.Recorded {
		if cost := min(consensus, time.Duration(p.Took.MaxMS)*time.Millisecond); cost >= slowAgree {
			add("consensus", cost, false, "The other nodes wait for consensus, at most %s. It is 1.2 times the token timeout unless it is set.", consensus)
		}
	}
}

// phase is the first of a name; nil: there is none.
func (s *story) phase(name string) *Phase {
	for i := range s.Phases {
		if s.Phases[i].Name == name {
			return &s.Phases[i]
		}
	}
	return nil
}

// ofPacemaker is about delays of Pacemaker, and fencing.
func (s *story) ofPacemaker(add adder) {
	if delay := s.Settings.TransitionDelay; delay > 0 && s.Kind != KindOther {
		cost := delay
		if i := s.place(PhaseScheduler); i > 0 {
			if gap := span(s.Phases[i-1].End, s.Phases[i].Begin); gap.MaxMS >= 0 {
				cost = min(delay, time.Duration(gap.MaxMS)*time.Millisecond)
			}
		}
		add("transition-delay", cost, cost < delay, "The option transition-delay is %s: the scheduler waits that long after each event. 0 is the default.", delay)
	}
	if p := s.phase(PhaseFencing); p != nil && p.Recorded {
		if cost := time.Duration(p.Took.MinMS) * time.Millisecond; cost >= slowFence {
			add("fencing", cost, false, "Fencing %s took %s, and its resources start after that. Look at the fence device, its delays (pcmk_delay_base, pcmk_delay_max) and levels that fail first.", p.Node, cost)
		}
	}
	for _, l := range s.lines(resultMissing, s.at.Time, s.last().Time.Add(fenceTime)) {
		add("cluster-delay", l.ms(3), false, "%s did not send the result of %s: the DC waited for the timeout of the action and for cluster-delay.", l.parts[1], l.parts[2])
	}
	if s.Kind == KindFailure && s.failed.IntervalMS > 0 {
		if every := time.Duration(s.failed.IntervalMS) * time.Millisecond; every >= slowInterval {
			add("monitor-interval", every, true, "%s is checked every %s, so it may have been broken that long before anybody noticed.", s.failed.Resource, every)
		}
	}
}

// place is that of a phase; -1: there is none.
func (s *story) place(name string) int {
	for i, p := range s.Phases {
		if p.Name == name {
			return i
		}
	}
	return -1
}

// ofOperations is about operations that were slow, timed out, or began late.
func (s *story) ofOperations(add adder) {
	if s.Kind == KindOther {
		return
	}
	const timedOut = 2
	list := s.since(s.at.Time)
	if s.Kind == KindFailure {
		list = append([]cluster.OperationResult{s.failed}, list...)
	}
	seen := map[string]bool{}
	for _, o := range list {
		ours := s.isAddress(o.Resource) || s.isHAProxy(o.Resource)
		queued := time.Duration(o.QueuedMS) * time.Millisecond
		switch {
		case seen[o.Key()]:
			continue
		case o.Status == timedOut:
			add(o.Name+"-timeout", took(o), false, "The %s of %s on %s timed out after %s.", o.Name, o.Resource, o.Node, took(o))
		case o.Name == "start" && ours && took(o) >= slowStart:
			add("slow-start", took(o), false, "The start of %s on %s took %s.", o.Resource, o.Node, took(o))
		}
		if ours && queued >= slowQueue {
			add("queue", queued, false, "The %s of %s on %s waited %s for its turn: the node was busy, or batch-limit or node-action-limit is low.", o.Name, o.Resource, o.Node, queued)
		}
		seen[o.Key()] = true
	}
	s.ofChecks(list, add)
}

// ofChecks is about first monitors that began late after the start.
func (s *story) ofChecks(list []cluster.OperationResult, add adder) {
	for _, start := range list {
		if start.Name != "start" || start.Failed || !s.isHAProxy(start.Resource) {
			continue
		}
		for _, o := range list {
			if o.Name != "monitor" || o.IntervalMS == 0 || o.Node != start.Node || primitive(o.Resource) != primitive(start.Resource) {
				continue
			}
			var unused Phase
			_, begun := s.ran(start, &unused)
			checked, _ := s.ran(o, &unused)
			if gap := time.Duration(span(begun, checked).MinMS) * time.Millisecond; gap >= slowCheck {
				add("late-check", gap, false, "The first check of %s on %s began %s after its start had ended: the operation has a start-delay, or the node was busy.", o.Resource, o.Node, gap)
			}
			break
		}
	}
}

// ofOrders is about starts that waited for others.
func (s *story) ofOrders(add adder) {
	starts := map[string]cluster.OperationResult{}
	for _, o := range s.since(s.at.Time) {
		if _, known := starts[primitive(o.Resource)]; !known && o.Name == "start" && !o.Failed {
			starts[primitive(o.Resource)] = o
		}
	}
	for _, order := range s.Settings.Orders {
		first, ok := starts[order.First]
		then, also := starts[order.Then]
		if !ok || !also || !s.isAddress(order.Then) && !s.isHAProxy(order.Then) {
			continue
		}
		// It waited only if it began no earlier than the other one ended.
		cost := took(first)
		if cost < slowOrder || ranFrom(then).Latest.Before(ranTo(first).Earliest) {
			continue
		}
		what := "The mandatory order " + order.ID
		if order.Group {
			what = "The group " + order.ID
		}
		add("order", cost, false, "%s let %s wait for the start of %s, which took %s. A clone of %s that runs everywhere has started before.", what, order.Then, order.First, cost, order.First)
	}
}
