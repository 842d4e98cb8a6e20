package agent

import (
	"context"

	"thalassa/lb"
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
	var unknown error
	var before, after lb.Intent
	applied, err := c.change(ctx, set.Origin, doubt, func(in lb.Intent) (_ lb.Intent, err error) {
		before = in
		after, err = c.inputs.made(in, set)
		unknown = unknownTargets(after, set)
		return after, err
	})
	if unknown != nil && isRefusal(err) {
		err = unknown // it names the field, and HAProxy a line
	}
	if err != nil {
		return applied, err
	}
	applied.Changes = before.Changes(after)
	c.warn(ctx, set.Concerns(), &applied)
	applied.Warnings = append(applied.Warnings, c.local.of(after, set.Objects())...)
	applied.Warnings = append(applied.Warnings, set.Ineffective()...)
	if applied.Revision > before.Revision {
		note(c.cfg.Journal, set, applied)
		c.persister.wake()
	}
	return applied, nil
}

// note writes a changeset that made a revision to the activity log.
func note(journal Journal, set stage.Changeset, applied lb.Applied) {
	if len(set.Edits) == 1 {
		journal.Note(editedEvent(set.Edits[0], set.Origin, applied))
		return
	}
	journal.Note(changesetEvent(set.Origin, applied))
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
		if err := e.UnknownTargets(next); err != nil {
			return stage.About(i, err)
		}
	}
	return nil
}
