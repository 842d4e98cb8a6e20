package stream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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

func TestClientsGetStatesAndChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := stream.New(stream.Config{})
		set, other := h.Set("set", true), h.Set("other", false)
		if got := h.Topics(); !slices.Equal(got, []string{"set", "other"}) {
			t.Errorf("topics %v", got)
		}
		r := join(t, h, nil)
		set.Replace([]stream.Object{object("a", "1"), object("b", "1")})
		r.wants()
		r.subscribe(follow("set"))
		r.wants("state set a=1 b=1")
		set.Replace([]stream.Object{object("a", "1"), object("b", "2"), object("c", "1")})
		r.wants("delta set b=2 c=1")
		set.Replace([]stream.Object{object("a", "1"), object("b", "2"), object("c", "1")})
		other.Replace([]stream.Object{object("x", "1")})
		r.wants()
		set.Replace([]stream.Object{object("c", "1"), object("a", "2")})
		r.wants("delta set a=2 -b")
		r.subscribe(follow("other", "set"))
		r.wants("state other x=1", "state set c=1 a=2")
		set.Replace(nil)
		r.wants("delta set -c -a")
	})
}

func TestLogsKeepTheirLastEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := stream.New(stream.Config{})
		log := h.Log("log", 3)
		log.Append(object("1", "a"), object("2", "b"))
		log.Append(object("3", "c"), object("4", "d"))
		log.Append()
		r := join(t, h, nil)
		r.subscribe(follow("log"))
		r.wants("state log 2=b 3=c 4=d")
		log.Append(object("5", "e"))
		r.wants("delta log 5=e")
	})
}

func TestSubscriptionsAreLimitedToKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := stream.New(stream.Config{})
		set, all := h.Set("set", true), h.Set("all", false)
		set.Replace([]stream.Object{object("1a", "x"), object("1b", "x"), object("2a", "x"), object("1", "for everybody")})
		all.Replace([]stream.Object{object("1b", "x")})
		r := join(t, h, nil)
		r.subscribe(stream.Subscription{Topics: []string{"set", "all"}, Keys: []string{"a"}})
		r.wants("state set 1a=x 2a=x 1=for everybody", "state all 1b=x")
		set.Replace([]stream.Object{object("1a", "x"), object("1b", "y"), object("2a", "y"), object("1", "for everybody")})
		r.wants("delta set 2a=y")
		set.Replace([]stream.Object{object("1a", "x")})
		r.wants("delta set -2a -1")
		set.Replace([]stream.Object{object("1a", "x"), object("1b", "x")})
		r.wants()
		r.subscribe(stream.Subscription{Topics: []string{"set"}, Keys: []string{}})
		r.wants("state set")
	})
}

func TestLargeStatesComeInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := stream.New(stream.Config{})
		set := h.Set("set", false)
		var objects []stream.Object
		for i := range 40 {
			objects = append(objects, object(strconv.Itoa(i), strings.Repeat("x", 10<<10)))
		}
		set.Replace(objects)
		r := join(t, h, nil)
		r.subscribe(follow("set"))
		synctest.Wait()
		total := 0
		for i, f := range r.frames {
			if want := map[bool]string{true: "state", false: "delta"}[i == 0]; f.Type != want || f.Seq != 1 {
				t.Errorf("piece %d is a %s of number %d", i, f.Type, f.Seq)
			}
			total += len(f.Objects) + len(f.Changed)
		}
		if total != 40 || len(r.frames) < 3 {
			t.Errorf("%d objects in %d pieces", total, len(r.frames))
		}
	})
}

// reconnect is a client that has seen everything up to seq.
func reconnect(t *testing.T, h *stream.Hub, seq uint64, topics ...string) *reader {
	t.Helper()
	r := join(t, h, nil)
	r.subscribe(stream.Subscription{Topics: topics, Epoch: h.Epoch(), Seq: seq})
	return r
}

func TestClientsGoOnWhereTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := stream.New(stream.Config{ReplayAge: time.Minute})
		set, other := h.Set("set", false), h.Set("other", false)
		join(t, h, nil).subscribe(stream.Subscription{Topics: []string{"set", "other"}})
		set.Replace([]stream.Object{object("a", "1")})
		other.Replace([]stream.Object{object("x", "1")})
		set.Replace([]stream.Object{object("a", "2")})
		reconnect(t, h, 1, "set").wants("resumed ", "delta set a=2")
		reconnect(t, h, 3, "set").wants("resumed ")
		reconnect(t, h, 1, "set", "other").wants("resumed ", "delta other x=1", "delta set a=2")
		reconnect(t, h, 4, "set").wants("state set a=2") // of the future
		r := join(t, h, nil)
		r.subscribe(stream.Subscription{Topics: []string{"set"}, Epoch: "another", Seq: 1})
		r.wants("state set a=2")
		time.Sleep(2 * time.Minute)
		other.Replace(nil)
		reconnect(t, h, 1, "set").wants("state set a=2") // too long ago
		reconnect(t, h, 3, "set").wants("resumed ")
	})
}

// What nobody follows is not kept for anybody; who has just left may come back.
func TestNothingIsKeptForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := stream.New(stream.Config{ReplayAge: time.Minute})
		set := h.Set("set", false)
		set.Replace([]stream.Object{object("a", "1")})
		r := reconnect(t, h, 0, "set")
		r.wants("state set a=1")
		r.stop()
		synctest.Wait()
		set.Replace([]stream.Object{object("a", "2")})
		r = reconnect(t, h, 1, "set")
		r.wants("resumed ", "delta set a=2")
		r.stop()
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		set.Replace([]stream.Object{object("a", "3")})
		reconnect(t, h, 2, "set").wants("state set a=3")
	})
}

func TestTheReplayIsBoundedInSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := stream.New(stream.Config{ReplayBytes: 100 << 10})
		set := h.Set("set", false)
		join(t, h, nil).subscribe(stream.Subscription{Topics: []string{"set"}})
		for i := range 100 {
			set.Replace([]stream.Object{object("a", strings.Repeat(strconv.Itoa(i%10), 10<<10))})
		}
		if got := reconnect(t, h, 95, "set").got(); len(got) != 6 || got[0] != "resumed " {
			t.Errorf("%d frames from near", len(got))
		}
		if got := reconnect(t, h, 50, "set").got(); len(got) != 1 || !strings.HasPrefix(got[0], "state") {
			t.Errorf("%d frames from afar", len(got))
		}
	})
}

// On one connection the former subscription is known.
func TestAWiderSubscriptionGetsStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := stream.New(stream.Config{})
		set := h.Set("set", true)
		h.Set("other", false)
		set.Replace([]stream.Object{object("1a", "1"), object("1b", "1")})
		r := join(t, h, nil)
		with := func(keys []string, topics ...string) stream.Subscription {
			return stream.Subscription{Topics: topics, Keys: keys, Epoch: h.Epoch(), Seq: 1}
		}
		r.subscribe(stream.Subscription{Topics: []string{"set"}, Keys: []string{"a"}})
		r.wants("state set 1a=1")
		r.subscribe(with([]string{"a"}, "set"))
		r.wants("resumed ")
		r.subscribe(with([]string{"a", "b"}, "set"))
		r.wants("state set 1a=1 1b=1")
		r.subscribe(with([]string{"b"}, "set"))
		r.wants("resumed ")
		r.subscribe(with(nil, "set"))
		r.wants("state set 1a=1 1b=1")
		r.subscribe(with(nil, "set", "other"))
		r.wants("state set 1a=1 1b=1", "state other")
	})
}

func TestUnknownTopicsChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := stream.New(stream.Config{})
		set := h.Set("set", false)
		r := join(t, h, nil)
		r.subscribe(follow("set"))
		r.wants("state set")
		unknown := (*stream.UnknownTopicError)(nil)
		if err := r.client.Subscribe(follow("set", "gossip")); !errors.As(err, &unknown) || unknown.Topic != "gossip" {
			t.Errorf("got %v", err)
		}
		set.Replace([]stream.Object{object("a", "1")})
		r.wants("delta set a=1")
	})
}

