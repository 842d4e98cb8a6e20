package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/activity"
	"thalassa/api/node"
)

// maxWait is the longest long poll.
const maxWait = 10 * time.Minute

// activity answers a query of the activity log, at the latest when the time to
// wait for a first event is over.
func (s *Server) activity(c echo.Context) error {
	q, wait, err := activityQuery(c.Request())
	if err != nil {
		return err
	}
	if q.Since > s.cfg.Activity.Last() {
		q.Since = 0 // the log the caller knew is gone; this is another one
	}
	events, err := s.await(c.Request().Context(), q, wait)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, orEmpty(events))
}

// await answers q as soon as there is an event to answer with; with none when
// the time is over or the server ends.
func (s *Server) await(ctx context.Context, q activity.Query, wait time.Duration) ([]activity.Event, error) {
	bounded, cancel := waiting(ctx)
	defer cancel()
	bounded, cancel = context.WithTimeout(bounded, wait)
	defer cancel()
	for {
		newest := s.cfg.Activity.Last() // before the look, so that nothing is missed
		events, err := s.cfg.Activity.Events(ctx, q)
		if err != nil || len(events) > 0 || bounded.Err() != nil {
			return events, err
		}
		if err := s.cfg.Activity.Wait(bounded, newest); err != nil {
			if bounded.Err() != nil {
				continue // one last look
			}
			return nil, err
		}
		q.Since = max(q.Since, newest) // those up to there have been looked at
	}
}

func activityQuery(r *http.Request) (activity.Query, time.Duration, error) {
	p := parameters(r, "since", "before", "filter", "limit", "wait")
	q := activity.Query{Before: p.number("before"), Filter: p.text("filter"), Limit: p.limit()}
	q.Since, q.SinceTime = p.since()
	wait := p.duration("wait", maxWait)
	return q, wait, p.err()
}

func (s *Server) revisions(c echo.Context) error {
	p := parameters(c.Request(), "before", "limit")
	before, limit := p.number("before"), p.limit()
	if err := p.err(); err != nil {
		return err
	}
	list, err := s.cfg.History.Revisions(c.Request().Context(), before, limit)
	if err != nil {
		return err
	}
	out := make([]node.Revision, len(list))
	for i, r := range list {
		if out[i], err = node.NewRevision(r); err != nil {
			return fmt.Errorf("encoding revision %d: %w", r.Number, err)
		}
	}
	return respond(c, http.StatusOK, out)
}
