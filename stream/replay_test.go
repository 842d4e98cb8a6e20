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
