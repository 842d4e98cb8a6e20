package agent

import (
	"maps"
	"slices"
	"sync"

	"thalassa/lb"
)

// interest is the set of services worth watching: those that the stored intent
// names, and those that a change under way asks about.
type interest struct {
	source Source

	mu       sync.Mutex
	revision uint64 // that required is of
	required []lb.Name
	borrowed map[lb.Name]int
	watched  []lb.Name
}

// require replaces what the stored intent needs; an older one than the last
// is ignored.
func (i *interest) require(in lb.Intent) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if in.Revision < i.revision {
		return
	}
	i.revision, i.required = in.Revision, in.Services()
	i.update()
}

// borrow watches services until the returned function is called.
func (i *interest) borrow(services ...lb.Name) (giveBack func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.borrowed == nil {
		i.borrowed = map[lb.Name]int{}
	}
	for _, s := range services {
		i.borrowed[s]++
	}
	i.update()
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		for _, s := range services {
			if i.borrowed[s]--; i.borrowed[s] == 0 {
				delete(i.borrowed, s)
			}
		}
		i.update()
	}
}

// update hands the whole set to the source when it has changed; mu is held, so that the
// last call carries the newest set.
func (i *interest) update() {
	set := maps.Clone(i.borrowed)
	if set == nil {
		set = map[lb.Name]int{}
	}
	for _, s := range i.required {
		set[s]++
	}
	wanted := slices.Sorted(maps.Keys(set))
	if i.watched == nil || !slices.Equal(i.watched, wanted) {
		i.source.Want(wanted)
		i.watched = append([]lb.Name{}, wanted...)
	}
}
