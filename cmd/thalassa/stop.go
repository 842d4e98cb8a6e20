package main

import (
	"context"

	"thalassa/activity"
	"thalassa/haproxy"
	"thalassa/lb"
)

// stopForV1 ends the HAProxy of this agent on behalf of a request, where the settings allow
// that; nil: they do not. What Pacemaker or another program starts, it has to stop.
func (n node) stopForV1(p *haproxy.Process, events *activity.Log) func(context.Context, lb.Origin) error {
	isAllowed, manager := n.settings.MayStop()
	switch {
	case manager == string(haproxy.Pacemaker):
		return refuseStop("Pacemaker starts and stops HAProxy here: POST /cluster/actions/stop, or pcs resource disable")
	case manager != "":
		return refuseStop("another program starts and stops HAProxy here, such as systemd")
	case !isAllowed:
		return nil
	}
	return func(ctx context.Context, by lb.Origin) error {
		if err := n.stopHAProxy(ctx, p); err != nil {
			return err
		}
		events.Note(activity.Event{
			Verb: activity.HAProxyExited, Object: activity.Object{ID: "haproxy", Type: "haproxy"}, Author: by.Author, Cause: by.Cause,
		})
		return nil
	}
}

func refuseStop(why string) func(context.Context, lb.Origin) error {
	return func(context.Context, lb.Origin) error { return &lb.ConflictError{ID: "haproxy", Reason: why} }
}
