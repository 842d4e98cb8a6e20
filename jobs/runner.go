package jobs

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/activity"
	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// maxRunning is how many jobs a node carries out at the same time.
const maxRunning = 16

// A Store keeps documents over restarts of the agent.
type Store interface {
	// Save stores documents by their ids, and removes others.
	Save(ctx context.Context, docs map[string][]byte, remove []string) error
	Load(ctx context.Context) (map[string][]byte, error)
}

// An Exchange passes texts between the agents, as pacemaker.Exchange does.
type Exchange interface {
	Say(ctx context.Context, text string) error
	Ring(ctx context.Context, value string) error
	Rings() map[string]string
	Heard(ctx context.Context) (map[string]string, error)
}

// Config is what a Runner needs.
type Config struct {
	Steps    pacemaker.Steps
	Exchange Exchange
	Store    Store
	// View is the status of the cluster; Changed closes with its next change.
	View    func() cluster.Status
	Changed func() <-chan struct{}
	// Fresh waits until View shows a version of the CIB.
	Fresh func(ctx context.Context, epoch cluster.Epoch)
	// Record notes an event.
	Record func(ctx context.Context, e activity.Event)
	Now    func() time.Time
	Logger *slog.Logger
}

// A Runner owns the jobs of a node: it carries them out, and keeps those of all nodes. Make it
// with New; all methods may be called concurrently with Run.
type Runner struct {
	cfg     Config
	boot    string
	ready   chan struct{} // closed when the stored jobs have been read
	changed wake.Signal   // of records
	told    wake.Poke     // there is something for the other nodes
	running sync.WaitGroup
	share   sharing // owned by the loop of talk, but for its mutex's fields

	mu      sync.Mutex
	base    context.Context //nolint:containedctx // of Run, for the jobs that it carries out
	records map[string]record
	sizes   map[string]int
	tasks   map[string]*task // that run here
}

// New makes a Runner. It starts nothing.
func New(cfg Config) *Runner {
	return &Runner{
		cfg: cfg, boot: idOf(cluster.Order{})[:8], ready: make(chan struct{}), told: wake.NewPoke(), share: newSharing(),
		records: map[string]record{}, sizes: map[string]int{}, tasks: map[string]*task{},
	}
}

// Run reads the stored jobs, goes on with those of this node, and talks to the other nodes
// until ctx ends, which is no error. Jobs under way then are finished by this node after its
// next start, or by another one.
func (r *Runner) Run(ctx context.Context) error {
	docs, err := r.cfg.Store.Load(ctx)
	if err != nil {
		return wake.UnlessOver(ctx, err)
	}
	for id, doc := range docs {
		if rec, err := parseRecord(doc); err == nil && rec.ID == id {
			r.records[id], r.sizes[id] = rec, len(doc)
		} else {
			r.cfg.Logger.ErrorContext(ctx, "job not readable", "job", id, "error", err)
		}
	}
	r.mu.Lock()
	r.base = ctx
	r.mu.Unlock()
	close(r.ready)
	var g errgroup.Group
	g.Go(func() error { r.talk(ctx); return nil })
	g.Go(func() error { r.watch(ctx); return nil })
	err = g.Wait()
	r.running.Wait()
	r.leave(ctx)
	return err
}

// Do carries out an action, and returns when it has ended. A former job with the same
// Idempotency-Key is not repeated: it is returned, with a status that is empty. The end of ctx
// ends the waiting alone. Errors are those of pacemaker.Cluster.Do; an *lb.ConflictError if
// the key was used for another request.
func (r *Runner) Do(ctx context.Context, a cluster.Action, o cluster.Order) (cluster.Status, cluster.Job, error) {
	t, j, err := r.submit(ctx, actionTask(ctx, a, o))
	if t == nil {
		return cluster.Status{}, j, err
	}
	return t.status, j, err
}

// Configure carries out edits of the configuration in the same way. Of a former job, the
// outcome has what its document has.
func (r *Runner) Configure(ctx context.Context, edits []config.Edit, wait time.Duration, o cluster.Order) (config.Outcome, cluster.Job, error) {
	n := newTask(ctx, o)
	n.rec.Kind, n.rec.Object, n.rec.WaitFor, n.edits = cluster.JobConfigure, "cluster", wait, edits
	if len(edits) == 1 {
		n.rec.Object = string(edits[0].Kind) + "/" + edits[0].ID
	}
	t, j, err := r.submit(ctx, n)
	if t == nil {
		out := config.Outcome{Epoch: j.Epochs.Before, Changes: j.Changes, Warnings: []string{}}
		out.Predicted = cluster.Consequences{Actions: j.Predicted, Text: cluster.Summarize(j.Predicted)}
		if out.Changes == nil {
			out.Changes = []string{}
		}
		return out, j, err
	}
	return t.outcome, j, err
}

