package agent

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

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
	told     []lb.Name
}

// require replaces what the stored intent needs; an older one than the last
// means nothing.
func (i *interest) require(in lb.Intent) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if in.Revision < i.revision {
		return
	}
	i.revision, i.required = in.Revision, in.Services()
	i.tell()
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
	i.tell()
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		for _, s := range services {
			if i.borrowed[s]--; i.borrowed[s] == 0 {
				delete(i.borrowed, s)
			}
		}
		i.tell()
	}
}

// tell hands the whole set to the source when it is another one; mu is held, so
// that the last call carries the newest set.
func (i *interest) tell() {
	set := maps.Clone(i.borrowed)
	if set == nil {
		set = map[lb.Name]int{}
	}
	for _, s := range i.required {
		set[s]++
	}
	wanted := slices.Sorted(maps.Keys(set))
	if i.told == nil || !slices.Equal(i.told, wanted) {
		i.source.Want(wanted)
		i.told = append([]lb.Name{}, wanted...)
	}
}

// await waits until done is content with the service's answer, at most for
// patience. known is false when Consul has not answered about it at all.
func (a *Agent) await(ctx context.Context, name lb.Name, patience time.Duration, done func(lb.Service) bool) (s lb.Service, known, ok bool) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for over := false; ; {
		next := a.sources.Next()
		s, known = a.Snapshot().Services[name]
		if ok = known && done(s); ok || over {
			return s, known, ok
		}
		select {
		case <-next:
		case <-deadline.C:
			over = true // the loop may be too busy to tell: look once more
		case <-ctx.Done():
			return s, known, false
		}
	}
}

// unanswered lists the services of an intent that nothing is known about, not
// even from an earlier run.
func unanswered(in lb.Intent, snap lb.Snapshot) []lb.Name {
	return slices.DeleteFunc(in.Services(), func(s lb.Name) bool {
		_, known := snap.Services[s]
		return known
	})
}
