package discovery

import (
	"context"
	"time"

	"thalassa/lb"
)

const (
	// probeService is a service that every Consul has and every token should be able
	// to read: Consul itself. While it can be read an empty answer about another
	// service is not for want of a right.
	probeService lb.Name = "consul"
	// lossWindow is how long instances lost one by one count as lost at once.
	lossWindow = 10 * time.Second
	// heldPace spreads the requests for services that hold instances when there
	// are many.
	heldPace = 10 * time.Millisecond
	// retryPace spreads the failing requests after Consul has answered about
	// itself. The first of them to be answered calls all others at once.
	retryPace = 20 * time.Millisecond
	// downLooks times the time until a second look is how long HAProxy has to
	// find a server down without a break until it counts as gone.
	downLooks = 3
)

// A command is what somebody told the Watcher about what it holds.
type command struct {
	accept lb.Name              // take Consul's word for this service
	down   map[lb.HostPort]bool // what HAProxy finds down; nil: it did not say
}

// Down tells which addresses HAProxy's checks find down now, of all the servers
// that it uses. An instance that is held and has been down for a while is let
// go: Consul and HAProxy agree then. To be called about every second while
// anything is held.
func (w *Watcher) Down(addresses []lb.HostPort) {
	down := make(map[lb.HostPort]bool, len(addresses))
	for _, a := range addresses {
		down[a] = true
	}
	w.enqueue(command{down: down})
}

// Accept takes Consul's word for a service that holds instances. It takes
// effect while Run runs; a service that holds nothing is left as it is.
func (w *Watcher) Accept(service lb.Name) { w.enqueue(command{accept: service}) }

func (w *Watcher) enqueue(o command) {
	w.mu.Lock()
	w.commands = append(w.commands, o)
	if len(w.commands) > maxCommands { // nobody runs
		w.commands = w.commands[1:]
	}
	w.mu.Unlock()
	notify(w.wake)
}

const maxCommands = 1000

// runCommands carries the commands out.
func (w *Watcher) runCommands(now time.Time) {
	w.mu.Lock()
	commands := w.commands
	w.commands = nil
	w.mu.Unlock()
	for _, o := range commands {
		if o.accept != "" {
			w.schedule.accept(o.accept, now)
		}
		if o.down != nil {
			w.schedule.observe(o.down, now)
		}
	}
}

// accept lets go of what a service holds.
func (s *schedule) accept(name lb.Name, now time.Time) {
	if svc := s.services[name]; svc != nil && svc.current.Hold != nil {
		s.release(svc, func(lb.Instance) bool { return true }, lb.Accepted, now)
	}
}

// observe lets go of those held instances that HAProxy has found down for long
// enough.
func (s *schedule) observe(down map[lb.HostPort]bool, now time.Time) {
	for _, svc := range s.byName {
		if svc.current.Hold == nil {
			continue
		}
		since := map[lb.HostPort]time.Time{}
		gone := false
		for _, i := range svc.current.Instances {
			if !i.Held || !down[i.Address] {
				continue
			}
			first, known := svc.down[i.Address]
			if !known {
				first = now
			}
			since[i.Address] = first
			gone = gone || s.isDown(first, now)
		}
		svc.down = since
		if gone {
			s.release(svc, func(i lb.Instance) bool {
				first, known := since[i.Address]
				return known && s.isDown(first, now)
			}, "HAProxy's own checks find them down", now)
		}
	}
}

func (s *schedule) isDown(since, now time.Time) bool {
	return now.Sub(since) >= downLooks*s.policy.look
}

func (s *schedule) release(svc *service, gone func(lb.Instance) bool, why string, now time.Time) {
	svc.current = release(svc.current, gone, why)
	s.fresh, s.poke = false, true
	if svc.current.Hold == nil {
		svc.resetCount(len(svc.current.Instances))
		svc.due = now // what Consul says of them now, where it says anything
		s.notes = append(s.notes, note{kind: noteReleased, service: svc.name, reason: why})
	}
}

// evidence is what is known at a moment beside an answer about a service.
func (s *schedule) evidence(svc *service, now time.Time) evidence {
	e := evidence{base: svc.recentMax(now), restarted: now.Before(s.gapsUntil)}
	if h := svc.current.Hold; h != nil {
		e.readable = s.readable.After(h.Since) && now.Sub(s.readable) < 10*s.policy.look
	}
	return e
}

// expectGaps doubts for a while that Consul knows all services: it was away, or has
// another state.
func (s *schedule) expectGaps(now time.Time) { s.gapsUntil = now.Add(s.policy.time) }

// keepCount remembers how many instances there were lately, and tells of the
// beginning and the end of a hold.
func (s *schedule) keepCount(svc *service, before lb.Service, a answer, now time.Time) {
	next := svc.current
	if !a.Streamed && a.present() > 0 {
		s.readable = now
	}
	switch {
	case next.Hold != nil:
		if before.Hold == nil {
			s.notes = append(s.notes, note{kind: noteHeld, service: svc.name, reason: next.Hold.String()})
		}
		// It is asked for again and again, as only an answer to a request that
		// does not block says whether it is complete.
		svc.index, svc.due = 0, now.Add(max(s.policy.look, time.Duration(s.held)*heldPace))
		return
	case before.Hold != nil:
		s.notes = append(s.notes, note{kind: noteReleased, service: svc.name, reason: next.Released})
		svc.resetCount(a.present())
	default:
		svc.setCount(a.present(), now)
	}
	svc.down = nil
}

// assignProbe asks whether anything can be read at all, while something is held
// and while Consul is away: the other requests back off, and the first answer to
// this one calls them back.
func (s *schedule) assignProbe(now time.Time) []task {
	s.held = 0
	for _, svc := range s.byName {
		if svc.current.Hold != nil {
			s.held++
		}
	}
	if !s.needsProbe() || s.fetched == fetchConns || !s.probe.ready(now) {
		return nil
	}
	s.probe.busy = true
	s.fetched++
	return []task{{slot: fetchSlot, query: &s.probe}}
}

func (s *schedule) needsProbe() bool { return s.held > 0 || s.down }

func (s *schedule) applyProbe(r result, now time.Time) {
	s.probe.due = now.Add(s.policy.look/2 + time.Duration(s.random()*float64(s.policy.look/2)))
	if r.err != nil || !r.meta.Leader {
		return
	}
	if r.readable {
		s.readable = now
	}
	s.retryFailed(now, retryPace)
}

// retryFailed asks soon for all that failed in an outage: Consul answers. They are
// spread by pace each, as they may go on failing.
func (s *schedule) retryFailed(now time.Time, pace time.Duration) {
	n := 0
	for q := range s.queries {
		if q.outage {
			n++
		}
	}
	for q := range s.queries {
		if at := now.Add(time.Duration(s.random() * float64(n) * float64(pace))); q.outage && q.due.After(at) {
			q.due = at
		}
	}
}

// askProbe asks for Consul itself.
func (w *Watcher) askProbe(ctx context.Context, r *result) {
	entries, m, err := w.client.Service(ctx, string(probeService), 0, w.wait)
	r.meta, r.err, r.readable = m, err, len(entries) > 0
}
