package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"thalassa/activity"
	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/internal/permit"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// maxWrites is how often a write is computed again because somebody else has changed the
// configuration meanwhile.
const maxWrites = 10

const (
	// maxForetold bounds record.Foretold.
	maxForetold = 300
	// endWithin limits the last write of a move or restart.
	endWithin = time.Minute
)

// A task is a job that is carried out here.
type task struct {
	rec   record
	order cluster.Order
	edits []config.Edit
	// ctx has the rights of the caller, and does not end with its request.
	ctx context.Context //nolint:containedctx // see above
	// resumed: another agent, or a former start of this one, has begun it.
	resumed bool
	wrote   bool // a write was tried

	cancel     context.CancelCauseFunc // set before cancelable is closed
	cancelable chan struct{}
	begun      chan struct{} // closed when its document is on the nodes
	done       chan struct{} // closed when the fields below are final

	before    map[string]string // places
	starts    map[string]string
	predicted cluster.Status
	status    cluster.Status
	outcome   config.Outcome
	err       error
}

func newTask(ctx context.Context, o cluster.Order) *task {
	t := &task{order: o, ctx: context.WithoutCancel(ctx), cancelable: make(chan struct{}), begun: make(chan struct{}), done: make(chan struct{})}
	t.rec = record{Job: cluster.Job{ID: idOf(o), State: cluster.JobRunning, Author: o.Author}, Request: requestOf(o)}
	return t
}

// stop cancels the task.
func (t *task) stop() {
	<-t.cancelable
	t.cancel(errCanceled)
}

func encodeRecord(rec record) ([]byte, error) { return json.Marshal(rec) }

func (t *task) stages() int {
	if t.rec.Action == nil {
		return 1
	}
	return pacemaker.Stages(t.rec.action())
}

// carryOut makes the writes of a task that are not made yet, each followed by the wait for
// the cluster.
func (r *Runner) carryOut(ctx context.Context, t *task) {
	err := r.resume(ctx, t)
	if err != nil && !errors.Is(err, errInterrupted) { // it is tried again
		t.err = err
		return
	}
	if err == nil && t.rec.Written == 0 {
		err = r.write(ctx, t, 0)
	}
	if err == nil {
		err = r.settle(ctx, t, t.rec.Written-1)
	}
	for n := t.rec.Written; n > 0 && n < t.stages(); n++ { // also after an error
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
		failed := r.write(end, t, n)
		cancel()
		switch {
		case err != nil:
		case failed != nil:
			err = failed
		default:
			err = r.settle(ctx, t, n)
		}
		if failed != nil {
			break
		}
	}
	r.finish(context.WithoutCancel(ctx), t, err)
}

// errInterrupted ends a job that was begun elsewhere and has not changed anything.
var errInterrupted = errors.New("its node was lost before it changed anything; send the request again with the same Idempotency-Key to begin it again")

// resume finds out which writes of a task somebody else has made.
func (r *Runner) resume(ctx context.Context, t *task) error {
	if !t.resumed {
		return nil
	}
	for n := t.rec.Written; n < t.stages(); n++ {
		marked, err := r.cfg.Steps.IsMarked(ctx, t.rec.mark(n))
		if err != nil {
			return err
		}
		if !marked {
			break
		}
		t.rec.Written = n + 1
	}
	if t.rec.Written == 0 {
		return errInterrupted
	}
	return nil
}

// plan computes a write.
func (r *Runner) plan(ctx context.Context, t *task, n int) (pacemaker.Step, error) {
	steps := r.cfg.Steps.As(t.order.User)
	if t.rec.Action == nil {
		step, out, err := steps.PlanEdits(ctx, t.edits, t.rec.mark(n))
		t.outcome = out
		return step, err
	}
	g := pacemaker.Stage{Action: t.rec.action(), Number: n, Mark: t.rec.mark(n), Was: t.rec.Was, Foretell: n == 0}
	step, err := steps.Plan(ctx, g)
	if n == 0 && pacemaker.IsTimeout(err) && ctx.Err() == nil { // of the scheduler, in a large cluster
		g.Foretell = false
		if step, err = steps.Plan(ctx, g); err == nil {
			t.rec.Deviations = []string{"nothing was foretold: the scheduler did not answer in time"}
		}
	}
	return step, err
}

