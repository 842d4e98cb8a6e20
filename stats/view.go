package stats

import (
	"time"

	"thalassa/statsock"
)

// Ticked returns a channel that the next tick closes. Call it before reading, so
// that no tick is missed.
func (s *Sampler) Ticked() <-chan struct{} { return s.ticked.Next() }

// Workers are the processes of HAProxy that are read now.
func (s *Sampler) Workers() Workers { return s.workers.Load().Workers }

// Info is the last answer to show info; zero while HAProxy does not answer.
func (s *Sampler) Info() statsock.Info { return s.workers.Load().info }

// Sampled is the time of the last answer of HAProxy; zero: there was none.
func (s *Sampler) Sampled() time.Time { return s.workers.Load().answered }

// An Object is the JSON of a series, or of the fields that changed in it.
type Object struct {
	ID, Key string
	JSON    []byte
}

// News is what has changed since the last call of Changes.
type News struct {
	At time.Time // of the last tick
	// Changed has the changed fields of objects, Totals those of their
	// totals. The JSON is valid until Changes is called again.
	Changed, Totals []Object
	Removed         []Removed
}

// Changes is what has changed since the last call. Only one reader may call
// it, after each tick. Changes that it does not want are forgotten. While it wants none,
// members are queried less often (see Refresh).
func (s *Sampler) Changes(changed, totals bool) News {
	followed := changed || totals
	s.demand.hasSubscribers.Store(followed)
	if followed {
		s.requestIfOutdated()
	}
	t := &s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	news := News{At: t.at, Removed: t.removed}
	t.removed = nil
	s.changed.reset()
	s.totals.reset()
	for _, series := range t.order {
		fields, ok := series.changed.forKind(series.Kind)
		series.changed = changes{}
		if !series.listed {
			continue
		}
		if changed && ok {
			s.changed.add(series, series.appendObject(s.changed.text, t.at, fields))
		}
		if totals && fields.totals != 0 {
			s.totals.add(series, series.appendTotals(s.totals.text, fields.totals))
		}
	}
	news.Changed, news.Totals = s.changed.list(), s.totals.list()
	return news
}

// A collection is a list of objects in one text, which is reused.
type collection struct {
	text    []byte
	objects []Object
	ends    []int // of the objects in the text
}

func (c *collection) reset() { c.text, c.objects, c.ends = c.text[:0], c.objects[:0], c.ends[:0] }

// add replaces the text by one that has another object at its end.
func (c *collection) add(s *Series, text []byte) {
	c.text = text
	c.objects, c.ends = append(c.objects, Object{ID: s.ID(), Key: s.Key}), append(c.ends, len(text))
}

func (c *collection) list() []Object {
	begin := 0
	for i, end := range c.ends {
		c.objects[i].JSON = c.text[begin:end:end]
		begin = end
	}
	return c.objects
}

// Objects visits every object with all fields and its history, and the time of the last
// tick; with keys, only the objects of these. The objects come in pieces
// of about size bytes of JSON. There may be a tick between two pieces.
// visit must not call the Sampler.
func (s *Sampler) Objects(keys []string, size int, visit func(at time.Time, piece []Object) bool) {
	t := &s.table
	s.pieces(keys, size, visit, func(series *Series) []byte {
		fields, _ := changes{parts: partWhole}.forKind(series.Kind)
		buf := series.appendObject(make([]byte, 0, 2048), t.at, fields)
		buf = t.appendHistory(buf[:len(buf)-1], series, s.cfg.Interval)
		return append(buf, '}')
	})
}

// Totals is Objects for the totals.
func (s *Sampler) Totals(keys []string, size int, visit func(at time.Time, piece []Object) bool) {
	s.pieces(keys, size, visit, func(series *Series) []byte {
		return series.appendTotals(make([]byte, 0, 512), publishedCounters)
	})
}

// pieces encodes objects and visits them in pieces.
func (s *Sampler) pieces(keys []string, size int, visit func(at time.Time, piece []Object) bool, encode func(*Series) []byte) {
	s.requestIfOutdated()
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
			buf := encode(series)
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

// Visit visits every series. They are valid during the call. visit must not call
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
