package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"thalassa/lb"
	"thalassa/plan"
	"thalassa/template"
)

// settleTime bounds how long an accepted change is waited for; a change that
// takes longer is answered as accepted and not yet in effect.
const settleTime = 30 * time.Second

// Edit carries out one change an operator asked for and returns when it is in
// effect. Errors: those of lb.Intent.Apply and lb.Control.Check; *lb.RefusedError when HAProxy
// would not take the result; *lb.UnavailableError when that cannot be told now.
// After an error what was asked for and what runs are as before.
func (a *Agent) Edit(ctx context.Context, e lb.Edit) (lb.Applied, error) {
	if e.Backend != nil && e.Backend.Type == "dynamic" {
		// With its members known, the first configuration that names the
		// backend has them.
		defer a.interest.borrow(e.Backend.Service)()
		a.await(ctx, e.Backend.Service, a.cfg.FirstAnswer, func(lb.Service) bool { return true })
	}
	refused, doubt := a.judgeLines(e)
	if refused != nil {
		return lb.Applied{}, refused
	}
	base := uint64(0)
	applied, err := a.change(ctx, e.Stamp, doubt, func(in lb.Intent) (lb.Intent, error) {
		base = in.Revision
		if err := a.control().Check(e); err != nil {
			return lb.Intent{}, err
		}
		return in.Apply(e)
	})
	if err == nil && applied.Revision > base {
		a.cfg.Journal.Note(editedEvent(e, applied))
		a.wakeScribe()
	}
	return applied, err
}

// Switch points a backend at another version, or divides its traffic between
// versions, and returns when that is in effect. Unless forced it first looks, at
// most for s.Wait, for a healthy instance of each version that is to get traffic:
// without one the error is a *lb.ConflictError that lists the versions there are.
// Other errors are those of lb.Intent.Switched and of Edit.
func (a *Agent) Switch(ctx context.Context, s lb.Switch) (lb.Applied, error) {
	in, err := a.Intent(ctx)
	if err != nil {
		return lb.Applied{}, err
	}
	b, err := in.Switched(s)
	if err != nil {
		return lb.Applied{}, err
	}
	defer a.interest.borrow(b.Service)()
	if !s.Force {
		if err := a.awaitHealthy(ctx, b, s.Wait); err != nil {
			return lb.Applied{}, err
		}
	}
	var base uint64
	var before lb.Backend
	applied, err := a.change(ctx, s.Stamp, nil, func(in lb.Intent) (lb.Intent, error) {
		// Others may have had their turn meanwhile, here and in Consul.
		var err error
		if b, err = in.Switched(s); err != nil {
			return lb.Intent{}, err
		}
		if service := a.Snapshot().Services[b.Service]; !s.Force && len(service.Missing(b.Split())) > 0 {
			return lb.Intent{}, &lb.ConflictError{ID: b.ID(), Reason: noHealthy(b, service, 0)}
		}
		base, before = in.Revision, in.Backends[s.Backend]
		return in.Apply(lb.Edit{Backend: &b, IfMatch: s.IfMatch, Stamp: s.Stamp})
	})
	if err == nil && applied.Revision > base {
		a.cfg.Journal.Note(switchedEvent(before, b, s.Stamp, applied))
		a.wakeScribe()
	}
	return applied, err
}

