package canary

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"thalassa/api/node"
	"thalassa/client"
	"thalassa/internal/wake"
)

const (
	firstPause = 250 * time.Millisecond // between two tries to reach the agent
	lastPause  = 2 * time.Second
	// healthWait is how long the agent is asked to wait for a healthy instance at
	// a time: while it waits, the rollout cannot be interrupted.
	healthWait = 2 * time.Second
)

// selection is the versions of a backend after a request.
func selection(d client.DeployRequest) string {
	return client.Backend{Version: d.Version, Versions: node.Versions(d.Versions)}.Selection()
}

// requestWhenHealthy is request for the first step, which may have to wait for
// instances. The end of ctx ends the waiting, and then nothing has been changed.
func (r *rollout) requestWhenHealthy(ctx context.Context, d client.DeployRequest) (client.Applied, error) {
	end := time.Now().Add(r.Wait)
	for {
		if err := ctx.Err(); err != nil {
			return client.Applied{}, err
		}
		d.Wait = max(0, min(time.Until(end), healthWait))
		applied, err := r.request(ctx, d)
		if d.Wait == 0 || !hasStatus(err, http.StatusConflict) {
			return applied, err
		}
	}
}

// request sends d to the agent, on condition that nobody else has changed the backend
// since the last step. The end of ctx does not interrupt it, because the rollout must
// know the outcome. If the answer is lost, it reads from the agent whether the request
// was carried out.
func (r *rollout) request(ctx context.Context, d client.DeployRequest) (client.Applied, error) {
	r.wanted = selection(d)
	begin, wait := time.Now(), firstPause
	for lost := false; ; lost = true {
		b, applied, err := r.agent.Deploy(context.WithoutCancel(ctx), r.Backend, d, client.IfMatch(r.backend.ETag))
		r.begun = r.begun || err == nil || client.IsTemporary(err)
		switch {
		case err == nil && r.isWanted(b):
			r.backend = b
			return applied, nil
		case err == nil: // somebody else changed it before the agent answered
			return applied, r.foreign(b)
		case !lost && hasStatus(err, http.StatusPreconditionFailed, http.StatusNotFound):
			return applied, r.conflict(ctx)
		case !lost && !client.IsTemporary(err):
			return applied, err
		}
		done, lookErr := r.hasTaken(ctx)
		switch {
		case lookErr != nil:
			return applied, lookErr
		case done:
			return client.Applied{Applied: true}, nil
		case !client.IsTemporary(err) || time.Since(begin) > r.MaxOutage:
			return applied, err
		}
		if err := wake.Pause(ctx, wait); err != nil {
			return applied, err
		}
		wait = min(2*wait, lastPause)
	}
}

// hasTaken finds out whether the agent has carried out the last request, after
// its answer was lost.
func (r *rollout) hasTaken(ctx context.Context) (bool, error) {
	b, err := r.readBackend(ctx)
	switch {
	case err != nil:
		return false, err
	case b.ETag == r.backend.ETag:
		return false, nil
	case !r.isWanted(b) || r.isWanted(r.backend): // the last request is known to be done
		return false, r.foreign(b)
	}
	r.backend = b
	return true, nil
}

// requestBack is request for the rollback. The last request may have been carried out
// without an answer.
func (r *rollout) requestBack(ctx context.Context) (client.Applied, error) {
	if _, err := r.hasTaken(ctx); err != nil {
		return client.Applied{}, err
	}
	return r.request(ctx, r.backward())
}

// isWanted reports whether a backend is as the last request wanted it.
func (r *rollout) isWanted(b client.Backend) bool {
	return b.Selection() == r.wanted && b.Name == r.service
}

// readBackend reads the backend, with retries.
func (r *rollout) readBackend(ctx context.Context) (client.Backend, error) {
	var b client.Backend
	err := r.retry(ctx, func(ctx context.Context) (err error) {
		b, err = r.agent.Backend(ctx, r.Backend)
		return err
	})
	if hasStatus(err, http.StatusNotFound) {
		return b, r.foreign(client.Backend{})
	}
	return b, err
}

// readMembers reads the members with their counters, with retries. It is an error if
// somebody else has changed the backend.
func (r *rollout) readMembers(ctx context.Context) ([]client.Member, error) {
	var members []client.Member
	err := r.retry(ctx, func(ctx context.Context) (err error) {
		members, err = r.agent.MembersWithStats(ctx, r.Backend)
		return err
	})
	if err != nil && !hasStatus(err, http.StatusNotFound) {
		return nil, err
	}
	b, err := r.readBackend(ctx)
	switch {
	case err != nil:
		return nil, err
	case b.ETag != r.backend.ETag:
		return nil, r.foreign(b)
	}
	return members, nil
}

// retry calls ask until it succeeds, fails with an error that is not temporary, or
// MaxOutage is over.
func (r *rollout) retry(ctx context.Context, ask func(context.Context) error) error {
	begin, wait, told := time.Now(), firstPause, false
	for {
		err := ask(ctx)
		if err == nil || ctx.Err() != nil || !client.IsTemporary(err) || time.Since(begin) > r.MaxOutage {
			return err
		}
		if !told {
			told = true
			if err := r.report(Event{Kind: Waiting, Reason: err.Error()}); err != nil {
				return err
			}
		}
		if err := wake.Pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, lastPause)
	}
}

// foreign is the error for a backend that somebody else has changed to what it is
// now, or removed.
func (r *rollout) foreign(now client.Backend) error {
	return &ForeignError{ID: r.id, Left: r.backend.Selection(), Now: strings.TrimSpace(now.Name + " " + now.Selection())}
}

// asForeign finds somebody else's change in an error.
func asForeign(err error) (*ForeignError, bool) { return errors.AsType[*ForeignError](err) }

func isForeign(err error) bool {
	_, ok := asForeign(err)
	return ok
}

// conflict is foreign for the present backend.
func (r *rollout) conflict(ctx context.Context) error {
	b, err := r.readBackend(ctx)
	if err != nil {
		return err
	}
	return r.foreign(b)
}

// report completes an event and reports it.
func (r *rollout) report(e Event) error {
	if err := r.Report(r.complete(e)); err != nil {
		return &outputError{err}
	}
	return nil
}

// complete fills in the present state of the rollout.
func (r *rollout) complete(e Event) Event {
	e.Backend, e.Service, e.Percent, e.Selection = r.id, r.service, r.percent, r.backend.Selection()
	if e.Kind == Stepped || e.Kind == Done {
		e.Members = len(r.backend.Members)
	} else {
		e.Figures = r.figures
	}
	return e
}

// hasStatus reports whether err is an answer with one of these statuses.
func hasStatus(err error, statuses ...int) bool {
	answer, ok := errors.AsType[*client.Error](err)
	if !ok {
		return false
	}
	for _, s := range statuses {
		if answer.Status == s && answer.Code != "" {
			return true
		}
	}
	return false
}

// isDown reports whether a server is down by HAProxy's status; one that is about to come
// up is still down.
func isDown(status string) bool { return strings.HasPrefix(status, "DOWN") }