// One client that never reads changes nothing for the others.
func TestSlowClientsAreDropped(t *testing.T) {
	for name, config := range map[string]stream.Config{"frames": {Queue: 5}, "bytes": {QueueBytes: 5 << 10}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := stream.New(config)
				set := h.Set("set", false)
				stuck := make(chan struct{})
				slow, quick := join(t, h, stuck), join(t, h, nil)
				slow.subscribe(follow("set"))
				quick.subscribe(follow("set"))
				quick.wants("state set")
				for i := range 20 {
					v := strings.Repeat(strconv.Itoa(i%10), 1<<10)
					set.Replace([]stream.Object{object("a", v)})
					quick.wants("delta set a=" + v)
				}
				if h.Slow() != 1 {
					t.Errorf("%d clients are too slow", h.Slow())
				}
				close(stuck)
				if err := <-slow.ended; !errors.Is(err, stream.ErrSlow) {
					t.Errorf("ended with %v", err)
				}
				synctest.Wait()
				if h.Clients() != 1 {
					t.Errorf("%d clients are left", h.Clients())
				}
			})
		})
	}
}

// A client that comes back is given what it missed at its own pace: that does not
// count as what waits for it. What comes meanwhile does.
func TestClientsMayResumeSlowly(t *testing.T) {
	for name, config := range map[string]stream.Config{"frames": {Queue: 5}, "bytes": {QueueBytes: 5 << 10}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := stream.New(config)
				set := h.Set("set", false)
				join(t, h, nil).subscribe(follow("set"))
				synctest.Wait()
				publish := func(n int) (want []string) {
					for i := range n {
						v := strings.Repeat(strconv.Itoa(i%10), 900)
						set.Replace([]stream.Object{object("a", v)})
						synctest.Wait() // who reads has read it
						want = append(want, "delta set a="+v)
					}
					return want
				}
				want := publish(40)
				stuck := make(chan struct{})
				patient, hopeless := join(t, h, stuck), join(t, h, make(chan struct{}))
				for _, r := range []*reader{patient, hopeless} {
					r.subscribe(stream.Subscription{Topics: []string{"set"}, Epoch: h.Epoch()})
				}
				synctest.Wait()
				want = append(want, publish(5)...)
				close(stuck)
				patient.wants(append([]string{"resumed "}, want...)...)
				patient.wants(publish(1)...)
				if h.Slow() != 1 {
					t.Errorf("%d clients are too slow, one is", h.Slow())
				}
				close(hopeless.stuck)
				if err := <-hopeless.ended; !errors.Is(err, stream.ErrSlow) {
					t.Errorf("ended with %v", err)
				}
			})
		})
	}
}

func TestRunEndsWithItsContextAndItsWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := stream.New(stream.Config{})
		h.Set("set", false)
		r := join(t, h, nil)
		r.stop()
		if err := <-r.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		broken := errors.New("broken pipe")
		c := h.Join()
		defer c.Leave()
		if err := c.Subscribe(follow("set")); err != nil {
			t.Fatal(err)
		}
		if err := c.Run(t.Context(), func([]byte) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("ended with %v", err)
		}
	})
}

// A feed whose objects are somebody else's.
func TestFeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := stream.New(stream.Config{ReplayAge: time.Minute})
		begin := time.Now()
		at, v := begin, "0"
		feed := h.Feed("feed", true, func(keys []string, visit func(time.Time, []stream.Object) bool) {
			for _, key := range []string{"a", "b"} {
				if (keys == nil || slices.Contains(keys, key)) && !visit(at, []stream.Object{object("1"+key, v)}) {
					return
				}
			}
		})
		tick := func(n int, told bool) {
			at, v = begin.Add(time.Duration(n)*time.Second), strconv.Itoa(n)
			if told {
				feed.Publish(at, []stream.Object{object("1a", v)}, []stream.Removed{{ID: "2b", Key: "b"}})
			} else {
				feed.Skip()
			}
		}
		if feed.Wanted() {
			t.Error("wanted by nobody")
		}
		tick(1, false)
		r := join(t, h, nil)
		r.subscribe(stream.Subscription{Topics: []string{"feed"}, Keys: []string{"a"}})
		r.wants("state feed 1a=1")
		if !feed.Wanted() {
			t.Error("not wanted")
		}
		feed.Publish(at.Add(-time.Second), []stream.Object{object("1a", "older")}, nil)
		r.wants()
		feed.Publish(at, []stream.Object{object("1a", "between two ticks")}, nil)
		r.wants("delta feed 1a=between two ticks")
		tick(2, true)
		r.wants("delta feed 1a=2")
		feed.Publish(at.Add(time.Second), nil, nil)
		r.wants("delta feed") // time goes on
		seq := h.Seq()
		r.stop()
		if err := <-r.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		synctest.Wait()
		if !feed.Wanted() {
			t.Error("who has just left may come back")
		}
		tick(4, true)
		reconnect(t, h, seq, "feed").wants("resumed ", "delta feed 1a=4 -2b")
		tick(5, false)
		reconnect(t, h, seq, "feed").wants("state feed 1a=5", "delta feed 1b=5")
	})
}

