package agent

import (
	"context"
	"maps"
	"slices"
	"sync"

	"thalassa/activity"
	"thalassa/lb"
)

// mostLeftOut bounds what Status and one event list of what is left out.
const mostLeftOut = 100

// controlWarnings are about what was asked for, or is in Consul, and HAProxy does not
// get because it leads to a control address.
type controlWarnings struct {
	cfg *Config

	// Of the loop alone:
	revision uint64
	control  *lb.Control
	stored   []string // left out of that intent
	known    map[string]bool

	mu   sync.Mutex
	list []string
}

// update notes and reports what is left out from now on. Only the loop calls it.
func (w *controlWarnings) update(ctx context.Context, t target) {
	if w.known == nil || w.revision != t.intent.Revision || w.control != t.control {
		_, stored := t.control.Strip(lb.Resolve(t.intent, lb.Snapshot{}, lb.Process{}))
		w.revision, w.control, w.stored = t.intent.Revision, t.control, nil
		for _, s := range stored {
			w.stored = append(w.stored, s.String())
		}
	}
	all := append(slices.Clone(w.stored), refusedInstances(t.snapshot)...)
	all = all[:min(len(all), mostLeftOut)]
	known, fresh := map[string]bool{}, []string(nil)
	for _, what := range all {
		if known[what] = true; !w.known[what] {
			fresh = append(fresh, what)
			w.cfg.Logger.WarnContext(ctx, "left out of haproxy's configuration", "what", what)
		}
	}
	w.known = known
	w.mu.Lock()
	w.list = all
	w.mu.Unlock()
	if len(fresh) > 0 {
		w.cfg.Journal.Note(activity.Event{Verb: activity.MembersLeftOut, Object: haproxyObject(), Revision: t.intent.Revision, Reasons: fresh})
	}
}

// current is the newest list, which nobody changes.
func (w *controlWarnings) current() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.list
}

// refusedInstances says which instances are not used whatever Consul says, sorted.
func refusedInstances(snap lb.Snapshot) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(snap.Services)) {
		for _, i := range snap.Services[name].Instances {
			if i.Refused != "" {
				out = append(out, serviceObject(name).ID+": instance "+i.ID+" of node "+i.Node+" is left out: "+i.Refused)
			}
		}
	}
	return out
}
