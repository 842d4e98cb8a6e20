package agent

import (
	"context"
	"maps"
	"slices"

	"thalassa/activity"
	"thalassa/lb"
)

// Holder keeps instances that Consul suddenly does not list any more.
type Holder interface {
	// Down tells which addresses HAProxy's own checks find down.
	Down(addresses []lb.HostPort)
	// Accept takes Consul's word for a service.
	Accept(service lb.Name)
}

// Accept ends a hold: the instances of a service that are kept against Consul's
// word leave, as Consul has it. It returns when they have left the snapshot.
// Errors: *lb.NotFoundError for a service that is not watched, *lb.ConflictError
// for one that holds nothing, *lb.UnavailableError when it took too long.
func (a *Agent) Accept(ctx context.Context, service lb.Name, by lb.Stamp) error {
	id := serviceObject(service).ID
	snap := a.Snapshot()
	s, known := snap.Services[service]
	_, asked := snap.Unanswered[service]
	switch {
	case !known && !asked:
		return &lb.NotFoundError{ID: id}
	case s.Hold == nil || a.cfg.Holder == nil:
		return &lb.ConflictError{ID: id, Reason: "no instances are held, so there is nothing to accept"}
	}
	a.cfg.Holder.Accept(service)
	_, _, ended := a.await(ctx, service, settleTime, func(now lb.Service) bool {
		return now.Hold == nil || now.Hold.Since.After(s.Hold.Since)
	})
	if !ended {
		return &lb.UnavailableError{What: id + " still holds its instances; try again"}
	}
	a.cfg.Journal.Note(activity.Event{
		Verb: activity.MembersReleased, Object: serviceObject(service), Author: by.Author, Cause: by.Cause, Reasons: []string{lb.Accepted},
	})
	return nil
}

func serviceObject(name lb.Name) activity.Object {
	return activity.Object{ID: "service/" + string(name), Type: "service", Key: string(name)}
}

// noteHolds writes which services began to hold instances and which do not any
// more, except those that an operator released: that is written already.
func (a *Agent) noteHolds(snap lb.Snapshot) {
	for _, name := range slices.Sorted(maps.Keys(snap.Services)) {
		was, is := a.running.told.Services[name], snap.Services[name]
		e := activity.Event{Object: serviceObject(name)}
		switch {
		case is.Hold != nil && (was.Hold == nil || was.Hold.Doubt != is.Hold.Doubt):
			e.Verb, e.Reasons = activity.MembersHeld, []string{is.Hold.String()}
		case was.Hold != nil && is.Hold == nil && is.Released != lb.Accepted:
			e.Verb, e.Reasons = activity.MembersReleased, []string{is.Released}
		default:
			continue
		}
		a.cfg.Journal.Note(e)
	}
}

// tellDown tells discovery what HAProxy finds down while it holds anything. An
// address that any of HAProxy's servers reaches is not down.
func (a *Agent) tellDown(servers []lb.ServerState) {
	if a.cfg.Holder == nil || !holdsAny(a.Snapshot()) {
		return
	}
	up, down := map[lb.HostPort]bool{}, map[lb.HostPort]bool{}
	for _, s := range servers {
		switch {
		case s.Maintenance: // not checked
		case s.Up:
			up[s.Address] = true
		default:
			down[s.Address] = true
		}
	}
	maps.DeleteFunc(down, func(address lb.HostPort, _ bool) bool { return up[address] })
	a.cfg.Holder.Down(slices.Collect(maps.Keys(down)))
}

func holdsAny(snap lb.Snapshot) bool {
	for _, s := range snap.Services {
		if s.Hold != nil {
			return true
		}
	}
	return false
}
