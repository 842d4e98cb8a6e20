package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/api"
	"thalassa/client"
)

func TestActivity(t *testing.T) {
	node, c := start(t)
	for _, verb := range []activity.Verb{activity.Started, activity.Online, activity.Offline} {
		node.Log.Record(t.Context(), activity.Event{Verb: verb, Diff: []string{"+x"}})
	}
	hourAgo := time.Now().Add(-time.Hour)
	for _, tc := range []struct {
		q    client.ActivityQuery
		want string
	}{
		{client.ActivityQuery{}, "[started online offline]"},
		{client.ActivityQuery{Since: 1}, "[online offline]"},
		{client.ActivityQuery{Since: 1, Limit: 1}, "[online]"},
		{client.ActivityQuery{Limit: 1}, "[offline]"},
		{client.ActivityQuery{Filter: "LINE"}, "[online offline]"},
		{client.ActivityQuery{SinceTime: hourAgo.In(time.FixedZone("", 3*3600))}, "[started online offline]"},
		{client.ActivityQuery{SinceTime: hourAgo.Add(2 * time.Hour)}, "[]"},
		{client.ActivityQuery{Since: 3, Wait: time.Millisecond}, "[]"},
	} {
		list, err := c.Activity(t.Context(), tc.q)
		verbs := make([]activity.Verb, 0, len(list))
		for _, e := range list {
			verbs = append(verbs, e.Verb)
		}
		if got := fmt.Sprint(verbs); err != nil || got != tc.want {
			t.Errorf("%+v: %s, %v, want %s", tc.q, got, err, tc.want)
		}
	}
	_, err := c.Activity(t.Context(), client.ActivityQuery{Limit: activity.MaxLimit + 1})
	failed(t, err, 400, "invalid")
}

func TestFollowActivity(t *testing.T) {
	const events = 50
	node, c := start(t)
	node.Log.Record(t.Context(), activity.Event{Verb: activity.Started})
	node.Log.Record(t.Context(), activity.Event{Verb: activity.Online})
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for range events {
			node.Log.Record(context.WithoutCancel(ctx), activity.Event{Verb: activity.Offline})
		}
	}()
	last := uint64(1)
	err := c.FollowActivity(ctx, last, func(e activity.Event) error {
		if e.Seq != last+1 {
			t.Errorf("event %d after %d", e.Seq, last)
		}
		if last = e.Seq; last == events+2 {
			stop()
		}
		return nil
	})
	if err != nil || last != events+2 {
		t.Errorf("followed to %d, %v", last, err)
	}
	enough := errors.New("enough")
	if err := c.FollowActivity(t.Context(), 0, func(activity.Event) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("error %v, want the callback's", err)
	}
}

func TestFollowActivityNeedsAnAgentAtFirst(t *testing.T) {
	_, c := start(t)
	server := httptest.NewServer(http.NotFoundHandler())
	away := connect(t, server.URL)
	server.Close()
	never := func(activity.Event) error { t.Error("an event of nobody"); return nil }
	if err := away.FollowActivity(t.Context(), 0, never); err == nil {
		t.Error("an agent that is away is waited for")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.FollowActivity(ctx, 0, never); err != nil {
		t.Errorf("the end of ctx is an error: %v", err)
	}
}

// handlerTransport carries requests to a handler without a network, so that a test can
// live in a synctest bubble; while it is broken they fail.
type handlerTransport struct {
	handler http.Handler
	broken  atomic.Bool
	calls   atomic.Int64
}

func (t *handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.calls.Add(1)
	if t.broken.Load() {
		return nil, io.ErrUnexpectedEOF
	}
	w := httptest.NewRecorder()
	t.handler.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	res := w.Result()
	res.Request = r
	return res, nil
}

func TestFollowActivityOutlivesAnAgentsAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newNode(t)
		transport := &handlerTransport{handler: api.New(node.Config())}
		c, err := client.New(client.Config{Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		seen := make(chan uint64, 10)
		ended := make(chan error, 1)
		go func() {
			ended <- c.FollowActivity(ctx, 0, func(e activity.Event) error { seen <- e.Seq; return nil })
		}()
		node.Log.Record(ctx, activity.Event{Verb: activity.Started})
		if got := <-seen; got != 1 {
			t.Errorf("event %d, want 1", got)
		}
		transport.broken.Store(true)
		time.Sleep(pollEnd) // the poll under transport ends
		before := transport.calls.Load()
		time.Sleep(5 * time.Minute)
		if n := transport.calls.Load() - before; n < 15 || n > 100 {
			t.Errorf("%d attempts in five minutes", n)
		}
		node.Log.Record(ctx, activity.Event{Verb: activity.Online})
		transport.broken.Store(false)
		if got := <-seen; got != 2 {
			t.Errorf("event %d, want 2", got)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("FollowActivity: %v", err)
		}
	})
}

// pollEnd is longer than a long poll takes.
const pollEnd = time.Minute

// What a call is told to wait does not count against its timeout.
func TestWaitingIsNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newNode(t)
		c, err := client.New(client.Config{Transport: &handlerTransport{handler: api.New(node.Config())}, Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		list, err := c.Activity(t.Context(), client.ActivityQuery{Wait: 10 * time.Minute})
		if err != nil || len(list) != 0 || time.Since(begin) != 10*time.Minute {
			t.Errorf("after %v: %v, %v", time.Since(begin), list, err)
		}
	})
}

// An agent that answers at once, with nothing, is not asked in a tight loop.
func TestFollowActivityDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &handlerTransport{handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") })}
		c, err := client.New(client.Config{Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		if err := c.FollowActivity(ctx, 0, func(activity.Event) error { return nil }); err != nil {
			t.Error(err)
		}
		if n := transport.calls.Load(); n > 100 {
			t.Errorf("%d requests in five minutes", n)
		}
	})
}
