package agent

import (
	"maps"
	"sync"

	"thalassa/lb"
)

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
