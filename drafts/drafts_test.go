package drafts_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/cluster/config"
	"thalassa/lb"
)

// with runs a test with the agents of three nodes.
func with(t *testing.T, test func(t *testing.T, f *fleet)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "n1", "n2", "n3")
		defer f.stop()
		time.Sleep(5 * time.Second)
		test(t, f)
	})
}

func (f *fleet) begin(t *testing.T, node, id string) config.Draft {
	t.Helper()
	d, err := f.at(node).Create(t.Context(), config.Draft{ID: id, Author: "ann", Message: "a change", Begun: time.Now(), Changed: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (f *fleet) edit(t *testing.T, node, id, text string) config.Draft {
	t.Helper()
	d, err := f.at(node).Update(t.Context(), id, add(text))
	if err != nil {
		t.Fatalf("edit %s at %s: %v", text, node, err)
	}
	return d
}

// shows looks for the edits of a draft at nodes.
func (f *fleet) shows(t *testing.T, id string, want []string, nodes ...string) {
	t.Helper()
	for _, node := range nodes {
		d, err := f.at(node).Draft(t.Context(), id)
		if err != nil || !slices.Equal(texts(d), want) {
			t.Errorf("%s shows %q, %v, expected %q", node, texts(d), err, want)
		}
	}
}

// later lets time pass in the bubble of a test.
func later(after time.Duration) { time.Sleep(after) }

func isMissing(err error) bool { return errors.As(err, new(*lb.NotFoundError)) }

func TestADraftIsOnAllNodes(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		d := f.begin(t, "n2", "")
		if d.ID != "1" || len(d.Kept) != 3 {
			t.Errorf("%+v", d)
		}
		f.edit(t, "n3", "1", "a")
		last := f.edit(t, "n1", "1", "b")
		f.shows(t, "1", []string{"a", "b"}, f.names...)
		for _, node := range f.names {
			if d, err := f.at(node).Draft(t.Context(), "1"); err != nil || d.Version("0:1") != last.Version("0:1") || len(d.Kept) < 2 {
				t.Errorf("%s: %v, %+v", node, err, d)
			}
			if list, err := f.at(node).List(t.Context()); err != nil || len(list) != 1 {
				t.Errorf("%s: %v, %+v", node, err, list)
			}
		}
		if d := f.begin(t, "n3", ""); d.ID != "2" {
			t.Errorf("the next one is %s", d.ID)
		}
		_, err := f.at("n1").Create(t.Context(), config.Draft{ID: "2"})
		if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || conflict.Reason != "exists already" {
			t.Errorf("taken: %v", err)
		}
		refused := errors.New("no")
		if _, err := f.at("n3").Update(t.Context(), "1", func(d config.Draft) (config.Draft, error) { return d, refused }); !errors.Is(err, refused) {
			t.Errorf("refused: %v", err)
		}
		for i := range config.MaxDrafts - 2 {
			f.begin(t, f.names[i%3], "")
		}
		if _, err := f.at("n2").Create(t.Context(), config.Draft{}); !errors.As(err, new(*lb.ConflictError)) {
			t.Errorf("one too many for the cluster: %v", err)
		}
	})
}

// Several users at once, each at another node, lose no edit.
func TestEditsAtTheSameTime(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "a")
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() { f.edit(t, f.names[i%3], "a", strconv.Itoa(i)) })
		}
		all.Wait()
		d, err := f.at("n2").Draft(t.Context(), "a")
		if got := texts(d); err != nil || len(got) != 12 || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 12 {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// A draft is dropped only as it was checked: who edits it meanwhile has the check run again.
func TestDropsWithACheck(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "a")
		for i, node := range f.names {
			refused, checked := errors.New("it has changed"), 0
			err := f.at(node).Delete(t.Context(), "a", func(d config.Draft) error {
				if checked++; checked == 1 {
					f.edit(t, f.names[(i+1)%3], "a", node) // before the drop is written
				}
				if len(d.Edits) > i {
					return refused
				}
				return nil
			})
			if !errors.Is(err, refused) || checked != 2 {
				t.Errorf("%s, checked %d times: %v", node, checked, err)
			}
		}
		f.shows(t, "a", f.names, f.names...)
		if err := f.at("n2").Delete(t.Context(), "a", func(d config.Draft) error {
			if d.ID != "a" || len(d.Edits) != 3 {
				return fmt.Errorf("it gets %+v", d)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		for _, node := range f.names {
			if _, err := f.at(node).Draft(t.Context(), "a"); !isMissing(err) {
				t.Errorf("%s shows what was dropped: %v", node, err)
			}
		}
	})
}

// A disk that is set back to what it had, and one that another machine has a copy of, make no agent use
// numbers again: what it writes then is no older write of its own for the others.
func TestADiskIsSetBack(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "a")
		keeper := f.keeper(t)
		was := f.disks[keeper].copy()
		f.edit(t, keeper, "a", "one")
		f.edit(t, keeper, "a", "two")
		time.Sleep(10 * time.Second)
		f.kill(keeper)
		f.disks[keeper] = was
		f.start(keeper)
		time.Sleep(30 * time.Second)
		for _, text := range []string{"three", "four"} {
			if d := f.edit(t, keeper, "a", text); len(d.Kept) < 2 {
				t.Errorf("kept by %q", d.Kept)
			}
		}
		time.Sleep(time.Minute)
		f.kill(keeper)
		for _, name := range f.names {
			if name == keeper {
				continue
			}
			f.shows(t, "a", []string{"one", "two", "three", "four"}, name)
			f.kill(name)
			f.disks[name] = was.copy() // a clone
			f.start(name)
		}
		f.edit(t, f.but(keeper), "a", "five")
		f.start(keeper)
		time.Sleep(time.Minute)
		for _, name := range f.names {
			list, err := f.at(name).List(t.Context())
			all := map[string]bool{}
			for _, d := range list {
				for _, text := range texts(d) {
					all[text] = true
				}
			}
			if err != nil || len(all) != 5 {
				t.Errorf("%s has %v, %v", name, all, err)
			}
		}
	})
}

