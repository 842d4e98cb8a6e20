package api

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/lb"
)

// commitLost is how long a commit may have no job that is known, before the draft can be changed
// again: its node was lost before it began.
const commitLost = time.Minute

// underway refuses a change of a draft that is being committed.
func underway(d config.Draft) error {
	if d.Commit == nil {
		return nil
	}
	return &lb.ConflictError{ID: d.Name(), Reason: "is being committed by job/" + d.Commit.Job}
}

// settled is a draft after its commit, if one was begun and is over: it is dropped, which is an
// *lb.NotFoundError, or can be changed again.
func (h clusterConfigHandlers) settled(ctx context.Context, d config.Draft) (config.Draft, error) {
	if d.Commit == nil || h.jobs == nil {
		return d, nil
	}
	now, end := context.WithTimeout(ctx, 0)
	defer end()
	j, err := h.jobs.Job(now, d.Commit.Job)
	isLost := errors.As(err, new(*lb.NotFoundError)) && h.now().Sub(d.Commit.Begun).Abs() > commitLost
	switch {
	case err != nil && !isLost, err == nil && !j.Over():
		return d, nil // it is shown as it is
	case isMade(j):
		if err := h.drafts.Delete(ctx, d.ID, nil); err != nil {
			return d, err
		}
		return d, &lb.NotFoundError{ID: d.Name()}
	}
	return released(ctx, h.drafts, d)
}

// isMade reports whether the job of a commit has changed the configuration.
func isMade(j cluster.Job) bool { return j.State == cluster.JobDone || j.State == cluster.JobTimedOut }

// released is a draft whose commit has changed nothing: it can be changed again.
func released(ctx context.Context, drafts ClusterDrafts, d config.Draft) (config.Draft, error) {
	return drafts.Update(ctx, d.ID, func(now config.Draft) (config.Draft, error) {
		if now.Commit != nil && now.Commit.Job == d.Commit.Job {
			now.Commit = nil
		}
		return now, nil
	})
}

// claimed notes in a draft that a job commits it as it is here, so that nobody changes it meanwhile,
// and every agent knows what to ask for if this one is lost.
func (h clusterDraftHandlers) claimed(ctx context.Context, d config.Draft, o cluster.Order) (config.Draft, error) {
	return h.drafts.Update(ctx, d.ID, func(now config.Draft) (config.Draft, error) {
		if err := underway(now); err != nil {
			return now, err
		}
		if now.Number != d.Number || !now.Changed.Equal(d.Changed) {
			return now, &lb.ConflictError{ID: d.Name(), Reason: "has just been changed: look at it again"}
		}
		now.Commit = &config.Committing{Job: o.JobID(), Begun: h.now()}
		return now, nil
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
	if o.Key == "" {
		o.Key = rand.Text()
	}
	if d, err = h.claimed(ctx, d, o); err != nil {
		return err
	}
	out, j, err := h.objects.Configure(ctx, edits, wait, o)
	setJob(c, j)
	lasting := context.WithoutCancel(ctx)
	switch {
	case err == nil || out.Cluster != nil: // the configuration is changed, whatever came of it
		gone := h.drafts.Delete(lasting, d.ID, nil)
		if gone != nil && !errors.As(gone, new(*lb.NotFoundError)) {
			err = errors.Join(err, gone)
		}
	case ctx.Err() == nil: // else the job may go on
		_, _ = h.settledOrReleased(lasting, d, j) // or the next request does it
	}
	if alone, ok := asSingle(err); ok {
		return alone
	}
	if err != nil {
		return err
	}
	return h.committed(c, out)
}

// settledOrReleased is settled, also if there was no job.
func (h clusterDraftHandlers) settledOrReleased(ctx context.Context, d config.Draft, j cluster.Job) (config.Draft, error) {
	if j.ID == "" {
		return released(ctx, h.drafts, d)
	}
	return h.settled(ctx, d)
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
	ctx := c.Request().Context()
	waited, cancel := context.WithTimeout(ctx, max(wait, time.Second))
	defer cancel()
	j, err := h.jobs.Job(waited, d.Commit.Job)
	if errors.As(err, new(*lb.NotFoundError)) || err == nil && !j.Over() {
		return underway(d)
	}
	if err != nil {
		return err
	}
	setJob(c, j)
	if !isMade(j) {
		if _, err := released(ctx, h.drafts, d); err != nil {
			return err
		}
		return &lb.ConflictError{ID: d.Name(), Reason: "was not committed by job/" + j.ID + ": " + j.Result}
	}
	if err := h.drafts.Delete(ctx, d.ID, nil); err != nil && !errors.As(err, new(*lb.NotFoundError)) {
		return err
	}
	out := config.Outcome{Epoch: j.Epochs.Before, Changes: orEmpty(j.Changes), Warnings: []string{}}
	out.Predicted = cluster.Consequences{Actions: j.Predicted, Text: cluster.Summarize(j.Predicted)}
	if v, err := h.status(); err == nil {
		out.Cluster = &v
	}
	return h.committed(c, out)
}
