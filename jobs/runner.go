package jobs

import (
	"context"
	"log/slog"
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

// Nodes starts and stops the cluster on its nodes, as *nodes.Crew does.
type Nodes interface {
	// Foresee is what an action does, and the commands that do it. It changes nothing.
	Foresee(ctx context.Context, a cluster.Action) (cluster.Consequences, []string, error)
	// Spares refuses to take a node out of the cluster if the others have no quorum without it and
	// the nodes that go.
	Spares(ctx context.Context, node string, going []string) error
	// Check refuses an action that cannot be carried out.
	Check(ctx context.Context, a cluster.Action) error
	// Apart refuses an action while something else is under way that must not come together with
	// it: a node joins or leaves while others are started or stopped. job is that of the action.
	Apart(ctx context.Context, a cluster.Action, job string) error
	// Carry carries out an action until the deadline of ctx, and returns when each node is as
	// asked. It may be called again.
	Carry(ctx context.Context, a cluster.Action, j cluster.Job) (cluster.Status, error)
	// Look returns nil if each node is as an action asks, and changes nothing.
	Look(ctx context.Context, a cluster.Action) error
	// Names are all nodes, also while the cluster is down.
	Names() []string
	// Answers reports whether the agent of a node answers, also while the cluster is down.
	Answers(ctx context.Context, node string) bool
}

// Config is what a Runner needs.
type Config struct {
	Steps    pacemaker.Steps
	Exchange Exchange
	Store    Store
	// Nodes starts and stops the cluster; nil: it cannot be.
	Nodes Nodes
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
	cfg    Config
	ready  chan struct{} // closed when the stored jobs have been read
	ledger *ledger
	share  *sharing
	tasks  *tasks
	// asking is full while inherit runs, which alone has silent: since when the agents of jobs have not
	// answered, by the ids of the jobs.
	asking chan struct{}
	silent map[string]time.Time
	askers sync.WaitGroup
}

// New makes a Runner. It starts nothing.
func New(cfg Config) *Runner {
	l := newLedger(cfg.Store, cfg.Now)
	s := newSharing(cfg, l)
	k := newTasks(l, carrier{cfg: cfg, ledger: l, share: s, writing: make(chan struct{}, 1)})
	s.heed, s.elsewhere = k.heed, func() bool { return len(k.elsewhere()) > 0 }
	return &Runner{cfg: cfg, ready: make(chan struct{}), ledger: l, share: s, tasks: k, asking: make(chan struct{}, 1), silent: map[string]time.Time{}}
}

// Run reads the stored jobs, goes on with those of this node, and talks to the other nodes
// until ctx ends, which is no error. Jobs under way then are finished by this node after its
// next start, or by another one.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.ledger.load(ctx, r.cfg.Logger); err != nil {
		return wake.UnlessOver(ctx, err)
	}
	r.tasks.begin(ctx)
	close(r.ready)
	var g errgroup.Group
	g.Go(func() error { r.share.talk(ctx); return nil })
	g.Go(func() error { r.watch(ctx); return nil })
	err := g.Wait()
	r.tasks.running.Wait()
	if _, err := r.ledger.pay(ctx); err != nil {
		r.cfg.Logger.ErrorContext(ctx, "the ends of jobs are not stored, and they are gone on with after the next start", "error", err)
	}
	r.share.leave(ctx)
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
		return config.OutcomeOf(j), j, err
	}
	return t.outcome, j, err
}

