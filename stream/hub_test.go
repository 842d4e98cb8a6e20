package stream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/stream"
)

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