func actionTask(ctx context.Context, a cluster.Action, o cluster.Order) *task {
	t := newTask(ctx, o)
	t.rec.Kind, t.rec.Object, t.rec.WaitFor = a.Kind, a.Object(), a.Wait
	t.rec.Action = &target{Node: a.Node, Resource: a.Resource, Ticket: a.Ticket}
	return t
}

// Begin is Do that returns when the job has begun, or has failed before.
func (r *Runner) Begin(ctx context.Context, a cluster.Action, o cluster.Order) (cluster.Job, error) {
	t := actionTask(ctx, a, o)
	running, former, err := r.start(ctx, t)
	if err != nil || running == nil {
		return former.Job, err
	}
	select {
	case <-running.begun:
		return r.job(running.rec.ID), nil
	case <-running.done:
		if running.rec.Begun.IsZero() { // it was refused
			return cluster.Job{}, running.err
		}
		return running.rec.Job, nil
	case <-ctx.Done():
		return cluster.Job{}, ctx.Err()
	}
}

// submit starts a task and waits for its end. The task is nil if a former job is the answer.
func (r *Runner) submit(ctx context.Context, t *task) (*task, cluster.Job, error) {
	running, former, err := r.start(ctx, t)
	if err != nil {
		return nil, cluster.Job{}, err
	}
	if running == nil {
		return nil, former.Job, former.failure()
	}
	select {
	case <-running.done:
		if running.rec.Begun.IsZero() { // it was refused
			return running, cluster.Job{}, running.err
		}
		return running, running.rec.Job, running.err
	case <-ctx.Done():
		return nil, cluster.Job{}, ctx.Err()
	}
}

// start begins a task, or finds the one, or the record of a job that is over, with the same
// id.
func (r *Runner) start(ctx context.Context, t *task) (running *task, former record, err error) {
	select {
	case <-r.ready:
	case <-ctx.Done():
		return nil, record{}, ctx.Err()
	}
	if t.order.Key != "" && !r.knows(t.rec.ID) {
		r.listen(ctx) // somebody else may have said a moment ago that it has begun
	}
	for {
		next := r.changed.Next()
		running, former, err = r.enter(t)
		if err != nil || running != nil || former.Over() {
			return running, former, err
		}
		select { // it runs on another node
		case <-next:
		case <-ctx.Done():
			return nil, record{}, ctx.Err()
		}
	}
}

// enter makes the task one that runs here, unless its job is known.
func (r *Runner) enter(t *task) (running *task, former record, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec, known := r.records[t.rec.ID]
	same := r.tasks[t.rec.ID]
	if same != nil {
		rec, known = record{Request: same.rec.Request}, true
	}
	switch {
	case known && rec.Request != t.rec.Request:
		return nil, rec, &lb.ConflictError{ID: "Idempotency-Key", Reason: "job " + t.rec.ID + " has had this key with another request"}
	case same != nil:
		return same, rec, nil
	case known && !rec.isInterrupted():
		return nil, rec, nil
	case len(r.tasks) >= maxRunning:
		return nil, rec, &lb.UnavailableError{What: strconv.Itoa(maxRunning) + " jobs of the cluster are running on this node, which is the most"}
	}
	t.rec.Attempts = rec.Attempts + 1
	r.launch(t)
	return t, rec, nil
}

// launch runs a task. The caller holds the mutex.
func (r *Runner) launch(t *task) {
	r.tasks[t.rec.ID] = t
	base := r.base
	r.running.Go(func() {
		ctx, cancel := context.WithCancelCause(t.ctx)
		defer cancel(nil)
		defer context.AfterFunc(base, func() { cancel(errStopping) })()
		t.cancel = cancel
		close(t.cancelable)
		r.carryOut(ctx, t)
		r.mu.Lock()
		delete(r.tasks, t.rec.ID)
		r.mu.Unlock()
		close(t.done)
		r.changed.Broadcast()
	})
}

var (
	errStopping = errors.New("the agent stops")
	errCanceled = errors.New("the job was canceled")
)

