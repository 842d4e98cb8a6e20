package agent

import (
	"context"
	"maps"
	"slices"
	"sync"

	"thalassa/activity"
	"thalassa/lb"
)

// mostLeftOut bounds what Status and one event tell of what is left out.
const mostLeftOut = 100

// marker keeps the services whose instances say whether they may be used, so that an
// answer that has not changed stays the same value.
type marker struct {
	mu      sync.Mutex
	control *lb.Control
	marked  map[lb.Name]markedService
}

// markedService is what Mark made of some instances.
type markedService struct {
	from []lb.Instance
	to   []lb.Instance
}

// mark is the snapshot with the instances at control addresses refused.
func (m *marker) mark(snap lb.Snapshot, control *lb.Control) lb.Snapshot {
	if control == nil {
		return snap
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	former := m.marked
	if m.control != control {
		m.control, former = control, nil
	}
	m.marked = make(map[lb.Name]markedService, len(snap.Services))
	services, cloned := snap.Services, false
	for name, s := range snap.Services {
		known := former[name]
		if !shared(known.from, s.Instances) {
			known = markedService{from: s.Instances, to: control.Mark(s).Instances}
		}
		m.marked[name] = known
		if shared(known.to, s.Instances) {
			continue
		}
		if !cloned {
			services, cloned = maps.Clone(services), true
		}
		s.Instances = known.to
		services[name] = s
	}
	snap.Services = services
	return snap
}

func shared(a, b []lb.Instance) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// control is which addresses administer this node now.
func (a *Agent) control() *lb.Control {
	if a.cfg.Control == nil {
		return nil
	}
	return a.cfg.Control()
}

// leftOut is what was asked for, or is in Consul, and HAProxy does not get.
type leftOut struct {
	revision uint64
	control  *lb.Control
	stored   []string // of that intent
	told     map[string]bool
}

// noteLeftOut writes what is left out from now on because it leads to a control
// address. Only the loop calls it.
func (a *Agent) noteLeftOut(ctx context.Context, t target) {
	l := &a.left
	if l.told == nil || l.revision != t.intent.Revision || l.control != t.control {
		_, stored := t.control.Strip(lb.Resolve(t.intent, lb.Snapshot{}, lb.Process{}))
		l.revision, l.control, l.stored = t.intent.Revision, t.control, nil
		for _, s := range stored {
			l.stored = append(l.stored, s.String())
		}
	}
	all := append(slices.Clone(l.stored), refusedInstances(t.snapshot)...)
	all = all[:min(len(all), mostLeftOut)]
	told, fresh := map[string]bool{}, []string(nil)
	for _, what := range all {
		if told[what] = true; !l.told[what] {
			fresh = append(fresh, what)
			a.cfg.Logger.WarnContext(ctx, "left out of haproxy's configuration", "what", what)
		}
	}
	l.told = told
	a.mu.Lock()
	a.warnings = all
	a.mu.Unlock()
	if len(fresh) > 0 {
		a.cfg.Journal.Note(activity.Event{Verb: activity.MembersLeftOut, Object: haproxyObject(), Revision: t.intent.Revision, Reasons: fresh})
	}
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
