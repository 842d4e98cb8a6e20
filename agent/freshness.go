package agent

import (
	"maps"
	"slices"

	"thalassa/activity"
	"thalassa/discovery"
	"thalassa/lb"
)

// freshness writes which services Consul stopped or resumed answering
// for, one event for all of them.
func (r *reporter) freshness(snap lb.Snapshot) {
	var stale, fresh []string
	reason := ""
	for _, name := range slices.Sorted(maps.Keys(snap.Services)) {
		was, is := r.reported.Services[name].Stale, snap.Services[name].Stale
		switch {
		case !isLost(was) && isLost(is):
			stale, reason = append(stale, string(name)), is
		case isLost(was) && is == "":
			fresh = append(fresh, string(name))
		}
	}
	object := activity.Object{ID: "discovery", Type: "discovery"}
	if len(stale) > 0 {
		r.cfg.Logger.Warn("discovery stale, the last good members stay", "services", enumerate(stale), "reason", reason)
		r.cfg.Journal.Note(activity.Event{Verb: activity.DiscoveryStale, Object: object, Reasons: stale, Error: reason})
	}
	if len(fresh) > 0 {
		r.cfg.Logger.Info("discovery answers again", "services", enumerate(fresh))
		r.cfg.Journal.Note(activity.Event{Verb: activity.DiscoveryRecovered, Object: object, Reasons: fresh})
	}
	r.holds(snap)
	r.reported = snap
}

// isLost distinguishes a service that Consul fails to answer for from one that it was
// not asked about yet.
func isLost(stale string) bool { return stale != "" && stale != discovery.Unconfirmed }

// holds writes which services began to hold instances and which do not any
// more, except those that an operator released: that is written already.
func (r *reporter) holds(snap lb.Snapshot) {
	for _, name := range slices.Sorted(maps.Keys(snap.Services)) {
		was, is := r.reported.Services[name], snap.Services[name]
		e := activity.Event{Object: serviceObject(name)}
		switch {
		case is.Hold != nil && (was.Hold == nil || was.Hold.Doubt != is.Hold.Doubt):
			e.Verb, e.Reasons = activity.MembersHeld, []string{is.Hold.String()}
		case was.Hold != nil && is.Hold == nil && is.Released != lb.Accepted:
			e.Verb, e.Reasons = activity.MembersReleased, []string{is.Released}
		default:
			continue
		}
		r.cfg.Journal.Note(e)
	}
}
