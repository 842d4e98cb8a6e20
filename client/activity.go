package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"thalassa/activity"
	"thalassa/internal/wake"
)

const (
	pollWait   = 30 * time.Second // of one long poll of FollowActivity
	minBackoff = 250 * time.Millisecond
	maxBackoff = 10 * time.Second
)

// An ActivityQuery selects events. The zero value asks for the newest ones.
type ActivityQuery struct {
	// Since is the number of the last known event. The answer is the first events after
	// it. 0: the newest.
	Since uint64
	// SinceTime excludes events before it; it is used only without Since.
	SinceTime time.Time
	// Filter is a text that events must contain; empty: all match.
	Filter string
	// Limit is the maximum number of events; 0: the agent's default.
	Limit int
	// Wait is how long to wait for a first event, 10 minutes at most.
	Wait time.Duration
}

func (q ActivityQuery) path() string {
	v := url.Values{}
	switch {
	case q.Since > 0:
		v.Set("since", strconv.FormatUint(q.Since, 10))
	case !q.SinceTime.IsZero():
		v.Set("since", q.SinceTime.Format(time.RFC3339Nano))
	}
	if q.Filter != "" {
		v.Set("filter", q.Filter)
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Wait > 0 {
		v.Set("wait", q.Wait.String())
	}
	return withQuery("/activity", v)
}

// Activity answers a query of the activity log, ascending by Seq.
func (c *Client) Activity(ctx context.Context, q ActivityQuery) ([]activity.Event, error) {
	a, err := c.transport.do(ctx, call{method: http.MethodGet, path: q.path(), wait: max(q.Wait, 0)})
	if err != nil {
		return nil, err
	}
	var list []activity.Event
	return list, a.decode(&list)
}

// FollowActivity calls f with every event after the one numbered since, in
// order, until ctx ends, which is no error, or f returns one. Since 0 begins
// with the newest thousand. If the agent cannot be reached at
// first, that is an error; after its first answer it is retried.
func (c *Client) FollowActivity(ctx context.Context, since uint64, f func(activity.Event) error) error {
	backoff, answered := minBackoff, false
	for ctx.Err() == nil {
		begin := time.Now()
		events, err := c.Activity(ctx, ActivityQuery{Since: since, Limit: activity.MaxLimit, Wait: pollWait})
		switch {
		case ctx.Err() != nil: // which is what err is about
		case err != nil && (!answered || !IsTemporary(err)):
			return err
		case err != nil, len(events) == 0 && time.Since(begin) < pollWait/2: // it ends, or does not wait
			pause(ctx, backoff)
			backoff = min(2*backoff, maxBackoff)
		default:
			backoff = minBackoff
		}
		answered = answered || err == nil
		for _, e := range events {
			if err := f(e); err != nil {
				return err
			}
			since = e.Seq
		}
	}
	return nil
}

// IsTemporary reports whether a retry may succeed: the agent gave no complete
// answer, or one with status 429 or from 500 on.
func IsTemporary(err error) bool {
	var answered *Error
	return IsUnreachable(err) || errors.As(err, &answered) &&
		(answered.Status >= http.StatusInternalServerError || answered.Status == http.StatusTooManyRequests)
}

// pause waits for about d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	_ = wake.Pause(ctx, d/2+rand.N(d)) // the caller checks ctx
}
