package stats

import (
	"time"

	"thalassa/statsock"
)

// Ticked returns a channel that the next tick closes. Take it before reading, so
// that no tick is missed.
func (s *Sampler) Ticked() <-chan struct{} { return s.ticked.Next() }

// Workers says which processes count now.
func (s *Sampler) Workers() Workers { return s.workers.Load().Workers }

// Info is what HAProxy said of itself last; zero while it does not answer.
func (s *Sampler) Info() statsock.Info { return s.workers.Load().info }

// Sampled is when HAProxy answered last; zero: it has not.
func (s *Sampler) Sampled() time.Time { return s.workers.Load().answered }

// An Object is the JSON of a series, or of what has changed in it.
type Object struct {
	ID, Key string
	JSON    []byte
}

// Changes gives what has changed since the last call, and when the last tick
// was. One reader alone may call it; with nil visit it only forgets what has
// changed. The JSON belongs to the reader.
func (s *Sampler) Changes(visit func(Object)) (at time.Time, removed []Removed) {
	t := &s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	removed, t.removed = t.removed, nil
	for _, series := range t.order {
		changed := series.changed & (series.wholeParts() | partWhole)
		series.changed = 0
		if changed == 0 || !series.listed || visit == nil {
			continue
		}
		buf := make([]byte, 0, 1024)
		visit(Object{series.ID(), series.Key, series.appendObject(buf, t.at, changed)})
	}
	return t.at, removed
}

// Objects gives every object whole, with its history, and when the last tick
// was; of the given keys only, where there are any. The objects come in pieces
// of about size bytes of JSON; between two pieces a tick may pass, as their
// histories tell. visit must not call the Sampler.
func (s *Sampler) Objects(keys []string, size int, visit func(at time.Time, piece []Object) bool) {
	list := s.listed(keys)
	t := &s.table
	for first := true; first || len(list) > 0; first = false {
		var piece []Object
		t.mu.RLock()
		at := t.at
		for bytes := 0; len(list) > 0 && bytes < size; list = list[1:] {
			series := list[0]
			if series.dropped || !series.listed {
				continue
			}
			buf := series.appendObject(make([]byte, 0, 2048), t.at, partWhole)
			buf = t.appendHistory(buf[:len(buf)-1], series, s.cfg.Interval)
			buf = append(buf, '}')
			piece = append(piece, Object{series.ID(), series.Key, buf})
			bytes += len(buf)
		}
		t.mu.RUnlock()
		if !visit(at, piece) {
			return
		}
	}
}

// listed are the series of the given keys, or all.
func (s *Sampler) listed(keys []string) []*Series {
	t := &s.table
	t.mu.RLock()
	defer t.mu.RUnlock()
	if keys == nil {
		return append([]*Series(nil), t.order...)
	}
	var list []*Series
	for _, key := range keys {
		list = append(list, t.byKey[key]...)
	}
	return list
}

// Visit shows every series. They are valid during the call; visit must not call
// the Sampler.
func (s *Sampler) Visit(visit func(*Series)) {
	t := &s.table
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, series := range t.order {
		if series.listed {
			visit(series)
		}
	}
}