// failure is the error of a job that is over; nil: it is done.
func (r record) failure() error {
	switch r.State {
	case cluster.JobTimedOut:
		return &cluster.Error{Tool: "the cluster", Kind: cluster.KindTimedOut, Said: r.Result}
	case cluster.JobFailed, cluster.JobCanceled:
		return &lb.ConflictError{ID: "job/" + r.ID, Reason: r.Result}
	case cluster.JobDone, cluster.JobRunning:
	}
	return nil
}

func (r *Runner) knows(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.records[id]
	return known
}

// Jobs are the jobs that a query selects, the newest first.
func (r *Runner) Jobs(q cluster.JobQuery) []cluster.Job {
	r.mu.Lock()
	out := make([]cluster.Job, 0, len(r.records))
	for _, rec := range r.records {
		if (q.State == "" || rec.State == q.State) && (q.Author == "" || rec.Author == q.Author) &&
			(q.Object == "" || rec.Object == q.Object) && (q.Before.IsZero() || rec.Begun.Before(q.Before)) {
			out = append(out, rec.Job)
		}
	}
	r.mu.Unlock()
	slices.SortFunc(out, func(a, b cluster.Job) int { return cmp.Or(b.Begun.Compare(a.Begun), cmp.Compare(a.ID, b.ID)) })
	return out[:min(len(out), cmp.Or(q.Limit, 100))]
}

func (r *Runner) job(id string) cluster.Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records[id].Job
}

// Job is one job. It waits until the job is over, or ctx ends, which is no error. The error is
// an *lb.NotFoundError.
func (r *Runner) Job(ctx context.Context, id string) (cluster.Job, error) {
	for {
		next := r.changed.Next()
		j := r.job(id)
		if j.ID == "" {
			return j, &lb.NotFoundError{ID: "job/" + id}
		}
		if j.Over() || ctx.Err() != nil {
			return j, nil
		}
		select {
		case <-next:
		case <-ctx.Done():
		}
	}
}

// Cancel cancels a job. Before its first write, nothing is changed; after it, the change stays,
// and the job stops waiting. A move removes its constraint, and a restart starts the resource
// again, in any case. The node of the job hears of it in a moment. Errors: *lb.NotFoundError,
// *lb.ConflictError if the job is over.
func (r *Runner) Cancel(ctx context.Context, id, author string) (cluster.Job, error) {
	r.mu.Lock()
	rec, known := r.records[id]
	t := r.tasks[id]
	if known && !rec.Over() && rec.CanceledBy == "" {
		rec.CanceledBy = cmp.Or(author, "somebody")
		r.records[id] = rec
	}
	r.mu.Unlock()
	switch {
	case !known:
		return cluster.Job{}, &lb.NotFoundError{ID: "job/" + id}
	case rec.Over():
		return rec.Job, &lb.ConflictError{ID: "job/" + id, Reason: "it is over: " + string(rec.State)}
	}
	if err := r.keep(ctx, rec); err != nil {
		return rec.Job, err
	}
	if t != nil {
		t.stop()
	}
	return rec.Job, nil
}

// keep stores records, and has the other nodes told of them.
func (r *Runner) keep(ctx context.Context, list ...record) error {
	if err := r.save(ctx, list); err != nil {
		return err
	}
	r.share.put(list)
	r.told.Send()
	return nil
}

// save stores records that are newer than the known ones.
func (r *Runner) save(ctx context.Context, list []record) error {
	docs := map[string][]byte{}
	r.mu.Lock()
	for _, rec := range list {
		rec.Job = rec.Bounded()
		if known, ok := r.records[rec.ID]; ok {
			rec = newer(rec, known)
		}
		doc, err := encodeRecord(rec)
		if err != nil {
			r.mu.Unlock()
			return err
		}
		r.records[rec.ID], r.sizes[rec.ID], docs[rec.ID] = rec, len(doc), doc
	}
	gone := r.expired()
	r.mu.Unlock()
	if err := r.cfg.Store.Save(context.WithoutCancel(ctx), docs, gone); err != nil {
		return err
	}
	r.changed.Broadcast()
	return nil
}

// expired forgets the jobs that are not kept any more. The caller holds the mutex.
func (r *Runner) expired() []string {
	list := make([]cluster.Job, 0, len(r.records))
	for _, rec := range r.records {
		list = append(list, rec.Job)
	}
	gone := cluster.Expired(list, r.sizes, r.cfg.Now())
	for _, id := range gone {
		delete(r.records, id)
		delete(r.sizes, id)
	}
	return gone
}
