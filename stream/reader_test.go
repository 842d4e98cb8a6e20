package stream_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"thalassa/stream"
)

// A frame is what a client reads.
type frame struct {
	Type, Topic      string
	Seq              uint64
	Time             int64
	Objects, Changed []struct{ ID, V string }
	Removed          []string
}

func (f frame) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", f.Type, f.Topic)
	for _, o := range slices.Concat(f.Objects, f.Changed) {
		fmt.Fprintf(&b, " %s=%s", o.ID, o.V)
	}
	for _, id := range f.Removed {
		fmt.Fprintf(&b, " -%s", id)
	}
	return b.String()
}

// A reader is a client whose frames are collected, in a synctest bubble.
type reader struct {
	t      *testing.T
	client *stream.Client
	stop   context.CancelFunc
	ended  chan error
	stuck  chan struct{} // a frame is not taken until this is closed; nil: all are

	mu     sync.Mutex
	frames []frame
}

func join(t *testing.T, h *stream.Hub, stuck chan struct{}) *reader {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &reader{t: t, client: h.Join(), stop: cancel, ended: make(chan error, 1), stuck: stuck}
	go func() {
		defer r.client.Leave()
		r.ended <- r.client.Run(ctx, r.take)
	}()
	t.Cleanup(cancel)
	return r
}

func (r *reader) take(data []byte) error {
	var f frame
	if err := json.Unmarshal(data, &f); err != nil {
		r.t.Errorf("%v: %s", err, data)
	}
	r.mu.Lock()
	r.frames = append(r.frames, f)
	r.mu.Unlock()
	if r.stuck != nil {
		<-r.stuck
	}
	return nil
}

// got are the frames since the last call, as texts.
func (r *reader) got() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]string, len(r.frames))
	for i, f := range r.frames {
		out[i] = f.String()
	}
	r.frames = nil
	return out
}

func (r *reader) wants(want ...string) {
	r.t.Helper()
	if got := r.got(); !slices.Equal(got, want) {
		r.t.Errorf("got  %q\nwant %q", got, want)
	}
}

func (r *reader) subscribe(s stream.Subscription) {
	r.t.Helper()
	if err := r.client.Subscribe(s); err != nil {
		r.t.Error(err)
	}
}

func object(id, v string) stream.Object {
	return stream.Object{ID: id, Key: strings.TrimLeft(id, "0123456789"), JSON: fmt.Appendf(nil, `{"id":%q,"v":%q}`, id, v)}
}

func follow(topics ...string) stream.Subscription { return stream.Subscription{Topics: topics} }

// reconnect is a client that has seen everything up to seq.
func reconnect(t *testing.T, h *stream.Hub, seq uint64, topics ...string) *reader {
	t.Helper()
	r := join(t, h, nil)
	r.subscribe(stream.Subscription{Topics: topics, Epoch: h.Epoch(), Seq: seq})
	return r
}
