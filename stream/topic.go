package stream

import (
	"bytes"
	"slices"
	"time"
)

// An Object is one thing of a topic: JSON with the field id.
type Object struct {
	ID string
	// Key is for subscriptions that are limited to keys; empty: all get the object.
	Key  string
	JSON []byte // must not be changed
}

// Removed is an object that no longer exists.
type Removed struct{ ID, Key string }

// A Topic is a set of objects that clients can subscribe to. It belongs to one Hub.
type Topic struct {
	hub  *Hub
	name string
	// keyed says that subscriptions may be limited to keys.
	keyed bool
	// keep is the number of objects that a log keeps; 0: the topic is not a log.
	keep int
	// state has the objects of a feed; nil: the topic is not a feed.
	state State

	// Guarded by hub.mu.
	objects []Object
	at      time.Time
	since   uint64    // number of the last change that was not published
	left    time.Time // when the last client left; zero: never
	clients int
	kept    *state // nil: none is kept
	changes uint64 // number so far

	making chan struct{} // one slot: whoever fills it makes the state
}

// A State visits every object, in pieces, until visit returns false; with keys, only the
// objects of these. at is the time of the state: a delta with an earlier time is part of
// it. A delta of the same time need not be.
type State func(keys []string, visit func(at time.Time, piece []Object) bool)

// open adds a topic.
func (h *Hub) open(t *Topic) *Topic {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.hub, t.since, t.at, t.making = h, h.seq, h.cfg.Now(), make(chan struct{}, 1)
	h.topics = append(h.topics, t)
	return t
}

// Set opens a topic of whole objects; see Replace.
func (h *Hub) Set(name string, keyed bool) *Topic {
	return h.open(&Topic{name: name, keyed: keyed})
}

// Log opens a topic of events, whose state is the last keep events; see Append.
func (h *Hub) Log(name string, keep int) *Topic {
	return h.open(&Topic{name: name, keep: keep})
}

// Feed opens a topic whose objects the caller keeps; see Publish.
func (h *Hub) Feed(name string, keyed bool, state State) *Topic {
	return h.open(&Topic{name: name, keyed: keyed, state: state})
}

// Replace makes objects the state of the topic, and publishes the differences. IDs
// must be unique.
func (t *Topic) Replace(objects []Object) {
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	known := make(map[string]Object, len(t.objects))
	for _, o := range t.objects {
		known[o.ID] = o
	}
	d := t.delta(t.hub.cfg.Now())
	var changed []Object
	for i, o := range objects {
		if old, ok := known[o.ID]; !ok || !bytes.Equal(old.JSON, o.JSON) {
			changed = append(changed, o)
		} else {
			objects[i] = old // share the memory
		}
		delete(known, o.ID)
	}
	for _, o := range t.objects {
		if _, gone := known[o.ID]; gone {
			d.removed = append(d.removed, Removed{o.ID, o.Key})
		}
	}
	t.objects, t.at = objects, d.time
	t.changed()
	if len(changed)+len(d.removed) > 0 {
		t.hub.publish(t, d, changed)
	}
}

// Append adds events to a log.
func (t *Topic) Append(objects ...Object) {
	if len(objects) == 0 {
		return
	}
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	d := t.delta(t.hub.cfg.Now())
	all := slices.Concat(t.objects, objects) // a writer may use the former list
	t.objects, t.at = all[max(0, len(all)-t.keep):], d.time
	t.hub.publish(t, d, objects)
}

// Publish publishes what has changed in a feed at a time: objects with their changed
// fields. It does not keep their JSON.
func (t *Topic) Publish(at time.Time, changed []Object, removed []Removed) {
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	d := t.delta(at)
	d.removed = removed
	t.hub.publish(t, d, changed)
}

// Skip records a change of a feed that is not published because no client wants it.
func (t *Topic) Skip() {
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	t.hub.seq++
	t.since = t.hub.seq
	t.changed()
}

// Wanted reports whether the topic has clients, or had some that may come back.
func (t *Topic) Wanted() bool {
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	return t.wanted()
}

// wanted is Wanted; hub.mu is held.
func (t *Topic) wanted() bool {
	return t.clients > 0 || !t.left.IsZero() && t.hub.cfg.Now().Sub(t.left) < t.hub.cfg.ReplayAge
}

func (t *Topic) delta(at time.Time) *delta {
	return &delta{topic: t, time: at, created: t.hub.cfg.Now()}
}