// write makes a write of the task, unless it was made already.
func (r *Runner) write(ctx context.Context, t *task, n int) error {
	for try := 1; ; try++ {
		step, err := r.plan(ctx, t, n)
		if err != nil {
			return err
		}
		if n == 0 && try == 1 {
			if err := r.announce(ctx, t, step); err != nil {
				return err
			}
		}
		if n == 0 && !step.Done {
			if err := cmp.Or(permit.Check(ctx), context.Cause(ctx)); err != nil {
				return err
			}
		}
		if step.Done || step.Nothing {
			break
		}
		t.wrote = true
		err = r.cfg.Steps.As(t.order.User).Write(context.WithoutCancel(ctx), step, t.rec.mark(n))
		if pacemaker.IsStale(err) && try < maxWrites {
			continue
		}
		if err != nil {
			return err
		}
		break
	}
	t.rec.Written = n + 1
	t.rec.Version++
	if n+1 < t.stages() {
		return r.keep(ctx, t.rec)
	}
	return nil
}

// announce fills the document of a job that is about to begin, and has another node keep it,
// too.
func (r *Runner) announce(ctx context.Context, t *task, step pacemaker.Step) error {
	rec := &t.rec
	rec.Node, rec.Begun, rec.State = r.cfg.View().Self, r.cfg.Now(), cluster.JobRunning
	rec.Version, rec.Was, rec.Epochs = rec.Version+1, step.Was, cluster.JobEpochs{Before: step.Epoch}
	rec.Commands, rec.Changes, rec.Predicted = step.Commands, t.outcome.Changes, step.Predicted.Actions
	t.before, t.starts, t.predicted = cluster.Places(step.Before), step.Starts, step.Predicted.After
	if step.Predicted.After.Resources != nil {
		rec.Foretold = cluster.Moved(t.before, cluster.Places(step.Predicted.After))
		for id := range maps.Keys(rec.Foretold) {
			if len(rec.Foretold) <= maxForetold {
				break
			}
			delete(rec.Foretold, id)
		}
		rec.From = map[string]string{}
		for id := range rec.Foretold {
			rec.From[id] = t.before[id]
		}
	}
	r.share.mu.Lock()
	listened := r.share.listened
	r.share.mu.Unlock()
	if !listened {
		r.listen(ctx)
	}
	if err := r.save(ctx, []record{*rec}); err != nil {
		return err
	}
	seq := r.share.put([]record{*rec})
	r.told.Send()
	rec.Kept = append([]string{rec.Node}, r.share.await(ctx, seq)...)
	rec.Version++
	if err := r.save(ctx, []record{*rec}); err != nil {
		return err
	}
	close(t.begun)
	return nil
}

// settle waits for the cluster after a write, and checks what has come of it.
func (r *Runner) settle(ctx context.Context, t *task, n int) error {
	var err error
	if t.rec.Action != nil {
		t.status, err = r.cfg.Steps.Settle(ctx, t.rec.action(), n)
	} else {
		t.status, err = r.cfg.Steps.Settled(ctx, t.rec.WaitFor)
		if err == nil && t.predicted.Resources != nil {
			err = pacemaker.CheckService(t.status, t.predicted)
		}
	}
	if t.status.State != "" {
		status := t.status
		t.outcome.Cluster = &status
		r.cfg.Fresh(context.WithoutCancel(ctx), t.status.Epoch)
	}
	return err
}

