package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/internal/permit"
	"thalassa/lb"
)

// How long a commit may have no job that is known, before the draft can be changed again: its agent
// was lost before the job began. commitLost is for a node that is not online. The agent of another one
// may be asking Pacemaker's scheduler first, which has 10 minutes in a large cluster.
const commitLost, commitSilent = time.Minute, 15 * time.Minute

// holdWithin is how long a job waits until the draft that it commits says that it writes now.
const holdWithin = 5 * time.Second

// goingCommits are those that this agent carries out now. All methods may be called concurrently.
type goingCommits struct {
	mu    sync.Mutex
	going map[string]bool // by Committing.ID
}

func (k *goingCommits) begin(id string) (end func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.going == nil {
		k.going = map[string]bool{}
	}
	k.going[id] = true
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.going, id)
	}
}

func (k *goingCommits) has(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.going[id]
}

// draftCommits know what has become of the commits of drafts.
type draftCommits struct {
	drafts ClusterDrafts
	jobs   ClusterJobs // nil: there are none
	status func() (cluster.Status, error)
	going  *goingCommits
	now    func() time.Time
}

// underway refuses a change of a draft that is being committed.
func underway(d config.Draft) error {
	if d.Commit == nil {
		return nil
	}
	return &lb.ConflictError{ID: d.Name(), Reason: "is being committed by job/" + d.Commit.Job}
}

// changeable refuses a change of a draft that the caller does not see, may not change any more, or
// that is being committed. Each write asks it again.
func changeable(c echo.Context, d config.Draft) error {
	if !isSeen(c, d) {
		return &lb.NotFoundError{ID: d.Name()}
	}
	if err := permit.Check(c.Request().Context()); err != nil {
		return err
	}
	return underway(d)
}

// jobOf is the job of a commit as this agent knows it, when it is over or ctx ends. The error is an
// *lb.NotFoundError if another job has its ID.
func (k draftCommits) jobOf(ctx context.Context, commit *config.Committing) (cluster.Job, error) {
	j, err := k.jobs.Job(ctx, commit.Job)
	if err == nil && !commit.IsBy(j) {
		return cluster.Job{}, &lb.NotFoundError{ID: "job/" + commit.Job}
	}
	return j, err
}

// isLost reports whether a commit without a job that is known will not have one any more.
func (k draftCommits) isLost(commit *config.Committing) bool {
	v, err := k.status()
	if err != nil {
		return false
	}
	if commit.ID != "" && commit.Node == v.Self {
		return !k.going.has(commit.ID)
	}
	age := k.now().Sub(commit.Begun).Abs()
	node := v.NodeNamed(commit.Node)
	return age > commitSilent || age > commitLost && !node.IsOnline() && node.State != "pending"
}

// settled is a draft after its commit, if one was begun and is over: it is dropped, which is an
// *lb.NotFoundError, or can be changed again.
func (k draftCommits) settled(ctx context.Context, d config.Draft) (config.Draft, error) {
	if d.Commit == nil || k.jobs == nil {
		return d, nil
	}
	now, end := context.WithTimeout(ctx, 0)
	defer end()
	j, err := k.jobOf(now, d.Commit)
	isLost := errors.As(err, new(*lb.NotFoundError)) && k.isLost(d.Commit)
	switch {
	case err != nil && !isLost, err == nil && !j.Over():
		return d, nil // it is shown as it is
	case isLost: // unless it has just got a job
		return k.releasedIf(ctx, d, func(now config.Committing) bool { return now.Writing == d.Commit.Writing })
	case j.IsMade():
		return k.dropped(ctx, d)
	}
	return k.released(ctx, d)
}

// dropped drops a draft that was committed. The error is an *lb.NotFoundError then. A draft that is
// not being committed any more stays: it may have been changed since.
func (k draftCommits) dropped(ctx context.Context, d config.Draft) (config.Draft, error) {
	now := d
	stays := errors.New("it is not being committed any more")
	err := k.drafts.Delete(ctx, d.ID, func(o config.Draft) error {
		if now = o; !o.Commit.Is(d.Commit) {
			return stays
		}
		return nil
	})
	switch {
	case errors.Is(err, stays):
		return now, nil
	case err != nil:
		return d, err
	}
	return d, &lb.NotFoundError{ID: d.Name()}
}

// released is a draft whose commit has changed nothing: it can be changed again.
func (k draftCommits) released(ctx context.Context, d config.Draft) (config.Draft, error) {
	return k.releasedIf(ctx, d, func(config.Committing) bool { return true })
}

