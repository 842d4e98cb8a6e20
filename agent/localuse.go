package agent

import (
	"slices"
	"sync"
	"time"

	"thalassa/lb"
)

// localAge is how long the answers about the machine's network are kept for Status.
const localAge = 10 * time.Second

// localUses reports interfaces and addresses that raw lines name and this machine does not have:
// HAProxy accepts such lines silently. It may be used from several goroutines.
type localUses struct {
	cfg *Config

	mu       sync.Mutex
	revision uint64 // that all is of
	asked    time.Time
	all      []string
}

// of are the sentences about some objects of an intent now.
func (l *localUses) of(in lb.Intent, ids []string) []string {
	if l.cfg.HasLocal == nil {
		return nil
	}
	var out []string
	for _, use := range lb.LocalUses(in, ids) {
		if !l.cfg.HasLocal(use) {
			out = append(out, use.Lacking())
		}
		if len(out) == maxLineWarnings {
			break
		}
	}
	return out
}

// ofAll are the sentences about all objects, of at most localAge ago.
func (l *localUses) ofAll(in lb.Intent) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked.IsZero() || l.revision != in.Revision || time.Since(l.asked) > localAge {
		l.revision, l.asked, l.all = in.Revision, time.Now(), l.of(in, nil)
	}
	return slices.Clone(l.all)
}
