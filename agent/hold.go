package agent

import (
	"context"
	"maps"
	"slices"

	"thalassa/activity"
	"thalassa/lb"
)

// accept ends the hold of a service and returns when its instances have left the
// snapshot.
func (c *changes) accept(ctx context.Context, service lb.Name, by lb.Origin) error {
	id := serviceObject(service).ID
	snap := c.inputs.snapshot()
	s, known := snap.Services[service]
	_, asked := snap.Unanswered[service]
	switch {
	case !known && !asked:
		return &lb.NotFoundError{ID: id}
	case s.Hold == nil || c.cfg.Holder == nil:
		return &lb.ConflictError{ID: id, Reason: "no instances are held, so there is nothing to accept"}
	}
	c.cfg.Holder.Accept(service)
	_, _, ended := c.inputs.await(ctx, service, settleTime, func(now lb.Service) bool {
		return now.Hold == nil || now.Hold.Since.After(s.Hold.Since)
	})
	if !ended {
		return &lb.UnavailableError{What: id + " still holds its instances; try again"}
	}
	c.cfg.Journal.Note(activity.Event{
		Verb: activity.MembersReleased, Object: serviceObject(service), Author: by.Author, Cause: by.Cause, Reasons: []string{lb.Accepted},
	})
	return nil
}

// reportDown reports to discovery what HAProxy finds down while any service holds
// instances. An address that any of HAProxy's servers reaches is not down.
func reportDown(cfg *Config, in *inputs, servers []lb.ServerState) {
	if cfg.Holder == nil || !holdsAny(in.snapshot()) {
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
	cfg.Holder.Down(slices.Collect(maps.Keys(down)))
}

func holdsAny(snap lb.Snapshot) bool {
	for _, s := range snap.Services {
		if s.Hold != nil {
			return true
		}
	}
	return false
}