// A draft knows a bounded number of starts of agents. At the bound it can be committed and dropped still.
func TestADraftOfManyStarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "n1")
		defer f.stop()
		f.begin(t, "n1", "a")
		var err error
		starts := 0
		for ; err == nil && starts < 1000; starts++ {
			f.kill("n1")
			f.start("n1")
			_, err = f.at("n1").Update(t.Context(), "a", func(d config.Draft) (config.Draft, error) { d.Number++; return d, nil })
		}
		if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || !strings.Contains(conflict.Reason, "commit or drop it") {
			t.Errorf("after %d starts: %v", starts, err)
		}
		for _, commit := range []*config.Committing{{Job: "j"}, nil} {
			if _, err := f.at("n1").Update(t.Context(), "a", func(d config.Draft) (config.Draft, error) { d.Commit = commit; return d, nil }); err != nil {
				t.Errorf("commit %v: %v", commit, err)
			}
		}
		if err := f.at("n1").Delete(t.Context(), "a", nil); err != nil {
			t.Error(err)
		}
	})
}

// The keeper dies, the draft goes on, and the keeper follows when it is back.
func TestTheKeeperDies(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "a")
		f.edit(t, "n1", "a", "one")
		f.begin(t, "n1", "dropped")
		f.kill("n1")
		f.shows(t, "a", []string{"one"}, "n2", "n3")
		if d := f.edit(t, "n3", "a", "two"); !slices.Equal(d.Kept, []string{"n2", "n3"}) {
			t.Errorf("kept by %q", d.Kept)
		}
		if err := f.at("n2").Delete(t.Context(), "dropped", nil); err != nil {
			t.Fatal(err)
		}
		f.start("n1")
		f.shows(t, "a", []string{"one", "two"}, f.names...)
		for _, node := range f.names {
			if _, err := f.at(node).Draft(t.Context(), "dropped"); !isMissing(err) {
				t.Errorf("%s shows what was dropped: %v", node, err)
			}
		}
	})
}

// An agent that stops in the middle, and goes on later, does not count.
func TestTheKeeperHangs(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "a")
		f.split(true, "n1") // the cluster sees it
		begun := time.Now()
		f.edit(t, "n2", "a", "one")
		if took := time.Since(begun); took > 8*time.Second {
			t.Errorf("the takeover took %s", took)
		}
		begun = time.Now()
		f.edit(t, "n2", "a", "two")
		if took := time.Since(begun); took > time.Second {
			t.Errorf("the next edit took %s", took)
		}
		f.split(true)
		f.edit(t, "n1", "a", "three")
		f.shows(t, "a", []string{"one", "two", "three"}, f.names...)
	})
}