func (a *Agent) awaitHealthy(ctx context.Context, b lb.Backend, wait time.Duration) error {
	healthy := func(s lb.Service) bool { return len(s.Missing(b.Split())) == 0 }
	if _, known, _ := a.await(ctx, b.Service, max(wait, a.cfg.FirstAnswer), func(lb.Service) bool { return true }); !known {
		return &lb.UnavailableError{What: "Consul has not answered about service " + string(b.Service) + " yet, so nobody knows whether " + b.Selection() + " is healthy"}
	}
	s, _, ok := a.await(ctx, b.Service, wait, healthy)
	if ok {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &lb.ConflictError{ID: b.ID(), Reason: noHealthy(b, s, wait)}
}

// noHealthy says what Consul knows instead of the versions asked for.
func noHealthy(b lb.Backend, s lb.Service, wait time.Duration) string {
	missing := s.Missing(b.Split())
	names := make([]string, len(missing))
	for i, v := range missing {
		names[i] = string(v)
	}
	reason := fmt.Sprintf("version %s of service %s has no healthy instance", strings.Join(names, ""), b.Service)
	if len(names) != 1 {
		reason = fmt.Sprintf("versions %s of service %s have no healthy instance", strings.Join(names, " and "), b.Service)
	}
	if wait > 0 {
		reason += " after " + wait.String()
	}
	if s.Hold != nil && slices.ContainsFunc(missing, s.Keeps) {
		return reason + " that Consul still lists (" + s.Hold.String() + ")"
	}
	known := s.Versions()
	versions := make([]string, len(known))
	for i, v := range known {
		versions[i] = fmt.Sprintf("%s (%d of %d healthy)", v.Version, v.Healthy, v.Total)
	}
	if len(versions) == 0 {
		return reason + "; Consul knows no instance of that service"
	}
	return reason + "; Consul knows " + strings.Join(versions, ", ")
}

// change makes one new revision out of the newest: next is worked out, proven
// by HAProxy, committed, and waited for. A revision that HAProxy cannot start is
// taken back by another revision. A doubt, unless nil, is the error for what HAProxy
// does not refuse.
func (a *Agent) change(ctx context.Context, by lb.Stamp, doubt error, edit func(lb.Intent) (lb.Intent, error)) (lb.Applied, error) {
	begin := a.cfg.Now()
	if err := a.lockChanges(ctx); err != nil {
		return lb.Applied{}, err
	}
	defer a.unlockChanges()
	before, err := a.Intent(ctx)
	if err != nil {
		return lb.Applied{}, err
	}
	next, err := edit(before)
	if err != nil {
		return lb.Applied{}, err
	}
	if err := cmp.Or(a.prove(ctx, next), doubt); err != nil {
		return lb.Applied{}, err
	}
	defer a.interest.borrow(before.Services()...)() // for going back
	awaited := a.expect(pending{revision: before.Revision + 1, by: by})
	defer a.forget(awaited)
	rev, err := a.cfg.Intents.Commit(ctx, before.Revision, next, by)
	if err != nil {
		return lb.Applied{}, fmt.Errorf("storing the change: %w", err)
	}
	// From here on the change is stored; that the caller went away must not
	// leave it half done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	var out outcome
	if rev.Number > before.Revision {
		next.Revision = rev.Number
		a.interest.require(next)
		a.note(&unproven{rev: rev, before: before})
		out = a.awaitRound(ctx, awaited)
		if refused, ok := errors.AsType[*lb.RefusedError](out.err); ok {
			return lb.Applied{}, a.takeBack(ctx, before, rev, refused)
		}
		if out.err == nil {
			a.note(nil) // that round may have been before the note
		}
	} else {
		out = a.standing(ctx, rev)
	}
	applied := lb.Applied{Applied: out.err == nil, Path: out.path, Duration: a.cfg.Now().Sub(begin), Revision: rev.Number}
	if out.err != nil {
		applied.Path, applied.Reason = pathNone, out.err.Error()
	}
	return applied, nil
}

// standing is how it stands with a revision that is stored already: a change
// that changes nothing is in effect only if that is.
func (a *Agent) standing(ctx context.Context, rev lb.Revision) outcome {
	out := a.lastOutcome()
	if out.revision < rev.Number { // no round has looked at it, as right after the start
		awaited := a.expect(pending{revision: rev.Number, by: rev.Stamp})
		defer a.forget(awaited)
		out = a.awaitRound(ctx, awaited)
	}
	out.path = pathNone
	return out
}

// prove has the candidate rendered, and checked by HAProxy, before anything is
// stored.
func (a *Agent) prove(ctx context.Context, next lb.Intent) error {
	snap := a.Snapshot()
	kept, err := a.recall(ctx, next, snap)
	if err != nil {
		return err
	}
	now := a.effective.Load()
	next.Revision++ // it is another one, whatever it will be called
	config := recalled(now.resolve(next, snap, a.cfg.Process, a.control()), kept)
	if now != nil && len(plan.Compute(&now.config, config).Reload) == 0 {
		return nil // only members change, for which HAProxy needs no new file
	}
	rendered, err := a.template.current().Render(config)
	if err != nil {
		return err
	}
	return a.cfg.HAProxy.Check(ctx, rendered.Bytes)
}

// lockChanges admits one change at a time, and none once the agent is stopping.
func (a *Agent) lockChanges(ctx context.Context) error {
	select {
	case a.changing <- struct{}{}:
	case <-a.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-a.ended: // the slot does not matter any more
		return &lb.UnavailableError{What: stopping}
	default:
		return nil
	}
}

const stopping = "the agent is stopping"

func (a *Agent) unlockChanges() { <-a.changing }

// pending is what the change under way waits for: a round that looks at its
// revision, and uses its template.
type pending struct {
	revision uint64
	template *template.Template // nil: any
	by       lb.Stamp
	done     chan outcome // one slot
}

// meets reports whether the outcome is the one waited for.
func (p *pending) meets(out outcome) bool {
	return out.revision >= p.revision && (p.template == nil || p.template == out.template)
}

// expect announces what a change will wait for before it happens, so that the
// round that deals with it knows its cause and where to report. The caller
// holds the change lock.
func (a *Agent) expect(p pending) *pending {
	p.done = make(chan outcome, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending = &p
	return &p
}

func (a *Agent) forget(p *pending) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pending == p {
		a.pending = nil
	}
}

// awaitRound asks for a round and waits for the first that meets p.
func (a *Agent) awaitRound(ctx context.Context, p *pending) outcome {
	a.Look()
	what := stopping
	select {
	case out := <-p.done:
		return out
	case <-a.ended:
	case <-ctx.Done():
		what = "HAProxy has not taken the change within " + settleTime.String()
	}
	select {
	case out := <-p.done: // the last round
		return out
	default:
		return outcome{err: &lb.UnavailableError{What: what}}
	}
}
