package agent

import (
	"cmp"
	"context"

	"thalassa/lb"
	"thalassa/plan"
	"thalassa/stage"
)

// apply carries out a changeset as one revision and returns when it is in effect.
func (c *changes) apply(ctx context.Context, set stage.Changeset) (lb.Applied, error) {
	defer c.learn(ctx, set)()
	doubt, err := c.lines.checkAll(set)
	if err != nil {
		return lb.Applied{}, err
	}
	if err := c.awaitServed(ctx, set); err != nil {
		return lb.Applied{}, err
	}
	base := uint64(0)
	var unknown error
	var before lb.Intent
	applied, err := c.change(ctx, set.Origin, doubt, func(in lb.Intent) (lb.Intent, error) {
		base, before = in.Revision, in
		next, err := c.inputs.made(in, set)
		unknown = unknownTargets(next, set)
		return next, err
	})
	if unknown != nil && isRefusal(err) {
		err = unknown // it names the field, and HAProxy a line
	}
	if err != nil {
		return applied, err
	}
	c.warn(ctx, set.Concerns(), &applied)
	if applied.Revision > base {
		noteChangeset(c.cfg.Journal, set, before, applied)
		c.persister.wake()
	}
	return applied, nil
}

// noteChangeset writes a changeset that made a revision to the activity log.
func noteChangeset(journal Journal, set stage.Changeset, before lb.Intent, applied lb.Applied) {
	if len(set.Edits) == 1 {
		journal.Note(editedEvent(set.Edits[0], set.Origin, applied))
		return
	}
	next, err := set.Apply(before)
	if err != nil { // it has been applied to the same intent
		return
	}
	journal.Note(changesetEvent(set, before.Changes(next), applied))
}

// learn has discovery watch the services that a changeset asks for, so that the first
// configuration with their backends has members. It waits for Consul's first answers. The
// services are watched at least until release is called.
func (c *changes) learn(ctx context.Context, set stage.Changeset) (release func()) {
	services := set.Services()
	if len(services) == 0 {
		return func() {}
	}
	release = c.interest.borrow(services...)
	deadline := c.cfg.Now().Add(c.cfg.FirstAnswer)
	for _, service := range services {
		c.inputs.awaitAnswer(ctx, service, max(0, deadline.Sub(c.cfg.Now())))
	}
	return release
}

// checkAll asks what the raw lines of all edits reach. doubt holds only if HAProxy accepts
// them.
func (w *lineWarnings) checkAll(set stage.Changeset) (doubt, err error) {
	for i, e := range set.Edits {
		refused, d := w.check(e)
		if refused != nil {
			return nil, stage.About(i, refused)
		}
		doubt = cmp.Or(doubt, stage.About(i, d))
	}
	return doubt, nil
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
	snap := i.snapshot()
	for _, need := range in.NeedHealthy(set.Edits) {
		if err := snap.Services[need.Backend.Service].CheckHealthy(need.Backend, 0); err != nil {
			return next, stage.About(need.Edit, err)
		}
	}
	return next, nil
}

// awaitServed waits for the healthy instances that a changeset needs.
func (c *changes) awaitServed(ctx context.Context, set stage.Changeset) error {
	in, err := c.inputs.intent(ctx)
	if err != nil {
		return err
	}
	needs := in.NeedHealthy(set.Edits)
	if len(needs) == 0 {
		return nil
	}
	if _, err := set.Apply(in); err != nil { // nothing to wait for
		return err
	}
	for _, need := range needs {
		if err := c.awaitHealthy(ctx, need.Backend, need.Wait); err != nil {
			return stage.About(need.Edit, err)
		}
	}
	return nil
}

// unknownTargets is the error about the first frontend whose raw lines route to something
// that is no backend.
func unknownTargets(next lb.Intent, set stage.Changeset) error {
	for i, e := range set.Edits {
		if err := next.UnknownTargets(e); err != nil {
			return stage.About(i, err)
		}
	}
	return nil
}

// preview tells what a changeset would do now.
func (c *changes) preview(ctx context.Context, set stage.Changeset) (stage.Preview, error) {
	defer c.learn(ctx, set)()
	doubt, err := c.lines.checkAll(set)
	if err != nil {
		return stage.Preview{}, err
	}
	in, err := c.inputs.intent(ctx)
	if err != nil {
		return stage.Preview{}, err
	}
	next, err := c.inputs.made(in, set)
	if err != nil {
		return stage.Preview{}, err
	}
	out := stage.Preview{Base: in.Revision, Changes: in.Changes(next), Path: pathNone}
	if len(out.Changes) == 0 {
		return out, doubt
	}
	candidate, err := c.candidate(ctx, next)
	if err != nil {
		return out, err
	}
	select { // a check costs a process
	case c.proving <- struct{}{}:
		defer func() { <-c.proving }()
	case <-ctx.Done():
		return out, context.Cause(ctx)
	}
	if out.After, err = c.checkText(ctx, candidate); err != nil {
		return out, cmp.Or(unknownTargets(next, set), err)
	}
	if doubt != nil {
		return out, doubt
	}
	for _, empty := range emptyBackends(next, c.inputs.snapshot(), nil, set.Concerns()) {
		out.Warnings = append(out.Warnings, empty.String())
	}
	return out, compare(&out, c.current.Load(), c.renderer, candidate)
}

// compare adds to a preview what HAProxy runs now and what it takes to get from there to
// the candidate. now is nil if HAProxy does not run yet.
func compare(out *stage.Preview, now *effective, r *renderer, candidate lb.Config) error {
	if now == nil {
		out.Path, out.Reasons = pathReload, []string{"HAProxy does not run yet"}
		return nil
	}
	before, err := r.render(now.template, now.config)
	if err != nil {
		return err
	}
	out.Before = before.Bytes
	change := plan.Compute(&now.config, candidate)
	switch why := now.fixesLines(candidate, change); {
	case why != "":
		change = change.WithoutLines(why)
	case change.Empty():
		return nil
	}
	out.Path = pathRuntime
	for _, reason := range change.Reload {
		out.Path = pathReload
		out.Reasons = append(out.Reasons, reason.Object+" "+reason.What)
	}
	return nil
}