func actionTask(ctx context.Context, a cluster.Action, o cluster.Order) *task {
	t := newTask(ctx, o)
	t.asked = &a
	t.rec.Kind, t.rec.Object, t.rec.Nodes, t.rec.WaitFor = a.Kind, a.Object(), a.Nodes, a.Wait
	t.rec.Action = &target{Node: a.Node, Resource: a.Resource, Ticket: a.Ticket, Nodes: a.Nodes, Down: a.Down}
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
		return r.ledger.job(running.rec.ID), nil
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
	if err := r.loaded(ctx); err != nil {
		return nil, record{}, err
	}
	if t.order.Key != "" && r.ledger.job(t.rec.ID).ID == "" {
		_ = r.share.listen(ctx) // somebody else may have said a moment ago that it has begun
	}
	for {
		next := r.ledger.changed.Next()
		running, former, err = r.tasks.enter(t) //nolint:contextcheck // a job outlives its request
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

// failure is the error of a job that is over; nil: it is done.
func (r record) failure() error {
	switch r.State {
	case cluster.JobTimedOut:
		return &cluster.Error{Tool: "the cluster", Kind: cluster.KindTimedOut, Said: r.Result}
	case cluster.JobFailed, cluster.JobCanceled:
		return r.refusal()
	case cluster.JobDone, cluster.JobRunning:
	}
	return nil
}

// refusal is the error of a job that has failed, of the kind that its code names.
func (r record) refusal() error {
	switch r.Code {
	case codePrecondition:
		return &cluster.PlanChangedError{ID: r.Object, Said: r.Result}
	case codeRefused:
		return &lb.RefusedError{At: "check", Output: r.Result}
	case cluster.JobNotAllowed:
		return &cluster.Error{Tool: "the cluster", Kind: cluster.KindForbidden, User: r.Author, Said: r.Result}
	}
	return &lb.ConflictError{ID: "job/" + r.ID, Reason: r.Result}
}

// loaded waits until the stored jobs have been read. The error is an *lb.UnavailableError.
func (r *Runner) loaded(ctx context.Context) error {
	if wake.IsClosed(r.ready) {
		return nil
	}
	select {
	case <-r.ready:
		return nil
	case <-ctx.Done():
		return &lb.UnavailableError{What: "the stored jobs of the cluster have not been read yet"}
	}
}

// Jobs are the jobs that a query selects, the newest first, when the stored ones have been
// read. The error is an *lb.UnavailableError.
func (r *Runner) Jobs(ctx context.Context, q cluster.JobQuery) ([]cluster.Job, error) {
	if err := r.loaded(ctx); err != nil {
		return nil, err
	}
	return r.ledger.list(q), nil
}

// OfNodes are the jobs that start, stop or take out nodes now, as far as this node knows, without the
// status of other nodes: theirs may have ended. The error is an *lb.UnavailableError until the stored
// ones have been read.
func (r *Runner) OfNodes() ([]cluster.Job, error) {
	if !wake.IsClosed(r.ready) {
		return nil, &lb.UnavailableError{What: "the stored jobs of the cluster have not been read yet"}
	}
	now := r.cfg.Now()
	var out []cluster.Job
	for _, rec := range r.ledger.filter(func(rec record) bool {
		return rec.isOfNodes() && rec.Written > 0 && !rec.Over() && now.Before(rec.until())
	}) {
		out = append(out, rec.Job)
	}
	return out, nil
}

// Known is a job as it is now; false: it is not known.
func (r *Runner) Known(id string) (cluster.Job, bool) {
	j := r.ledger.job(id)
	return j, j.ID != ""
}

// Former is a job as it is now, also if another node has told of it only a moment ago. Errors are those
// of Job.
func (r *Runner) Former(ctx context.Context, id string) (cluster.Job, error) {
	if err := r.loaded(ctx); err != nil {
		return cluster.Job{}, err
	}
	if r.ledger.job(id).ID == "" {
		_ = r.share.listen(ctx) // it complains
	}
	now, end := context.WithTimeout(ctx, 0)
	defer end()
	return r.Job(now, id)
}

// Job is one job. It waits until the job is over, or ctx ends, which is no error once the
// stored jobs have been read. Errors: *lb.NotFoundError, *lb.UnavailableError.
func (r *Runner) Job(ctx context.Context, id string) (cluster.Job, error) {
	if err := r.loaded(ctx); err != nil {
		return cluster.Job{}, err
	}
	for {
		next := r.ledger.changed.Next()
		j := r.ledger.job(id)
		if j.ID == "" {
			return j, &lb.NotFoundError{ID: "job/" + id}
		}
		if j.Over() || ctx.Err() != nil {
			return j, nil //nolint:nilerr // documented
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
// *lb.ConflictError if the job is over, *lb.UnavailableError if its node cannot hear of it.
func (r *Runner) Cancel(ctx context.Context, id, author string) (cluster.Job, error) {
	if err := r.loaded(ctx); err != nil {
		return cluster.Job{}, err
	}
	v := r.cfg.View()
	if j := r.ledger.job(id); j.ID != "" && !j.Over() && v.State == cluster.StateOffline && j.Node != v.Self && r.tasks.get(id) == nil {
		return j, &lb.UnavailableError{What: "the cluster is down, and carries nothing to " + j.Node + ", which has the job; cancel it at the agent there"}
	}
	rec, known, err := r.ledger.cancel(ctx, id, author)
	switch {
	case err != nil:
		return r.ledger.job(id), err
	case !known:
		return cluster.Job{}, &lb.NotFoundError{ID: "job/" + id}
	case rec.Over():
		return rec.Job, &lb.ConflictError{ID: "job/" + id, Reason: "it is over: " + string(rec.State)}
	}
	r.share.offer(rec)
	if t := r.tasks.get(id); t != nil {
		t.stop()
	}
	return rec.Job, nil
}
