package stream

import (
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A keySet is the keys to which subscriptions are limited. Equal subscriptions
// have the same one, and the frames that are made for it.
type keySet struct {
	name string // of the set, in Hub.keySets
	list []string
	in   map[string]struct{}
	used int // how many subscriptions have it; guarded by hub.mu

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

// frame is a delta for whoever wants these keys; nil: nothing. The newest one is
// made once; who is late has an older one made anew.
func (k *keySet) frame(d *delta) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	newest := k.made[d.topic]
	if newest.of == d {
		return newest.frame
	}
	frame := d.of(k)
	if newest.of == nil || newest.of.seq < d.seq {
		k.made[d.topic] = cachedFrame{d, frame}
	}
	return frame
}

// keySet finds the set of some keys, or makes it; h.mu is held, and release must
// be called.
func (h *Hub) keySet(keys []string) *keySet {
	list := append([]string{}, keys...) // never nil, which is everything
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

// release forgets a set that nobody has any more; h.mu is held.
func (h *Hub) release(k *keySet) {
	if k == nil {
		return
	}
	if k.used--; k.used == 0 {
		delete(h.keySets, k.name)
	}
}
