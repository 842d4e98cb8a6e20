package stream_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/stream"
)

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

// What clients do not share is bounded in bytes, however many do not read it: whoever has
// taken longest is dropped, and a client that reads gets everything.
func TestFramesOfSingleClientsAreBounded(t *testing.T) {
	const size, fit = 32 << 10, 4
	value := strings.Repeat("v", size)
	all := func(mark string) (list []stream.Object) {
		for i := range 20 {
			list = append(list, object("1"+string(rune('a'+i)), mark+value))
		}
		return list
	}
	for name, change := range map[string]func(set *stream.Topic, i int){
		"states of keys":   func(*stream.Topic, int) {},
		"states over time": func(set *stream.Topic, i int) { set.Replace(all(strconv.Itoa(i))[:2]) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := stream.New(stream.Config{OwnBytes: (fit + 1) * 2 * size, QueueBytes: 1 << 30, Queue: 1000})
				set := h.Set("set", true)
				set.Replace(all("")[:2])
				stuck := make(chan struct{})
				var silent []*reader
				for i := range 20 {
					change(set, i)
					r := join(t, h, stuck)
					s := follow("set")
					if name == "states of keys" {
						s.Keys = []string{"a", "b", "other" + strconv.Itoa(i)}
					}
					r.subscribe(s)
					silent = append(silent, r)
					synctest.Wait()
				}
				quick := join(t, h, nil)
				s := follow("set")
				s.Keys = []string{"a", "b", "mine"}
				quick.subscribe(s)
				if got := quick.got(); len(got) != 1 || strings.Count(got[0], "=") != 2 {
					t.Errorf("a client that reads got %d frames", len(got))
				}
				dropped := 0
				for _, r := range silent {
					if r.client.IsInTheWay() {
						dropped++
					}
				}
				if want := len(silent) - fit; dropped < want || dropped > want+1 || h.Slow() != uint64(dropped) {
					t.Errorf("%d of %d clients that read nothing were dropped, %d counted; want about %d", dropped, len(silent), h.Slow(), want)
				}
				if silent[len(silent)-1].client.IsInTheWay() || quick.client.IsInTheWay() {
					t.Error("a new client was dropped")
				}
				close(stuck)
				synctest.Wait()
			})
		})
	}
}

// A client whose keys are those of all that has changed shares the frame of everybody.
func TestWhoeverWantsAllOfAChangeSharesIt(t *testing.T) {
	h := stream.New(stream.Config{})
	set := h.Set("set", true)
	var clients []*stream.Client
	for _, keys := range [][]string{nil, {"a", "b"}, {"a", "c"}} {
		c := h.JoinFunc(func() {})
		defer c.Leave()
		if err := c.Subscribe(stream.Subscription{Topics: []string{"set"}, Keys: keys}); err != nil {
			t.Fatal(err)
		}
		if more, err := c.Step(func([]byte) error { return nil }); err != nil || !more {
			t.Fatal(more, err)
		}
		clients = append(clients, c)
	}
	set.Replace([]stream.Object{object("1a", strings.Repeat("v", 64<<10))})
	var first *byte
	for i, c := range clients {
		more, err := c.Step(func(frame []byte) error {
			if i == 0 {
				first = &frame[0]
			} else if &frame[0] != first {
				t.Errorf("client %d has a frame of its own", i)
			}
			return nil
		})
		if err != nil || !more {
			t.Fatal(more, err)
		}
	}
}
