package discovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"thalassa/lb"
)

const (
	// namesAge is how long a list of names is used, so that readers cannot burden Consul.
	namesAge = 5 * time.Second
	// maxNames bounds the list.
	maxNames = 10_000
)

// names is the last list of the services in the catalog.
type names struct {
	mu    sync.Mutex // held while Consul is asked: others wait for the same answer
	list  []lb.Name
	asked time.Time
}

// Names lists the services in Consul's catalog, watched or not, sorted: the first 10,000
// of those that a backend can name. The list may be five seconds old. The error says why
// Consul does not answer.
func (w *Watcher) Names(ctx context.Context) ([]lb.Name, error) {
	w.names.mu.Lock()
	defer w.names.mu.Unlock()
	if time.Since(w.names.asked) < namesAge {
		return w.names.list, nil
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	tags, _, err := w.client.Services(ctx, 0, 0)
	if err != nil {
		return nil, &lb.UnavailableError{What: fmt.Sprintf("Consul's list of services is not available: %v", err)}
	}
	list := make([]lb.Name, 0, len(tags))
	for _, text := range slices.Sorted(maps.Keys(tags)) {
		if name, err := lb.ParseName(text); err == nil && len(list) < maxNames {
			list = append(list, name)
		}
	}
	w.names.list, w.names.asked = list, time.Now()
	return list, nil
}
