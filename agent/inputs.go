package agent

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/stage"
)

// inputs are what the agent is told: what operators asked for, what discovery knows and
// which addresses administer this node. Its methods may be called from any goroutine.
type inputs struct {
	cfg    *Config
	views  *wake.Signal
	marked marker
	files  *certificateFiles

	loading *loading // of the loop; nil: none is under way

	changed   wake.Signal                  // the snapshot or the control addresses have changed
	overrides atomic.Pointer[lb.Overrides] // memberStates writes it; nil: there are none
}

// intent is what operators asked for now, with what has been issued for it.
func (i *inputs) intent(ctx context.Context) (lb.Intent, error) {
	in, err := i.cfg.Intents.Load(ctx)
	if err != nil {
		return lb.Intent{}, fmt.Errorf("loading the stored configuration: %w", err)
	}
	return i.cfg.withIssued(in), nil
}

// storeTime is how long the loop waits for the stored intent at most. It is in memory,
// except after a failure of the disk.
const storeTime = 5 * time.Second

// A loading is an intent that is being loaded for the loop.
type loading struct {
	done   chan struct{}
	intent lb.Intent
	err    error
}

func (l *loading) isOver() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// intentSoon is intent for the loop, which does not wait for a disk that hangs. Only the
// loop calls it.
func (i *inputs) intentSoon(ctx context.Context) (lb.Intent, error) {
	l := i.loading
	if l == nil || l.isOver() { // what was loaded meanwhile may be old
		l = &loading{done: make(chan struct{})}
		go func() {
			l.intent, l.err = i.intent(ctx)
			close(l.done)
		}()
	}
	timer := time.NewTimer(storeTime)
	defer timer.Stop()
	select {
	case <-l.done:
		i.loading = nil
		return l.intent, l.err
	case <-timer.C:
		i.loading = l
		return lb.Intent{}, &lb.UnavailableError{What: "the database has not answered within " + storeTime.String()}
	}
}

// snapshot is what discovery knows now, with the overrides of members. Instances at
// control addresses are refused.
func (i *inputs) snapshot() lb.Snapshot {
	snap := i.marked.mark(i.cfg.Source.Snapshot(), i.control())
	snap.Overrides = i.overrides.Load()
	return snap
}

// control is which addresses administer this node now.
func (i *inputs) control() *lb.Control {
	if i.cfg.Control == nil {
		return nil
	}
	return i.cfg.Control()
}

// made is the intent with a changeset, unless it leads to control addresses or would take
// the last members from a backend.
func (i *inputs) made(in lb.Intent, set stage.Changeset) (lb.Intent, error) {
	control := i.control()
	for n, e := range set.Edits {
		if err := control.Check(e); err != nil {
			return lb.Intent{}, stage.About(n, err)
		}
	}
	next, err := set.Apply(in)
	if err != nil {
		return next, err
	}
	next = i.cfg.withIssued(next)
	if err := i.checkKeys(in, next, set.Trial); err != nil {
		return next, err
	}
	snap := i.snapshot()
	for _, need := range in.NeedHealthy(set.Edits) {
		if err := snap.Services[need.Backend.Service].CheckHealthy(need.Backend, 0); err != nil {
			return next, stage.About(need.Edit, err)
		}
	}
	return next, nil
}

// broadcast wakes all that wait for a change of the snapshot, or show it.
func (i *inputs) broadcast() {
	i.changed.Broadcast()
	i.views.Broadcast()
}

// await waits until done accepts the answer for a service, at most for the time given.
// known is false when Consul has not answered about the service at all.
func (i *inputs) await(ctx context.Context, name lb.Name, most time.Duration, done func(lb.Service) bool) (s lb.Service, known, ok bool) {
	deadline := time.NewTimer(most)
	defer deadline.Stop()
	for over := false; ; {
		next := i.changed.Next()
		s, known = i.snapshot().Services[name]
		if ok = known && done(s); ok || over {
			return s, known, ok
		}
		select {
		case <-next:
		case <-deadline.C:
			over = true // the loop may be too busy to broadcast: look once more
		case <-ctx.Done():
			return s, known, false
		}
	}
}

// awaitAnswer waits until Consul has answered about a service, at most for the time
// given, and reports whether it has.
func (i *inputs) awaitAnswer(ctx context.Context, name lb.Name, most time.Duration) bool {
	_, known, _ := i.await(ctx, name, most, func(lb.Service) bool { return true })
	return known
}

// unanswered lists the services of an intent that nothing is known about, not even
// from an earlier run.
func unanswered(in lb.Intent, snap lb.Snapshot) []lb.Name {
	return slices.DeleteFunc(in.Services(), func(s lb.Name) bool {
		_, known := snap.Services[s]
		return known
	})
}
