package jobs

import (
	"context"
	"errors"
	"maps"

	"thalassa/cluster"
	"thalassa/pacemaker"
)

// undoWrite is the number of the write that takes back those before it.
const undoWrite = 1000

// stage is a stage of an action, or of the write that takes the others back.
func (t *task) stage(n int) pacemaker.Stage {
	g := pacemaker.Stage{Action: t.action(), Number: n, Mark: t.rec.mark(n), Was: t.rec.Was, Foretell: n == 0}
	if g.Action.IsOfHAProxy() {
		g.Nodes, g.Undo, g.First = t.rec.Restarts, n == undoWrite, t.first
	}
	return g
}

// action is what is asked for; of a job that another agent has begun, what its document has.
func (t *task) action() cluster.Action {
	if t.asked != nil {
		return *t.asked
	}
	return t.rec.action()
}

// errUndone ends a job whose change another agent has taken back before it was lost.
var errUndone = errors.New("its change was taken back, and its node was lost then")

func (t *task) isOfHAProxy() bool { return t.rec.Action != nil && t.rec.action().IsOfHAProxy() }

// made notes the step of a write that this agent has made.
func (t *task) made(n int, step pacemaker.Step) {
	if n == 0 {
		t.first = &step
	}
	t.last = &step
}

// goOn makes the writes of an action on HAProxy that follow the first one, which has settled with
// err. If one fails, HAProxy gets back what it had before.
func (c carrier) goOn(ctx context.Context, t *task, err error) error {
	for err == nil && t.rec.Written > 0 && t.rec.Written < t.stages() {
		n := t.rec.Written
		if err = c.cfg.Steps.As(t.order.User).Vacate(ctx, t.stage(n)); err == nil {
			err = c.write(ctx, t, n)
		}
		if err == nil {
			err = c.settle(ctx, t, n)
		}
	}
	if err == nil || t.rec.Written == 0 || t.base.Err() != nil || errors.Is(err, errStopping) {
		return err
	}
	if t.rec.Kind == cluster.Rollout || t.rec.Written < t.stages() {
		return c.undo(context.WithoutCancel(ctx), t, err)
	}
	return err
}

// undo takes back what was written, and gives the error with what has come of that.
func (c carrier) undo(ctx context.Context, t *task, cause error) error {
	end, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	step, err := c.plan(end, t, undoWrite)
	if err == nil {
		err = c.make(end, t, undoWrite, step)
	}
	if err == nil {
		err = c.settle(ctx, t, undoWrite)
	}
	if err != nil {
		return &undoneError{cause: cause, failed: err}
	}
	if t.rec.Rollout != nil {
		t.rec.Rollout.To = t.rec.Rollout.From
	}
	return &undoneError{cause: cause, to: t.rec.Was}
}

// An undoneError is why a change of HAProxy was taken back.
type undoneError struct {
	cause  error
	failed error  // of taking it back
	to     string // the generation; empty: it was no rollout
}

// Error says why, and what has come of the change.
func (e *undoneError) Error() string { return e.cause.Error() + "; " + e.outcome() }

// outcome says what has come of the change.
func (e *undoneError) outcome() string {
	switch {
	case e.failed != nil:
		return "taking the change back failed: " + e.failed.Error()
	case e.to != "":
		return "reverted to generation " + e.to
	}
	return "HAProxy has its parameters from before again"
}

// Unwrap gives the cause.
func (e *undoneError) Unwrap() error { return e.cause }

// settleHAProxy waits for the cluster after a write of an action on HAProxy.
func (c carrier) settleHAProxy(ctx context.Context, t *task, n int) error {
	v, done, err := c.cfg.Steps.SettleHAProxy(ctx, t.stage(n), t.last, t.rec.Begun)
	if done != nil {
		t.rec.Rollout = done
	}
	if v.State != "" {
		t.status = v
	}
	return err
}

// announceHAProxy fills what the document of an action on HAProxy has beside that of others.
func (t *task) announceHAProxy(step pacemaker.Step) {
	if !t.isOfHAProxy() {
		return
	}
	t.rec.Changes, t.rec.Restarts, t.rec.Rollout = step.Changes, step.Nodes, step.Rollout
	if len(t.rec.Commands) == 0 {
		t.rec.Commands = []string{t.rec.Kind + " " + t.rec.Object}
	}
}

// withoutVacated leaves out the floating IPs that went elsewhere on purpose, while HAProxy
// restarted node by node.
func (r record) withoutVacated(places map[string]string) map[string]string {
	if len(r.Restarts) == 0 {
		return places
	}
	out := maps.Clone(places)
	for _, id := range pacemaker.FloatingIPsOf(r.Action.Resource, maps.Keys(places)) {
		delete(out, id)
	}
	return out
}
