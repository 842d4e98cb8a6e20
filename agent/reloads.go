package agent

import (
	"context"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"thalassa/lb"
	"thalassa/plan"
)

// A reloadSchedule says when the loop may reload HAProxy: it keeps to the rate, and defers those that Consul triggered. It belongs to the loop's goroutine.
type reloadSchedule struct {
	cfg  *Config
	rate *reloadRate
	due  time.Time // when a deferred reload is due; zero: none is deferred
}

// A reloadRate bounds the rate of all reloads. Its methods may be called from any
// goroutine.
type reloadRate struct{ limiter *rate.Limiter }

func newReloadRate(cfg *Config) *reloadRate {
	return &reloadRate{limiter: rate.NewLimiter(rate.Every(cfg.ReloadEvery), cfg.ReloadBurst)}
}

// set is another rate from now on.
func (r *reloadRate) set(t *Tuning) {
	r.limiter.SetLimit(rate.Every(t.ReloadEvery))
	r.limiter.SetBurst(t.ReloadBurst)
}

// wait waits until the rate allows another reload, and reports whether that took time.
func (r *reloadRate) wait(ctx context.Context) (waited bool, err error) {
	if r.limiter.Allow() {
		return false, nil
	}
	return true, r.limiter.Wait(ctx)
}

// awaitAllowed waits until a reload would not have to wait.
func (r *reloadRate) awaitAllowed(ctx context.Context) {
	missing := 1 - r.limiter.Tokens()
	if missing <= 0 {
		return
	}
	timer := time.NewTimer(time.Duration(missing / float64(r.limiter.Limit()) * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// defers reports whether a reload is not due yet. Its time is chosen at random, once for
// all changes until then.
func (s *reloadSchedule) defers(change plan.Change) bool {
	if s.due.IsZero() {
		wait := s.cfg.Chance(s.cfg.tuned().ReloadJitter)
		s.due = time.Now().Add(wait)
		s.cfg.Logger.Info("reload deferred", "wait", wait, "reasons", enumerate(change.Diff()))
	}
	return time.Now().Before(s.due)
}

// clear ends the deferral: HAProxy runs what is wanted.
func (s *reloadSchedule) clear() { s.due = time.Time{} }

// mayDefer reports whether a reload can be deferred: there is a HAProxy to reload, and
// only a change in Consul calls for it.
func (r *reconciler) mayDefer(t target) bool {
	return t.tuning.ReloadJitter > 0 && !r.running.idle && t.intent.Revision == r.running.revision &&
		t.snapshot.Overrides == r.running.snapshot.Overrides && t.config.Process.Equal(r.running.config.Process) && !r.running.awaitsReload()
}

// deferReload changes the members that HAProxy takes without a reload. A backend that
// would have no member until the reload does not wait for it. Consul's change itself is
// recorded with the reload; whether Consul's answer is stale is recorded at once.
func (r *reconciler) deferReload(ctx context.Context, t target) outcome {
	r.reporter.freshness(t.snapshot)
	r.servers.update(ctx, t.snapshot)
	t.config = r.running.resolve(r.inputs.files.available(t.intent), t.snapshot, t.tuning.processWith(r.cfg, t.template), t.control)
	change := r.difference(t)
	switch {
	case ctx.Err() != nil:
		return outcome{err: ctx.Err()}
	case len(change.Reload) == 0: // the slots that others have left were enough
		return r.adjust(ctx, t, change)
	case losesAllMembers(r.running.config, t.config):
		return r.reload(ctx, t, change)
	}
	return t.outcome(pathNone, nil)
}

// losesAllMembers reports whether a backend of running has none of the members that are
// wanted, though there are some.
func losesAllMembers(running, wanted lb.Config) bool {
	now := map[lb.Name][]lb.Member{}
	for _, p := range running.Backends {
		now[p.Key] = p.Members
	}
	return slices.ContainsFunc(wanted.Backends, func(p lb.ResolvedBackend) bool {
		serves := func(m lb.Member) bool {
			return slices.ContainsFunc(now[p.Key], func(n lb.Member) bool { return n.Address == m.Address })
		}
		return len(p.Members) > 0 && !slices.ContainsFunc(p.Members, serves)
	})
}