// What both sides of a split have edited is kept twice, and what one side has dropped only if the
// other has edited it since.
func TestASplit(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		for _, id := range []string{"both", "one", "dropped", "edited"} {
			f.begin(t, "n1", id)
		}
		f.split(false, "n1")
		time.Sleep(time.Minute)
		if d := f.edit(t, "n1", "both", "left"); !slices.Equal(d.Kept, []string{"n1"}) {
			t.Errorf("kept by %q", d.Kept)
		}
		f.edit(t, "n1", "edited", "left")
		f.edit(t, "n2", "both", "right")
		f.edit(t, "n2", "one", "right")
		for _, id := range []string{"dropped", "edited"} {
			if err := f.at("n3").Delete(t.Context(), id, nil); err != nil {
				t.Fatal(err)
			}
		}
		f.split(false)
		time.Sleep(time.Minute)
		for _, node := range f.names {
			list, err := f.at(node).List(t.Context())
			var got []string
			for _, d := range list {
				id, _, isCopy := strings.Cut(d.ID, ".conflict-")
				why := map[string]string{"both": "edited on both sides of a split", "edited": "edited on one side of a split, and dropped or committed on the other"}[id]
				if isCopy != strings.HasPrefix(d.Message, id+" as n1 had it: "+why+".") {
					t.Errorf("%s: %q", d.ID, d.Message)
				}
				got = append(got, fmt.Sprintf("%s %t %q", id, isCopy, texts(d)))
			}
			slices.Sort(got)
			want := []string{`both false ["right"]`, `both true ["left"]`, `edited true ["left"]`, `one false ["right"]`}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s shows %q, %v, expected %q", node, got, err, want)
			}
		}
	})
}

// A node that was away for longer than ends of drafts are known brings back nothing that was dropped.
func TestANodeIsAwayForLong(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "a")
		time.Sleep(time.Minute)
		f.kill("n1")
		f.split(false, "n1")
		if err := f.at("n2").Delete(t.Context(), "a", nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		f.kill("n3") // one agent alone is faster
		for range 1001 {
			time.Sleep(time.Millisecond)
			d := f.begin(t, "n2", "")
			if err := f.at("n2").Delete(t.Context(), d.ID, nil); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(f.disks["n2"].copy().ends); n != 1000 {
			t.Errorf("%d ends are known", n)
		}
		f.begin(t, "n2", "b")
		f.start("n1")
		f.start("n3")
		f.split(false)
		time.Sleep(time.Minute)
		for _, node := range f.names {
			if list, err := f.at(node).List(t.Context()); err != nil || len(list) != 1 || list[0].ID != "b" {
				t.Errorf("%s: %v, %+v", node, err, list)
			}
		}
	})
}

// Agents of a version that does not share drafts have none, and drafts go on without them.
func TestOlderAgents(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.mu.Lock()
		f.old["n1"], f.old["n2"] = true, true
		f.mu.Unlock()
		f.begin(t, "n3", "a")
		if d := f.edit(t, "n3", "a", "one"); !slices.Equal(d.Kept, []string{"n3"}) {
			t.Errorf("kept by %q", d.Kept)
		}
		for _, name := range []string{"n1", "n2"} {
			f.kill(name)
			f.mu.Lock()
			delete(f.old, name)
			f.mu.Unlock()
			f.start(name)
		}
		time.Sleep(3 * time.Second)
		f.shows(t, "a", []string{"one"}, f.names...)
	})
}

// At rest, nobody asks anybody.
func TestAtRest(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "a")
		f.edit(t, "n2", "a", "one")
		time.Sleep(time.Minute)
		before := f.asked.Load()
		time.Sleep(24 * time.Hour)
		if n := f.asked.Load() - before; n != 0 {
			t.Errorf("%d questions in a day without a change", n)
		}
	})
}

// What a write costs: the questions, and the bytes that they have. A request ends when it is told to.
func TestWhatAWriteCosts(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "a")
		for i := range 20 {
			f.edit(t, "n1", "a", fmt.Sprintf("%d %s", i, strings.Repeat("<primitive/>", 40)))
		}
		time.Sleep(10 * time.Second)
		f.asked.Store(0)
		f.bytes.Store(0)
		f.edit(t, "n2", "a", "last")
		if n, b := f.asked.Load(), f.bytes.Load(); n > 9 || b > 20<<10 {
			t.Errorf("%d questions with %d bytes", n, b)
		}
		t.Logf("one write of a draft with 20 edits at a node that does not keep it: %d questions, %d bytes", f.asked.Load(), f.bytes.Load())
		f.split(true, "n2", "n3")
		now, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		_, _ = f.at("n2").Update(now, "a", add("late"))
		if took := time.Since(begun); took > 1500*time.Millisecond {
			t.Errorf("it ended after %s", took)
		}
	})
}