// What a client sends while it is being sent away must not be followed for ever by
// nobody: the statistics would be encoded for it.
func TestAClientThatHasLeftFollowsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := stream.New(stream.Config{ReplayAge: time.Minute})
		feed := h.Feed("stat", true, func([]string, func(time.Time, []stream.Object) bool) {})
		c := h.Join()
		c.Leave()
		if err := c.Subscribe(stream.Subscription{Topics: []string{"stat"}, Keys: []string{"live"}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if feed.Wanted() {
			t.Error("the feed is wanted by a client that has left")
		}
	})
}

func TestHubsDiffer(t *testing.T) {
	if a, b := stream.New(stream.Config{}).Epoch(), stream.New(stream.Config{}).Epoch(); a == b || len(a) < 8 {
		t.Errorf("epochs %s and %s", a, b)
	}
}

// Many clients come, change their minds and go while much changes; each must
// end with what there is.
func TestClientsAgreeInTheEnd(t *testing.T) {
	h := stream.New(stream.Config{Queue: 10_000})
	topics := []*stream.Topic{h.Set("a", false), h.Set("b", false)}
	var wg sync.WaitGroup
	const last = 300
	for range 8 {
		wg.Go(func() {
			c := h.Join()
			defer c.Leave()
			known := map[string]map[string]string{}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			done := errors.New("done")
			go func() {
				for i := range 20 {
					_ = c.Subscribe(follow([]string{"a", "b"}[i%2], "b"))
				}
				_ = c.Subscribe(follow("a", "b"))
			}()
			err := c.Run(ctx, func(data []byte) error {
				var f frame
				if err := json.Unmarshal(data, &f); err != nil {
					return err
				}
				if f.Type == "state" {
					known[f.Topic] = map[string]string{}
				}
				for _, o := range slices.Concat(f.Objects, f.Changed) {
					known[f.Topic][o.ID] = o.V
				}
				for _, id := range f.Removed {
					delete(known[f.Topic], id)
				}
				if want := strconv.Itoa(last); len(known["a"]) == 1 && known["a"][want] == want && len(known["b"]) == 1 && known["b"][want] == want {
					return done
				}
				return nil
			})
			if !errors.Is(err, done) {
				t.Errorf("ended with %v, knowing %v", err, known)
			}
		})
	}
	for i := range last + 1 {
		for _, topic := range topics {
			topic.Replace([]stream.Object{object(strconv.Itoa(i), strconv.Itoa(i))})
		}
	}
	wg.Wait()
}

// Clients that want the same share the frames, also where they name keys.
func TestFramesAreMadeOnce(t *testing.T) {
	h := stream.New(stream.Config{})
	set := h.Set("set", true)
	told := func(c *stream.Client) (last []byte) {
		t.Helper()
		for more := true; more; {
			var err error
			if more, err = c.Step(func(frame []byte) error { last = frame; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		return last
	}
	var clients []*stream.Client
	for _, keys := range [][]string{nil, nil, {"a", "b"}, {"b", "a", "b"}, {"a"}, {`a""b`}, {}} {
		c := h.JoinFunc(func() {})
		defer c.Leave()
		if err := c.Subscribe(stream.Subscription{Topics: []string{"set"}, Keys: keys}); err != nil {
			t.Fatal(err)
		}
		told(c)
		clients = append(clients, c)
	}
	set.Replace([]stream.Object{object("1a", "1"), object("1b", "1"), object("1c", "1")})
	frames := make([][]byte, len(clients))
	for i, c := range clients {
		frames[i] = told(c)
	}
	for i, want := range []int{3, 3, 2, 2, 1, 0, 0} {
		if got := bytes.Count(frames[i], []byte(`"id"`)); got != want {
			t.Errorf("client %d is told of %d objects, want %d: %s", i, got, want, frames[i])
		}
	}
	if &frames[0][0] != &frames[1][0] || &frames[2][0] != &frames[3][0] {
		t.Error("frames were made twice")
	}
}
