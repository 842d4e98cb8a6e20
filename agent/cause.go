package agent

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// cause says who or what made this round necessary.
func (r *reporter) cause(before running, t target) (author, cause string) {
	p := r.outcomes.current()
	switch {
	case !before.isKnown():
		return "", "start of the agent"
	case t.intent.Revision != before.revision && p.isAbout(t.intent.Revision):
		return p.by.Author, p.by.Cause
	case t.intent.Revision != before.revision:
		return "", fmt.Sprintf("revision %d", t.intent.Revision)
	case p != nil && p.overrides != nil && p.overrides == t.snapshot.Overrides:
		return p.by.Author, p.by.Cause
	case p != nil && p.template == t.template:
		return "", "template"
	}
	var services []string
	for _, name := range slices.Sorted(maps.Keys(t.snapshot.Services)) {
		if s := t.snapshot.Services[name]; !s.SameAnswer(before.dealt.Services[name]) {
			services = append(services, fmt.Sprintf("%s@%d", name, s.Index))
		}
	}
	if len(services) == 0 {
		return "", "haproxy differed"
	}
	return "", "consul: " + enumerate(services)
}

// propagation is the time from when the cause of a round was known until the round was in
// effect, in milliseconds; 0: not known.
func (r *reporter) propagation(before running, t target) float64 {
	if !before.isKnown() {
		return 0
	}
	p := r.outcomes.current()
	var known time.Time
	if t.intent.Revision != before.revision {
		if p.isAbout(t.intent.Revision) {
			known = p.by.Time
		}
	} else {
		for name, s := range t.snapshot.Services {
			if s.Index != before.dealt.Services[name].Index && (known.IsZero() || s.Seen.Before(known)) {
				known = s.Seen
			}
		}
	}
	if known.IsZero() {
		return 0
	}
	return max(0, float64(r.cfg.Now().Sub(known).Microseconds())/1000)
}

// An origin is how a configuration came into effect.
type origin struct {
	time                time.Time
	author, cause, path string
}

// origin is that of the target, which HAProxy is about to run. isNew is false where only
// members change: that keeps the origin and the recorded text of the one before.
func (r *reporter) origin(before running, t target, path string) (o origin, isNew bool) {
	if before.isKnown() && t.revision == before.effective.revision && path != pathReload {
		return before.origin, false
	}
	o = origin{time: r.cfg.Now(), path: path}
	o.author, o.cause = r.cause(before, t)
	return o, true
}
