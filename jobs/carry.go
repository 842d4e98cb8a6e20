package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
// configuration meanwhile. Of each node one job writes at a time.
const maxWrites = 40

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
	asked *cluster.Action // nil: the job changes the configuration, or another agent has begun it
	// ctx has the rights of the caller, and does not end with its request.
	ctx context.Context //nolint:containedctx // see above
	// base ends when the agent stops.
	base context.Context //nolint:containedctx // see above
	// resumed: another agent, or a former start of this one, has begun it.
	resumed bool
	wrote   bool // a write was tried
	found   bool // a write was there already

	first, last *pacemaker.Step // that were written here, of an action on HAProxy

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
	t.rec = record{Job: cluster.Job{ID: idOf(o), State: cluster.JobRunning, Author: o.Author, Commit: o.Commit}, Request: requestOf(o)}
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
	if len(t.rec.Restarts) > 0 {
		return len(t.rec.Restarts) + 1
	}
	return pacemaker.Stages(t.rec.action())
}

// A carrier carries out tasks. Its state is theirs.
type carrier struct {
	cfg     Config
	ledger  *ledger
	share   *sharing
	writing chan struct{} // full while a job writes; the others do not make its write stale
}

// carryOut makes the writes of a task that are not made yet, each followed by the wait for
// the cluster.
func (c carrier) carryOut(ctx context.Context, t *task) {
	if t.isOfNodes() {
		c.carryNodes(ctx, t)
		return
	}
	err := c.resumed(ctx, t)
	if err != nil && !errors.Is(err, errInterrupted) && !errors.Is(err, errUndone) && !errors.Is(err, errCanceled) { // it is tried again
		t.err = err
		return
	}
	if err == nil && t.rec.Written == 0 {
		err = c.write(ctx, t, 0)
	}
	if err == nil {
		err = c.settle(ctx, t, t.rec.Written-1)
	}
	if t.isOfHAProxy() {
		err = c.goOn(ctx, t, err)
	} else {
		err = c.end(ctx, t, err)
	}
	c.finish(context.WithoutCancel(ctx), t, err)
}

// end makes the last write of a move or restart, also after an error.
func (c carrier) end(ctx context.Context, t *task, err error) error {
	for n := t.rec.Written; n > 0 && n < t.stages(); n++ {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
		failed := c.write(end, t, n)
		cancel()
		switch {
		case err != nil:
		case failed != nil:
			err = failed
		default:
			err = c.settle(ctx, t, n)
		}
		if failed != nil {
			break
		}
	}
	return err
}

// errInterrupted ends a job that was begun elsewhere and has not changed anything.
var errInterrupted = errors.New("its node was lost before it changed anything; send the request again with the same Idempotency-Key to begin it again")

// resumed is resume, also for a job that was canceled before it came here, and ends here then.
func (c carrier) resumed(ctx context.Context, t *task) error {
	asking, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(t.base, func() { cancel(errStopping) })() //nolint:contextcheck // the agent stops
	if err := c.resume(asking, t); err != nil || !t.resumed {
		return err
	}
	return context.Cause(ctx)
}