// finish ends a task, unless the agent stops: then it stays as it is.
func (r *Runner) finish(ctx context.Context, t *task, err error) {
	t.err = err
	rec := &t.rec
	if errors.Is(err, errStopping) || err != nil && r.stopping() {
		t.err = &lb.UnavailableError{What: "Thalassa is shutting down; job " + rec.ID + " goes on without it"}
		return
	}
	if rec.Begun.IsZero() { // it was refused before it began
		r.note(ctx, *rec, err)
		return
	}
	rec.Ended, rec.Version, rec.State = r.cfg.Now(), rec.Version+1, cluster.JobDone
	rec.Result, rec.Code = "done", ""
	r.compare(ctx, t)
	if err != nil {
		r.fail(t, err)
	} else if len(rec.Deviations) > 0 {
		rec.Result = "done, but not as foretold: " + strings.Join(rec.Deviations, "; ")
	}
	if err := r.keep(ctx, *rec); err != nil {
		r.cfg.Logger.ErrorContext(ctx, "job not stored", "job", rec.ID, "error", err)
	}
	rec.Job = rec.Bounded()
	r.note(ctx, *rec, err)
}

func (r *Runner) stopping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.base.Err() != nil
}

// fail notes why a job has failed.
func (r *Runner) fail(t *task, err error) {
	rec := &t.rec
	rec.State, rec.Code = cluster.JobFailed, codeOf(err)
	switch {
	case errors.Is(err, errInterrupted):
		rec.Code = codeInterrupted
	case errors.Is(err, errCanceled) || errors.Is(err, context.Canceled) && r.job(rec.ID).CanceledBy != "":
		rec.State, rec.Code = cluster.JobCanceled, "canceled"
		rec.CanceledBy = r.job(rec.ID).CanceledBy
		err = errCanceled
		t.err = &lb.ConflictError{ID: "job/" + rec.ID, Reason: "it was canceled by " + rec.CanceledBy}
	case pacemaker.IsTimeout(err) && rec.Written > 0:
		rec.State = cluster.JobTimedOut
	}
	rec.Result = err.Error()
	if !t.wrote && rec.Written == 0 {
		rec.Result += "; nothing was changed"
	} else if rec.State == cluster.JobCanceled {
		rec.Result += "; the change has been made"
	}
}

// compare notes what has happened, and where it is not what was foretold.
func (r *Runner) compare(ctx context.Context, t *task) {
	rec := &t.rec
	if t.status.State == "" {
		return
	}
	rec.Epochs.After = t.status.Epoch
	places := cluster.Places(t.status)
	var moved map[string]string
	if t.before == nil { // another node has begun it
		known := map[string]string{}
		for id := range rec.From {
			known[id] = places[id]
		}
		rec.Actual = cluster.Happened(rec.From, known, nil, nil)
	} else {
		moved = cluster.Moved(t.before, places)
		if starts, err := r.cfg.Steps.Starts(ctx); err == nil {
			rec.Actual = cluster.Happened(t.before, places, t.starts, starts)
		}
	}
	if len(rec.Deviations) == 0 {
		rec.Deviations = cluster.Deviations(rec.Foretold, moved, places)
	}
}

// codeOf is a word for an error, for programs.
func codeOf(err error) string {
	if _, ok := errors.AsType[*lb.ConflictError](err); ok {
		return "conflict"
	}
	if _, ok := errors.AsType[*lb.NotFoundError](err); ok {
		return "not_found"
	}
	if e, ok := errors.AsType[*cluster.Error](err); ok {
		return string(e.Kind)
	}
	return "failed"
}

// note leaves an event about a job that has ended.
func (r *Runner) note(ctx context.Context, rec record, err error) {
	if err == nil && rec.Action == nil && len(rec.Changes) == 0 {
		return // nothing has changed
	}
	event := activity.Event{
		Verb: activity.ClusterChanged, Object: activity.Object{ID: rec.Object, Type: "cluster", Key: rec.Kind}, Cause: rec.Kind, Author: rec.Author,
	}
	if err != nil {
		event.Error = err.Error()
	}
	if !rec.Begun.IsZero() {
		event.Message = "job " + rec.ID
		event.DurationMS = float64(rec.Ended.Sub(rec.Begun).Microseconds()) / 1000
		event.Reasons = slices.Clone(rec.Deviations)
	}
	r.cfg.Record(ctx, event)
}
