package api

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/activity"
	"thalassa/internal/permit"
)

// maxWait is the longest that a request waits, as a long poll.
const maxWait = 10 * time.Minute

// activityHandlers show the activity log.
type activityHandlers struct {
	log     Log
	answers *answers // bounds what is read of the log
}

// list answers a query of the activity log as soon as there is an event, at the latest
// after the time that the query waits.
func (h activityHandlers) list(c echo.Context) error {
	q, wait, err := activityQuery(c.Request())
	if err != nil {
		return err
	}
	if q.Since > h.log.Last() {
		q.Since = 0 // the number is from a log that no longer exists
	}
	events, release, err := h.await(c, q, wait)
	if err != nil {
		return err
	}
	defer release()
	defer func() { h.answers.learn(c.Path(), c.Response().Size) }()
	return respond(c, http.StatusOK, orEmpty(events))
}

// await is the answer to q as soon as it has an event; it is empty if the time is over or the
// server ends. The caller releases what it takes from the budget of answers.
func (h activityHandlers) await(c echo.Context, q activity.Query, wait time.Duration) (found []activity.Event, release func(), err error) {
	ctx := c.Request().Context()
	bounded, cancel := waiting(ctx)
	defer cancel()
	bounded, cancel = context.WithTimeout(bounded, wait)
	defer cancel()
	for {
		newest := h.log.Last() // read before the events, so that none is missed
		release, err := h.answers.hold(c.Request().Context(), payer(c), c.Path())
		if err != nil {
			return nil, nil, err
		}
		events, err := h.log.Events(ctx, q)
		if err == nil && (len(events) > 0 || bounded.Err() != nil) {
			return events, release, nil
		}
		release()
		if err != nil {
			return nil, nil, err
		}
		if err := h.log.Wait(bounded, newest); err != nil {
			if err := permit.Check(ctx); err != nil {
				return nil, nil, err
			}
			if bounded.Err() != nil {
				continue // query once more
			}
			return nil, nil, err
		}
		q.Since = max(q.Since, newest) // none up to there matches
	}
}

func activityQuery(r *http.Request) (activity.Query, time.Duration, error) {
	p := parameters(r, "since", "before", "filter", "limit", "wait")
	q := activity.Query{Before: p.before(), Filter: p.text("filter"), Limit: p.limit()}
	q.Since, q.SinceTime = p.since()
	wait := p.wait()
	return q, wait, p.err()
}
