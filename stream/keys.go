package stream

import (
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A keySet is the keys to which subscriptions are limited. Equal subscriptions share
// one, and the frames that are made for it.
type keySet struct {
	name string // of the set, in Hub.keySets
	list []string
	in   map[string]struct{}
	used int // number of subscriptions with it; guarded by hub.mu

	mu   sync.Mutex
	made map[*Topic]cachedFrame // the newest frame of each topic, if it is small
}

// maxCached is the maximum size of a frame that is kept for other clients with the same
// keys, in bytes: there may be many sets, and each keeps one of each topic.
const maxCached = 16 << 10

// cachedFrame is a delta's frame for a keySet.
type cachedFrame struct {
	of    uint64 // number of the delta
	frame []byte // nil: it has nothing for the keys
}

func (k *keySet) has(key string) bool {
	_, ok := k.in[key]
	return ok || key == ""
}

// frame is the frame of a delta for clients that want these keys; nil: it has nothing
// for them. A small one that is the newest is shared; others are made again. own is what
// the client has for itself; nil: nothing.
func (k *keySet) frame(d *delta) (frame []byte, own *block) {
	k.mu.Lock()
	defer k.mu.Unlock()
	newest, isThere := k.made[d.topic]
	if isThere && newest.of == d.seq {
		return newest.frame, nil
	}
	switch frame = d.filter(k); {
	case len(frame) == len(d.frame): // that of everybody
		return frame, nil
	case len(frame) > maxCached:
		return frame, &block{size: len(frame)}
	}
	if !isThere || newest.of < d.seq {
		k.made[d.topic] = cachedFrame{d.seq, frame}
	}
	return frame, nil
}

// keySet finds or makes the set of some keys; h.mu is held. release must
// be called.
func (h *Hub) keySet(keys []string) *keySet {
	list := append([]string{}, keys...) // not nil, which means all objects
	slices.Sort(list)
	list = slices.Compact(list)
	var quoted strings.Builder // a key may have any character
	for _, key := range list {
		quoted.WriteString(strconv.Quote(key))
	}
	name := quoted.String()
	k := h.keySets[name]
	if k == nil {
		k = &keySet{name: name, list: list, in: make(map[string]struct{}, len(list)), made: map[*Topic]cachedFrame{}}
		for _, key := range list {
			k.in[key] = struct{}{}
		}
		h.keySets[name] = k
	}
	k.used++
	return k
}

// release deletes a set when it is no longer used; h.mu is held.
func (h *Hub) release(k *keySet) {
	if k == nil {
		return
	}
	if k.used--; k.used == 0 {
		delete(h.keySets, k.name)
	}
}