// releasedIf is released, unless the commit is not as it should be any more.
func (k draftCommits) releasedIf(ctx context.Context, d config.Draft, is func(config.Committing) bool) (config.Draft, error) {
	return k.drafts.Update(ctx, d.ID, func(now config.Draft) (config.Draft, error) {
		if now.Commit.Is(d.Commit) && is(*now.Commit) {
			now.Commit = nil
		}
		return now, nil
	})
}

// claimed notes in a draft that a job commits it as it is here, so that nobody changes it meanwhile,
// and every agent knows what to ask for if this one is lost.
func (h clusterDraftHandlers) claimed(c echo.Context, d config.Draft, o cluster.Order) (config.Draft, error) {
	self := h.self()
	return h.drafts.Update(c.Request().Context(), d.ID, func(now config.Draft) (config.Draft, error) {
		if err := changeable(c, now); err != nil {
			return now, err
		}
		if now.Number != d.Number || !now.Changed.Equal(d.Changed) {
			return now, &lb.ConflictError{ID: d.Name(), Reason: "has just been changed: look at it again"}
		}
		now.Commit = &config.Committing{Job: o.JobID(), Begun: h.now(), ID: o.Commit, Node: self}
		return now, nil
	})
}

// held gives the commit of a draft the right to write while the draft is its own: right before the
// write, the draft says so. If somebody has taken the commit for lost, nothing is changed.
func (h clusterDraftHandlers) held(ctx context.Context, d config.Draft) context.Context {
	var noted atomic.Bool
	return permit.With(ctx, func() error {
		if err := permit.Check(ctx); err != nil || noted.Load() {
			return err
		}
		noting, cancel := context.WithTimeout(ctx, holdWithin) // other jobs wait meanwhile
		defer cancel()
		_, err := h.drafts.Update(noting, d.ID, func(now config.Draft) (config.Draft, error) {
			if !now.Commit.Is(d.Commit) {
				return now, &lb.ConflictError{ID: d.Name(), Reason: "is not being committed by job/" + d.Commit.Job + " any more: another agent has taken that for lost"}
			}
			commit := *now.Commit
			commit.Writing, now.Commit = true, &commit
			return now, nil
		})
		noted.Store(err == nil)
		return err
	})
}

