package drafts_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/cluster/config"
	"thalassa/lb"
)

// A question that comes twice, since its answer was lost, is one write.
func TestAQuestionComesTwice(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "x")
		f.mu.Lock()
		f.twice = true
		f.mu.Unlock()
		for i, node := range f.names {
			if d := f.begin(t, node, ""); d.ID != strconv.Itoa(i+1) {
				t.Errorf("%s begins %s", node, d.ID)
			}
			f.edit(t, node, "x", node)
		}
		f.shows(t, "x", f.names, f.names...)
		if list, err := f.at("n1").List(t.Context()); err != nil || len(list) != 4 {
			t.Errorf("%d drafts, %v", len(list), err)
		}
	})
}

// A write that was stored by a keeper that died before it has told it, and was made again by the next
// one, is no other one when the former keeper returns, however much has come after it.
func TestAWriteIsMadeAgain(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "a")
		for i := range 40 {
			f.edit(t, "n1", "a", fmt.Sprint("before ", i))
		}
		keeper := f.keeper(t)
		other := f.but(keeper)
		f.hook(func(node string, drafts map[string][]byte) error {
			if node == keeper && bytes.Contains(drafts["a"], []byte(`"body":"again"`)) {
				f.mu.Lock()
				f.side[keeper], f.unseen = 1, true
				f.mu.Unlock()
			}
			return nil
		})
		f.edit(t, other, "a", "again")
		f.hook(nil)
		f.kill(keeper)
		for i := range 400 {
			f.edit(t, other, "a", fmt.Sprint("after ", i))
			if i%10 > 0 {
				continue
			}
			if _, err := f.at(other).Update(t.Context(), "a", func(d config.Draft) (config.Draft, error) { d.Edits = nil; return d, nil }); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.at(other).Delete(t.Context(), "a", nil); err == nil {
			f.split(false)
			f.start(keeper)
			later(time.Minute)
		} else {
			t.Fatal(err)
		}
		for _, node := range f.names {
			if list := f.ids(t, node); len(list) > 0 {
				t.Errorf("%s shows %q", node, list)
			}
		}
	})
}

// A draft that a node with a wrong clock drops does not come back, and what others have dropped neither.
func TestAWrongClock(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"behind": -200 * 24 * time.Hour, "ahead": 200 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			with(t, func(t *testing.T, f *fleet) {
				t.Helper()
				for _, id := range []string{"first", "a"} {
					f.begin(t, "n1", id)
				}
				later(time.Minute)
				f.kill("n1")
				f.split(false, "n1")
				if err := f.at("n3").Delete(t.Context(), "first", nil); err != nil {
					t.Fatal(err)
				}
				f.kill("n2")
				f.turn(ahead, "n2")
				f.start("n2")
				f.kill("n3") // n2 keeps the drafts
				if err := f.at("n2").Delete(t.Context(), "a", nil); err != nil {
					t.Fatal(err)
				}
				f.start("n3")
				later(time.Minute)
				for _, node := range []string{"n2", "n3"} {
					if d := f.disks[node].copy(); len(d.ends) != 2 || strings.Contains(string(d.state), "forgotten") {
						t.Errorf("%s knows %d ends, %s", node, len(d.ends), d.state)
					}
				}
				f.start("n1")
				f.split(false)
				later(time.Minute)
				for _, node := range f.names {
					if list := f.ids(t, node); len(list) > 0 {
						t.Errorf("%s shows %q", node, list)
					}
				}
			})
		})
	}
}

// A keeper whose disk is full keeps the drafts no more, and the error at its own node names it.
func TestAFullDisk(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "a")
		keeper, saves := f.keeper(t), 0
		other := f.but(keeper)
		f.hook(func(node string, _ map[string][]byte) error {
			if node != keeper {
				return nil
			}
			saves++
			return errors.New("no space left on device")
		})
		begun := time.Now()
		f.edit(t, other, "a", "one")
		if took := time.Since(begun); took > time.Second || saves > 3 {
			t.Errorf("it took %s and %d writes of the full disk", took, saves)
		}
		f.edit(t, other, "a", "two")
		f.shows(t, "a", []string{"one", "two"}, other)
		for what, err := range map[string]error{
			"an edit": func() error { _, err := f.at(keeper).Update(t.Context(), "a", add("x")); return err }(),
			"a read":  func() error { _, err := f.at(keeper).Draft(t.Context(), "a"); return err }(),
		} {
			if down, ok := errors.AsType[*lb.UnavailableError](err); !ok || !strings.Contains(down.What, keeper) || !strings.Contains(down.What, "no space left") {
				t.Errorf("%s at the node with the full disk: %v", what, err)
			}
		}
		f.hook(nil)
		f.shows(t, "a", []string{"one", "two"}, f.names...)
	})
}

// A node whose disk is full does not say that it has what the keeper has stored.
func TestAFullDiskOfAnotherNode(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "a")
		full := f.but(f.keeper(t))
		f.hook(func(node string, drafts map[string][]byte) error {
			if node == full && len(drafts) > 0 {
				return errors.New("no space left on device")
			}
			return nil
		})
		d, err := f.at(full).Update(t.Context(), "a", add("x"))
		if err != nil || slices.Contains(d.Kept, full) || len(d.Kept) == 0 {
			t.Errorf("%s has no space, and the draft is kept by %v: %v", full, d.Kept, err)
		}
		f.hook(nil)
		if d, err := f.at(full).Update(t.Context(), "a", add("y")); err != nil || !slices.Contains(d.Kept, full) {
			t.Errorf("there is space again, and the draft is kept by %v: %v", d.Kept, err)
		}
	})
}

// A keeper whose disk hangs is no error of the agent; a request that its caller ends says so.
func TestADiskHangs(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "a")
		goOn := make(chan struct{})
		f.hook(func(string, map[string][]byte) error { <-goOn; return nil })
		keeper := f.keeper(t)
		go func() { _, _ = f.at(keeper).Update(context.Background(), "a", add("w")) }()
		later(time.Millisecond)
		if _, err := f.at(keeper).Update(t.Context(), "a", add("x")); !errors.As(err, new(*lb.UnavailableError)) {
			t.Errorf("%T %v", err, err)
		}
		now, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.at(keeper).Update(now, "a", add("x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%T %v", err, err)
		}
		f.hook(nil)
		close(goOn)
		later(time.Minute)
		f.edit(t, f.but(keeper), "a", "two")
	})
}
