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
	required []lb.Name
	borrowed map[lb.Name]int
}

// require replaces what the stored intent needs.
func (i *interest) require(services []lb.Name) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.required = services
	i.tell()
}

// borrow watches a service until the returned function is called.
func (i *interest) borrow(service lb.Name) (giveBack func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.borrowed == nil {
		i.borrowed = map[lb.Name]int{}
	}
	i.borrowed[service]++
	i.tell()
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.borrowed[service]--; i.borrowed[service] == 0 {
			delete(i.borrowed, service)
		}
		i.tell()
	}
}

// tell hands the whole set to the source; mu is held, so that the last call
// carries the newest set.
func (i *interest) tell() {
	set := maps.Clone(i.borrowed)
	if set == nil {
		set = map[lb.Name]int{}
	}
	for _, s := range i.required {
		set[s]++
	}
	i.source.Want(slices.Sorted(maps.Keys(set)))
}

// await waits until done is content with the service's answer, at most for
// patience. known is false when Consul has not answered about it at all.
func (a *Agent) await(ctx context.Context, name lb.Name, patience time.Duration, done func(lb.Service) bool) (s lb.Service, known, ok bool) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		next := a.sources.Next()
		if s, known = a.Snapshot().Services[name]; known && done(s) {
			return s, known, true
		}
		select {
		case <-next:
		case <-deadline.C:
			return s, known, false
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