// commit makes what the draft changes as one change, and drops the draft.
func (h clusterDraftHandlers) commit(c echo.Context) error {
	q := parameters(c.Request(), "wait")
	wait := q.wait()
	if err := q.err(); err != nil {
		return err
	}
	d, err := h.named(c)
	if errors.As(err, new(*lb.NotFoundError)) {
		return h.made(c, c.Param("id"), wait, err)
	}
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if d.Commit != nil {
		return h.followed(c, d, wait)
	}
	configuration, version, err := h.current(ctx)
	if err != nil {
		return err
	}
	edits, err := d.Changes(configuration, version)
	if err != nil {
		return err
	}
	if len(d.Edits) == 0 {
		return &lb.ConflictError{ID: d.Name(), Reason: "changes nothing"}
	}
	o, err := order(c, edits)
	if err != nil {
		return err
	}
	o.Commit = commitOf(d.ID) + rand.Text()
	repeated, err := h.isRepeated(ctx, o)
	if err != nil {
		return err
	}
	if repeated {
		return h.repeated(c, edits, wait, o)
	}
	if o.Key == "" {
		o.Key = rand.Text()
	}
	end := h.commits.going.begin(o.Commit) // before anybody can see it
	if d, err = h.claimed(c, d, o); err != nil {
		end()
		return err
	}
	type answer struct {
		out config.Outcome
		job cluster.Job
		err error
	}
	answers := make(chan answer, 1)
	go func() { // to its end, also if nobody waits for that any more
		defer end()
		lasting := context.WithoutCancel(ctx)
		out, j, err := h.configure(h.held(lasting, d), edits, wait, o)
		h.ended(lasting, d, j)
		answers <- answer{out, j, err}
	}()
	select {
	case a := <-answers:
		return h.answered(c, a.out, a.job, a.err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// repeated answers with what the job of an order has done, which was begun before.
func (h clusterDraftHandlers) repeated(c echo.Context, edits []config.Edit, wait time.Duration, o cluster.Order) error {
	never := permit.With(c.Request().Context(), func() error {
		return &lb.ConflictError{ID: "Idempotency-Key", Reason: "job " + o.JobID() + " has had this key, and is not known any more; send a new key"}
	})
	out, j, err := h.configure(never, edits, wait, o)
	return h.answered(c, out, j, err)
}

func (h clusterDraftHandlers) answered(c echo.Context, out config.Outcome, j cluster.Job, err error) error {
	setJob(c, j)
	if alone, ok := asSingle(err); ok {
		return alone
	}
	if err != nil {
		return err
	}
	return h.committed(c, out)
}

// ended drops or releases a draft after its commit, of which the job is known, or has not begun. If it
// fails, whoever asks for the draft next does it.
func (h clusterDraftHandlers) ended(ctx context.Context, d config.Draft, j cluster.Job) {
	isMine := d.Commit.IsBy(j)
	var err error
	switch {
	case isMine && j.IsMade():
		_, err = h.commits.dropped(ctx, d)
	case isMine && !j.Over():
	default:
		_, err = h.commits.released(ctx, d)
	}
	if err != nil && !errors.As(err, new(*lb.NotFoundError)) {
		h.logger.WarnContext(ctx, "draft not up to date after its commit", "draft", d.ID, "job", d.Commit.Job, "error", err)
	}
}

// committed answers with what a commit has changed.
func (h clusterDraftHandlers) committed(c echo.Context, out config.Outcome) error {
	if out.Cluster != nil {
		c.Response().Header().Set(headerETag, clusterTag(*out.Cluster))
	}
	return respond(c, http.StatusOK, out)
}

// followed waits for the job of a commit that another request has begun, maybe at an agent that is
// lost, and answers with what it has changed.
func (h clusterDraftHandlers) followed(c echo.Context, d config.Draft, wait time.Duration) error {
	j, err := h.awaited(c, wait, func(ctx context.Context) (cluster.Job, error) { return h.commits.jobOf(ctx, d.Commit) })
	if errors.As(err, new(*lb.NotFoundError)) || err == nil && !j.Over() {
		return underway(d)
	}
	if err != nil {
		return err
	}
	h.ended(context.WithoutCancel(c.Request().Context()), d, j)
	return h.told(c, d, j)
}

// awaited is a job at its end, or as it is when the request has waited for long enough.
func (h clusterDraftHandlers) awaited(c echo.Context, wait time.Duration, job func(context.Context) (cluster.Job, error)) (cluster.Job, error) {
	ctx, end := waiting(c.Request().Context())
	defer end()
	limited, cancel := context.WithTimeout(ctx, max(wait, time.Second))
	defer cancel()
	j, err := job(limited)
	return j, cmp.Or(context.Cause(ctx), err)
}

// commitOf begins what a job notes of the commit of a draft.
func commitOf(draft string) string { return draft + "/" }

// made answers for a draft that is not there, if the same request has committed it before, as a client
// repeats it that has heard no answer. Otherwise it returns the error that says so.
func (h clusterDraftHandlers) made(c echo.Context, id string, wait time.Duration, missing error) error {
	o, err := order(c)
	if err != nil || o.Key == "" || h.jobs == nil {
		return cmp.Or(err, missing)
	}
	j, err := h.awaited(c, wait, func(ctx context.Context) (cluster.Job, error) {
		if _, err := h.jobs.Former(ctx, o.JobID()); err != nil {
			return cluster.Job{}, err
		}
		return h.jobs.Job(ctx, o.JobID())
	})
	switch {
	case errors.As(err, new(*lb.NotFoundError)), err == nil && !strings.HasPrefix(j.Commit, commitOf(id)):
		return missing
	case err != nil:
		return err
	}
	d := config.Draft{ID: id, Commit: &config.Committing{Job: j.ID}}
	if !j.Over() {
		return underway(d)
	}
	return h.told(c, d, j)
}

// told answers with what the job has changed that a draft was committed by.
func (h clusterDraftHandlers) told(c echo.Context, d config.Draft, j cluster.Job) error {
	setJob(c, j)
	switch {
	case j.Code == cluster.JobNotAllowed:
		return &cluster.Error{Tool: "the cluster", Kind: cluster.KindForbidden, User: j.Author, Said: j.Result}
	case !j.IsMade() && j.Changed == nil:
		return &lb.ConflictError{ID: d.Name(), Reason: "may have been committed by job/" + j.ID + ", which does not know; look at the configuration: " + j.Result}
	case !j.IsMade():
		return &lb.ConflictError{ID: d.Name(), Reason: "was not committed by job/" + j.ID + ": " + j.Result}
	case j.State == cluster.JobTimedOut:
		return &cluster.Error{Tool: "the cluster", Kind: cluster.KindTimedOut, Said: j.Result}
	case j.State != cluster.JobDone:
		return &lb.ConflictError{ID: "job/" + j.ID, Reason: j.Result}
	}
	out := config.OutcomeOf(j)
	if v, err := h.status(); err == nil {
		out.Cluster, out.Predicted.After = &v, v
	}
	return h.committed(c, out)
}
