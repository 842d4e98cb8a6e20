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
	// a time: as long as it does, nobody else can end the walk.
	healthWait = 2 * time.Second
)

// selection is what a backend is at after a request.
func selection(d client.DeployRequest) string {
	return client.Backend{Version: d.Version, Versions: node.Versions(d.Versions)}.Selection()
}

// requestWhenHealthy is request for the first step, which may have to wait for
// instances. The end of ctx ends the waiting, and then nothing has been changed.
func (w *deployment) requestWhenHealthy(ctx context.Context, d client.DeployRequest) (client.Applied, error) {
	end := time.Now().Add(w.Wait)
	for {
		if err := ctx.Err(); err != nil {
			return client.Applied{}, err
		}
		d.Wait = max(0, min(time.Until(end), healthWait))
		applied, err := w.request(ctx, d)
		if d.Wait == 0 || !hasStatus(err, http.StatusConflict) {
			return applied, err
		}
	}
}

// request makes the agent put the backend at what d says, unless somebody else
// has changed it since this walk saw it last. It is not cut short: the walk must
// know what has become of it. When the answer is lost the agent is asked what it
// has made of the request.
func (w *deployment) request(ctx context.Context, d client.DeployRequest) (client.Applied, error) {
	w.wanted = selection(d)
	begin, wait := time.Now(), firstPause
	for lost := false; ; lost = true {
		b, applied, err := w.agent.Deploy(context.WithoutCancel(ctx), w.Backend, d, client.IfMatch(w.backend.ETag))
		w.begun = w.begun || err == nil || client.IsTemporary(err)
		switch {
		case err == nil && w.isWanted(b):
			w.backend = b
			return applied, nil
		case err == nil: // and changed by somebody else before the agent had answered
			return applied, w.foreign(b)
		case !lost && hasStatus(err, http.StatusPreconditionFailed, http.StatusNotFound):
			return applied, w.conflict(ctx)
		case !lost && !client.IsTemporary(err):
			return applied, err
		}
		done, lookErr := w.hasTaken(ctx)
		switch {
		case lookErr != nil:
			return applied, lookErr
		case done:
			return client.Applied{Applied: true}, nil
		case !client.IsTemporary(err) || time.Since(begin) > w.Patience:
			return applied, err
		}
		if err := wake.Pause(ctx, wait); err != nil {
			return applied, err
		}
		wait = min(2*wait, lastPause)
	}
}

// hasTaken finds out whether the agent has done what it was asked for last, after
// its answer was lost.
func (w *deployment) hasTaken(ctx context.Context) (bool, error) {
	b, err := w.readBackend(ctx)
	switch {
	case err != nil:
		return false, err
	case b.ETag == w.backend.ETag:
		return false, nil
	case !w.isWanted(b) || w.isWanted(w.backend): // that was known to be done
		return false, w.foreign(b)
	}
	w.backend = b
	return true, nil
}

// requestBack is request for the way back. What was asked for last may have been
// done without an answer.
func (w *deployment) requestBack(ctx context.Context) (client.Applied, error) {
	if _, err := w.hasTaken(ctx); err != nil {
		return client.Applied{}, err
	}
	return w.request(ctx, w.backward())
}

// isWanted reports whether a backend is what was asked for last.
func (w *deployment) isWanted(b client.Backend) bool {
	return b.Selection() == w.wanted && b.Name == w.service
}

// readBackend reads the backend, with patience.
func (w *deployment) readBackend(ctx context.Context) (client.Backend, error) {
	var b client.Backend
	err := w.retry(ctx, func(ctx context.Context) (err error) {
		b, err = w.agent.Backend(ctx, w.Backend)
		return err
	})
	if hasStatus(err, http.StatusNotFound) {
		return b, w.foreign(client.Backend{})
	}
	return b, err
}

// readMembers reads the members with their counters, with patience. A backend that
// somebody else has changed by then is an error.
func (w *deployment) readMembers(ctx context.Context) ([]client.Member, error) {
	var members []client.Member
	err := w.retry(ctx, func(ctx context.Context) (err error) {
		members, err = w.agent.MembersWithStats(ctx, w.Backend)
		return err
	})
	if err != nil && !hasStatus(err, http.StatusNotFound) {
		return nil, err
	}
	b, err := w.readBackend(ctx)
	switch {
	case err != nil:
		return nil, err
	case b.ETag != w.backend.ETag:
		return nil, w.foreign(b)
	}
	return members, nil
}

// retry asks until there is an answer, an error that asking again does not
// help against, or no patience left.
func (w *deployment) retry(ctx context.Context, ask func(context.Context) error) error {
	begin, wait, told := time.Now(), firstPause, false
	for {
		err := ask(ctx)
		if err == nil || ctx.Err() != nil || !client.IsTemporary(err) || time.Since(begin) > w.Patience {
			return err
		}
		if !told {
			told = true
			if err := w.report(Event{Kind: Waiting, Reason: err.Error()}); err != nil {
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
func (w *deployment) foreign(now client.Backend) error {
	return &ForeignError{ID: w.id, Left: w.backend.Selection(), Now: strings.TrimSpace(now.Name + " " + now.Selection())}
}

// asForeign finds somebody else's change in an error.
func asForeign(err error) (*ForeignError, bool) { return errors.AsType[*ForeignError](err) }

func isForeign(err error) bool {
	_, ok := asForeign(err)
	return ok
}

// conflict is foreign for what the backend is now.
func (w *deployment) conflict(ctx context.Context) error {
	b, err := w.readBackend(ctx)
	if err != nil {
		return err
	}
	return w.foreign(b)
}

// report tells of something.
func (w *deployment) report(e Event) error {
	if err := w.Report(w.complete(e)); err != nil {
		return &outputError{err}
	}
	return nil
}

// complete fills in what an event says of the present state.
func (w *deployment) complete(e Event) Event {
	e.Backend, e.Service, e.Percent, e.Selection = w.id, w.service, w.percent, w.backend.Selection()
	if e.Kind == Stepped || e.Kind == Done {
		e.Members = len(w.backend.Members)
	} else {
		e.Figures = w.figures
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

// isDown reads HAProxy's status of a server; one on its way up is still down.
func isDown(status string) bool { return strings.HasPrefix(status, "DOWN") }
