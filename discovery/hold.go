package discovery

import (
	"time"

	"thalassa/lb"
)

const (
	// lossWindow is the time within which instances lost one by one count as lost
	// at once.
	lossWindow = 10 * time.Second
	// heldPace spreads the requests for services that hold instances when there
	// are many.
	heldPace = 10 * time.Millisecond
	// downLooks, times the time until the second look, is how long HAProxy must
	// find a server down without interruption until it counts as gone.
	downLooks = 3
)

// A command is a call of Down or Accept, for Run.
type command struct {
	accept lb.Name              // release the instances of this service
	down   map[lb.HostPort]bool // addresses that HAProxy finds down; nil: no report
}

// Down reports which addresses HAProxy's health checks find down now, of all the
// servers that it uses. A held instance that has been down for a while is
// released: Consul and HAProxy agree. Call it about every second while instances
// are held.
func (w *Watcher) Down(addresses []lb.HostPort) {
	down := make(map[lb.HostPort]bool, len(addresses))
	for _, a := range addresses {
		down[a] = true
	}
	w.enqueue(command{down: down})
}

// Accept releases the held instances of a service. It takes effect while Run runs.
// It changes nothing in a service without held instances.
func (w *Watcher) Accept(service lb.Name) { w.enqueue(command{accept: service}) }

func (w *Watcher) enqueue(o command) {
	w.mu.Lock()
	w.commands = append(w.commands, o)
	if len(w.commands) > maxCommands { // Run does not run
		w.commands = w.commands[1:]
	}
	w.mu.Unlock()
	w.due.Send()
}

const maxCommands = 1000

// runCommands executes the pending commands.
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

// accept releases the held instances of a service.
func (s *schedule) accept(name lb.Name, now time.Time) {
	if svc := s.services[name]; svc != nil && svc.current.Hold != nil {
		s.release(svc, func(lb.Instance) bool { return true }, lb.Accepted, now)
	}
}

// observe releases the held instances that HAProxy has found down for long enough.
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
			gone = gone || s.policy.isDown(first, now)
		}
		svc.down = since
		if gone {
			s.release(svc, func(i lb.Instance) bool {
				first, known := since[i.Address]
				return known && s.policy.isDown(first, now)
			}, "HAProxy's own checks find them down", now)
		}
	}
}

// isDown reports whether an instance that HAProxy has found down since then counts
// as gone.
func (p policy) isDown(since, now time.Time) bool {
	return now.Sub(since) >= downLooks*p.look
}

// release releases the held instances of a service for which gone is true.
func (s *schedule) release(svc *service, gone func(lb.Instance) bool, why string, now time.Time) {
	svc.current = release(svc.current, gone, why)
	s.published, s.changed = false, true
	if svc.current.Hold == nil {
		svc.resetCount(len(svc.current.Instances))
		svc.due = now // request their current state
		s.notes = append(s.notes, note{kind: noteReleased, service: svc.name, reason: why})
	}
}

// evidence is what else is known when an answer for a service arrives.
func (s *schedule) evidence(svc *service, now time.Time) evidence {
	e := evidence{base: svc.recentMax(now), restarted: now.Before(s.outage.recoveringUntil), begun: s.begun}
	if h := svc.current.Hold; h != nil {
		e.readable = s.readable.After(h.Since) && now.Sub(s.readable) < 10*s.policy.look
	}
	return e
}

// keepCount updates the number of instances after an answer, and notes the
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
		// Request it again and again: only an answer to a request that does not block
		// shows whether it is complete.
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
