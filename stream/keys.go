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
	made map[*Topic]cachedFrame // the newest frame of each topic
}

// cachedFrame is a delta's frame for a keySet.
type cachedFrame struct {
	of    *delta
	frame []byte
}

func (k *keySet) has(key string) bool {
	_, ok := k.in[key]
	return ok || key == ""
}

// frame is the frame of a delta for clients that want these keys; nil: it has nothing
// for them. The newest frame is shared; an older one is made again.
func (k *keySet) frame(d *delta) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	newest := k.made[d.topic]
	if newest.of == d {
		return newest.frame
	}
	frame := d.filter(k)
	if newest.of == nil || newest.of.seq < d.seq {
		k.made[d.topic] = cachedFrame{d, frame}
	}
	return frame
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
