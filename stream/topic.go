package stream

import (
	"bytes"
	"slices"
	"time"
)

// An Object is one thing of a topic: JSON with the field id.
type Object struct {
	ID string
	// Key is what a subscription may be limited to; empty: everybody gets it.
	Key  string
	JSON []byte // never changed any more
}

// Removed is an object that is no more.
type Removed struct{ ID, Key string }

// A Topic is a set of objects that clients may follow. It belongs to one Hub.
type Topic struct {
	hub  *Hub
	name string
	// keyed says that subscriptions may be limited to keys.
	keyed bool
	// keep is how many objects a log keeps; 0: it is no log.
	keep int
	// state gives the objects of a topic that keeps none.
	state State

	// Guarded by hub.mu.
	objects []Object
	at      time.Time
	since   uint64    // the number of the last change that was not told
	left    time.Time // when the last client left; zero: there was none
	clients int
	kept    *state // that is news; nil: there is none
	changes uint64 // so far

	making chan struct{} // one slot: who fills it makes the state
}

// A State gives every object, of the given keys only where there are any, in
// pieces, until visit returns false. at is when the objects were as they are
// told: a delta with an earlier time has nothing new. One of that time may have, as
// not everything that is seen makes time go on.
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

// Log opens a topic of events, of which the last few are its state; see Append.
func (h *Hub) Log(name string, keep int) *Topic {
	return h.open(&Topic{name: name, keep: keep})
}

// Feed opens a topic whose objects are somebody else's; see Publish.
func (h *Hub) Feed(name string, keyed bool, state State) *Topic {
	return h.open(&Topic{name: name, keyed: keyed, state: state})
}

// Replace makes objects, which are all of the topic, its state, and tells what is
// new in them. Each ID stands once.
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
			objects[i] = old // one copy is enough
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
	all := slices.Concat(t.objects, objects) // the former list may be in use
	t.objects, t.at = all[max(0, len(all)-t.keep):], d.time
	t.hub.publish(t, d, objects)
}

// Publish tells what has changed in a feed at a time: objects with the fields
// that are new. Their JSON is the caller's again afterwards.
func (t *Topic) Publish(at time.Time, changed []Object, removed []Removed) {
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	d := t.delta(at)
	d.removed = removed
	t.hub.publish(t, d, changed)
}

// Skip says that what has changed in a feed was not told, as nobody wanted it.
func (t *Topic) Skip() {
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	t.hub.seq++
	t.since = t.hub.seq
	t.changed()
}

// Wanted reports whether somebody follows the topic, or may come back to it.
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
	return &delta{topic: t, time: at, born: t.hub.cfg.Now()}
}