// resume finds out which writes of a task somebody else has made.
func (c carrier) resume(ctx context.Context, t *task) error {
	if !t.resumed {
		return nil
	}
	for n := t.rec.Written; n < t.stages(); n++ {
		marked, err := c.cfg.Steps.IsMarked(ctx, t.rec.mark(n))
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
	if t.isOfHAProxy() {
		undone, err := c.cfg.Steps.IsMarked(ctx, t.rec.mark(undoWrite))
		if err != nil {
			return err
		}
		if undone {
			return errUndone
		}
	}
	return nil
}

// plan computes a write.
func (c carrier) plan(ctx context.Context, t *task, n int) (pacemaker.Step, error) {
	steps := c.cfg.Steps.As(t.order.User)
	if t.rec.Action == nil {
		step, out, err := steps.PlanEdits(ctx, t.edits, t.rec.mark(n))
		t.outcome = out
		return step, err
	}
	g := t.stage(n)
	step, err := steps.Plan(ctx, g)
	if n == 0 && !g.Action.IsOfHAProxy() && pacemaker.IsTimeout(err) && ctx.Err() == nil { // of the scheduler, in a large cluster
		g.Foretell = false
		if step, err = steps.Plan(ctx, g); err == nil {
			t.rec.Deviations = []string{"nothing was foretold: the scheduler did not answer in time"}
		}
	}
	return step, err
}

// write makes a write of the task, unless it was made already.
func (c carrier) write(ctx context.Context, t *task, n int) error {
	step, err := c.plan(ctx, t, n)
	if err != nil {
		return err
	}
	if n == 0 {
		if err := c.announce(ctx, t, step); err != nil {
			return err
		}
	}
	if err := c.make(ctx, t, n, step); err != nil {
		return err
	}
	t.rec.Written = n + 1
	t.rec.Version++
	if n+1 < t.stages() {
		return c.share.keep(ctx, t.rec)
	}
	return nil
}

// make makes a write, which is computed again whenever it is stale.
func (c carrier) make(ctx context.Context, t *task, n int, step pacemaker.Step) error {
	select {
	case c.writing <- struct{}{}:
		defer func() { <-c.writing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for try := 1; ; try++ {
		if n == 0 && !step.Done {
			if err := cmp.Or(permit.Check(ctx), context.Cause(ctx)); err != nil {
				return err
			}
		}
		if step.Done || step.Nothing {
			t.found = t.found || step.Done
			return nil
		}
		t.wrote = true
		err := c.cfg.Steps.As(t.order.User).Write(context.WithoutCancel(ctx), step, t.rec.mark(n))
		if err == nil {
			t.made(n, step)
		}
		if !pacemaker.IsStale(err) || try == maxWrites {
			return err
		}
		if step, err = c.plan(ctx, t, n); err != nil {
			return err
		}
	}
}

// announce fills the document of a job that is about to begin, and has another node keep it,
// too.
func (c carrier) announce(ctx context.Context, t *task, step pacemaker.Step) error {
	rec := &t.rec
	rec.Node, rec.Begun, rec.State = c.cfg.View().Self, c.cfg.Now(), cluster.JobRunning
	rec.Version, rec.Was, rec.Epochs = rec.Version+1, step.Was, cluster.JobEpochs{Before: step.Epoch}
	rec.Commands, rec.Changes, rec.Predicted = step.Commands, t.outcome.Changes, step.Predicted.Actions
	t.announceHAProxy(step)
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
	c.share.listenOnce(ctx)
	if err := c.ledger.save(ctx, []record{*rec}); err != nil {
		return err
	}
	rec.Kept = append([]string{rec.Node}, c.share.tell(ctx, *rec)...)
	rec.Version++
	if err := c.ledger.save(ctx, []record{*rec}); err != nil {
		return err
	}
	close(t.begun)
	return nil
}

// settle waits for the cluster after a write, and checks what has come of it.
func (c carrier) settle(ctx context.Context, t *task, n int) error {
	var err error
	switch {
	case t.isOfHAProxy():
		err = c.settleHAProxy(ctx, t, n)
	case t.rec.Action != nil:
		t.status, err = c.cfg.Steps.Settle(ctx, t.rec.action(), n)
	default:
		t.status, err = c.cfg.Steps.Settled(ctx, t.rec.WaitFor)
		if err == nil && t.predicted.Resources != nil {
			err = pacemaker.CheckService(t.status, t.predicted)
		}
	}
	if t.status.State != "" {
		status := t.status
		t.outcome.Cluster = &status
		c.cfg.Fresh(context.WithoutCancel(ctx), t.status.Epoch)
	}
	return err
}

// finish ends a task, unless the agent stops: then it stays as it is.
func (c carrier) finish(ctx context.Context, t *task, err error) {
	t.err = err
	rec := &t.rec
	if errors.Is(err, errStopping) || err != nil && t.base.Err() != nil {
		t.err = &lb.UnavailableError{What: "Thalassa is shutting down; job " + rec.ID + " goes on without it"}
		return
	}
	if rec.Begun.IsZero() { // it was refused before it began
		c.note(ctx, *rec, err)
		return
	}
	rec.Ended, rec.Version, rec.State = c.cfg.Now(), rec.Version+1, cluster.JobDone
	rec.Result, rec.Code = "done", ""
	c.compare(ctx, t)
	rec.Changed = c.changed(ctx, t, err)
	if err != nil {
		c.fail(t, err)
	} else if len(rec.Deviations) > 0 {
		rec.Result = "done, but not as foretold: " + strings.Join(rec.Deviations, "; ")
	}
	if err := c.share.keep(ctx, *rec); err != nil {
		c.cfg.Logger.ErrorContext(ctx, "job not stored", "job", rec.ID, "error", err)
		c.ledger.owe(*rec)
		c.share.offer(*rec)
	}
	rec.Job = rec.Bounded()
	c.note(ctx, *rec, err)
}

// readWithin limits the look at whether a write that has failed was made.
const readWithin = 20 * time.Second

// changed reports whether a task that ends with err has changed the cluster; nil: it is not known.
func (c carrier) changed(ctx context.Context, t *task, err error) *bool {
	switch {
	case t.isOfNodes():
		return new(t.wrote)
	case t.rec.Written > 0:
		return new(t.wrote || t.resumed || t.found)
	case !t.wrote:
		return new(false)
	}
	limited, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	marked, unread := c.cfg.Steps.IsMarked(limited, t.rec.mark(0))
	if unread != nil || !marked && pacemaker.IsTimeout(err) { // it may still come
		return nil
	}
	return &marked
}

// fail notes why a job has failed.
func (c carrier) fail(t *task, err error) {
	rec := &t.rec
	rec.State, rec.Code = cluster.JobFailed, codeOf(err)
	back, undone := errors.AsType[*undoneError](err)
	switch {
	case errors.Is(err, errInterrupted):
		rec.Code = cluster.JobInterrupted
	case errors.Is(err, errCanceled) || errors.Is(err, context.Canceled) && c.ledger.job(rec.ID).CanceledBy != "":
		rec.State, rec.Code = cluster.JobCanceled, "canceled"
		rec.CanceledBy = c.ledger.job(rec.ID).CanceledBy
		if err = errCanceled; undone {
			err = fmt.Errorf("%w; %s", errCanceled, back.outcome())
		}
		t.err = &lb.ConflictError{ID: "job/" + rec.ID, Reason: "it was canceled by " + rec.CanceledBy}
	case pacemaker.IsTimeout(err) && rec.Written > 0 && !undone:
		rec.State = cluster.JobTimedOut
		rec.Missing = missingOf(err)
	}
	rec.Result = err.Error()
	if refused, ok := errors.AsType[*lb.RefusedError](err); ok && !undone {
		rec.Result = refused.Output // the error has its first line
	}
	if undone && rec.State == cluster.JobFailed {
		t.err = &lb.ConflictError{ID: rec.Object, Reason: strings.TrimPrefix(rec.Result, rec.Object+": ")}
	}
	switch {
	case rec.Changed == nil:
		rec.Result += "; whether something was changed is not known"
	case !*rec.Changed:
		rec.Result += untouched
	case rec.State == cluster.JobCanceled && t.isOfNodes():
		rec.Result += "; what nodes were asked for before goes on"
	case rec.State == cluster.JobCanceled && !undone:
		rec.Result += "; the change has been made"
	}
}

// missingOf are the nodes that an error says are not as asked.
func missingOf(err error) []string {
	if e, ok := errors.AsType[*cluster.Error](err); ok {
		return slices.Clone(e.Nodes)
	}
	return nil
}

// compare notes what has happened, and where it is not what was foretold.
func (c carrier) compare(ctx context.Context, t *task) {
	rec := &t.rec
	if t.status.State == "" {
		return
	}
	rec.Epochs.After = t.status.Epoch
	if t.isOfNodes() {
		return
	}
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
		if starts, err := c.cfg.Steps.Starts(ctx); err == nil {
			rec.Actual = cluster.Happened(t.before, places, t.starts, starts)
		}
	}
	if len(rec.Deviations) == 0 {
		rec.Deviations = cluster.Deviations(rec.withoutVacated(rec.Foretold), rec.withoutVacated(moved), places)
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
	if errors.As(err, new(*cluster.PlanChangedError)) || errors.As(err, new(*lb.PreconditionError)) {
		return codePrecondition
	}
	if _, ok := errors.AsType[*lb.RefusedError](err); ok {
		return codeRefused
	}
	if e, ok := errors.AsType[*cluster.Error](err); ok {
		if e.User != "" {
			return cluster.JobNotAllowed
		}
		return string(e.Kind)
	}
	return "failed"
}

// note leaves an event about a job that has ended.
func (c carrier) note(ctx context.Context, rec record, err error) {
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
	c.cfg.Record(ctx, event)
}
