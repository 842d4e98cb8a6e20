// Package storetest proves that a store of intents keeps its promises, whatever
// it stores them in. It knows a store only by the methods below.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/lb"
)

// patience is how long something that must happen may take.
const patience = 30 * time.Second

// Intents keeps what operators asked for.
type Intents interface {
	Load(ctx context.Context) (lb.Intent, error)
	Commit(ctx context.Context, base uint64, next lb.Intent, by lb.Origin) (lb.Revision, error)
	CommitAll(ctx context.Context, base uint64, proposals []lb.Proposal) ([]lb.Revision, error)
	Wait(ctx context.Context, after uint64) error
}

// A Store keeps its history as well.
type Store interface {
	Intents
	Revisions(ctx context.Context, before uint64, limit int) ([]lb.Revision, error)
}

// Run tests the stores that open makes: an empty one each time, which is closed
// with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Store) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(suite)
	}{
		{"Empty", suite.testEmpty},
		{"RoundTrip", suite.testRoundTrip},
		{"StaleBase", suite.testStaleBase},
		{"Unchanged", suite.testUnchanged},
		{"Changes", suite.testChanges},
		{"History", suite.testHistory},
		{"Refused", suite.testRefused},
		{"Several", suite.testSeveral},
		{"SeveralOrNone", suite.testSeveralOrNone},
		{"CanceledContext", suite.testCanceledContext},
		{"Independence", suite.testIndependence},
		{"ConcurrentCommits", suite.testConcurrentCommits},
		{"WaitAnswersAtOnce", suite.testWaitAnswersAtOnce},
		{"WaitWakesEverybody", suite.testWaitWakesEverybody},
		{"WaitEndsWithItsContext", suite.testWaitEndsWithItsContext},
		{"WaitMissesNothing", suite.testWaitMissesNothing},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(suite{t, open(t)}) })
	}
}

// A suite is one test on one store.
type suite struct {
	*testing.T
	Store
}

func load(t *testing.T, s Store) lb.Intent {
	t.Helper()
	in, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func commit(t *testing.T, s Store, base uint64, next lb.Intent, by lb.Origin) lb.Revision {
	t.Helper()
	rev, err := s.Commit(t.Context(), base, next, by)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func revisions(t *testing.T, s Store, before uint64, limit int) []lb.Revision {
	t.Helper()
	revs, err := s.Revisions(t.Context(), before, limit)
	if err != nil {
		t.Fatal(err)
	}
	return revs
}

// want compares values deeply; instants are compared as instants.
func want(t *testing.T, what string, got, expected any) {
	t.Helper()
	if !reflect.DeepEqual(got, expected) {
		t.Fatalf("%s:\n got %s\nwant %s", what, text(got), text(expected))
	}
}

func text(v any) string { return strings.ReplaceAll(fmt.Sprintf("%+v", v), "\n", " ") }

func (s suite) testEmpty() {
	t := s.T
	want(t, "a new store", load(t, s), lb.Intent{Frontends: map[lb.Name]lb.Frontend{}, Backends: map[lb.Name]lb.Backend{}, Certificates: map[lb.Name]lb.Certificate{}, Sections: map[string]lb.Section{}})
	want(t, "its history", len(revisions(t, s, 0, 0)), 0)
}

func (s suite) testRoundTrip() {
	t := s.T
	next := Sample("1.0.0")
	next.Revision = 4711 // does not matter
	rev := commit(t, s, 0, next, stamp(1))
	want(t, "the first revision", rev.Number, uint64(1))
	next.Revision = 1
	want(t, "what is loaded", load(t, s), next)

	rev = commit(t, s, 1, lb.Intent{}, stamp(2))
	want(t, "the second revision", rev.Number, uint64(2))
	want(t, "the empty intent", load(t, s), lb.Intent{Revision: 2, Frontends: map[lb.Name]lb.Frontend{}, Backends: map[lb.Name]lb.Backend{}, Certificates: map[lb.Name]lb.Certificate{}, Sections: map[string]lb.Section{}})
}

func (s suite) testStaleBase() {
	t := s.T
	commit(t, s, 0, Sample("1"), stamp(1))
	commit(t, s, 1, Sample("2"), stamp(2))
	for _, base := range []uint64{0, 1, 3, 1 << 63} {
		_, err := s.Commit(t.Context(), base, Sample("3"), stamp(3))
		var stale *lb.StaleRevisionError
		if !errors.As(err, &stale) {
			t.Fatalf("on base %d: %v", base, err)
		}
		want(t, "the error", *stale, lb.StaleRevisionError{Base: base, Current: 2})
	}
	// Even a commit that changes nothing is on top of what it says it is.
	if _, err := s.Commit(t.Context(), 1, Sample("2"), stamp(3)); err == nil {
		t.Fatal("a stale commit without changes was accepted")
	}
	in := Sample("2")
	in.Revision = 2
	want(t, "what is stored", load(t, s), in)
	want(t, "the history", len(revisions(t, s, 0, 0)), 2)
}

func (s suite) testUnchanged() {
	t := s.T
	rev := commit(t, s, 0, lb.Intent{}, stamp(1))
	want(t, "nothing on nothing", rev.Number, uint64(0))
	first := commit(t, s, 0, Sample("1"), stamp(2))
	again := commit(t, s, 1, Sample("1"), stamp(3))
	want(t, "the answer", again, first)
	want(t, "the history", len(revisions(t, s, 0, 0)), 1)
}

func (s suite) testChanges() {
	t := s.T
	commit(t, s, 0, Sample("1"), stamp(1))
	next := with(Sample("2"), "extra")
	delete(next.Frontends, "tcp")
	rev := commit(t, s, 1, next, stamp(2))
	expected := Sample("1").Changes(next)
	want(t, "the objects", len(rev.Changes), 3)
	want(t, "the changes", rev.Changes, expected)
	want(t, "the changes in the history", revisions(t, s, 0, 1)[0].Changes, expected)
}

func (s suite) testHistory() {
	t := s.T
	var made []lb.Revision // newest first
	for n := range 7 {
		rev := commit(t, s, uint64(n), Sample(strconv.Itoa(n)), stamp(n))
		if !rev.Time.Equal(stamp(n).Time) || rev.Author != stamp(n).Author || rev.Cause != stamp(n).Cause {
			t.Fatalf("the stamp is %+v", rev.Origin)
		}
		made = append([]lb.Revision{rev}, made...)
	}
	want(t, "all", revisions(t, s, 0, 0), made)
	want(t, "the newest two", revisions(t, s, 0, 2), made[:2])
	want(t, "before 6", revisions(t, s, 6, 3), made[2:5])
	want(t, "before 3", revisions(t, s, 3, 100), made[5:])
	want(t, "before 1", len(revisions(t, s, 1, 100)), 0)
	want(t, "before what is to come", revisions(t, s, 100, 1), made[:1])
	want(t, "no end of a limit", revisions(t, s, 0, 1<<30), made)
}

func (s suite) testRefused() {
	t := s.T
	commit(t, s, 0, Sample("1"), stamp(1))
	dangling := Sample("2")
	delete(dangling.Backends, "live")
	misplaced := Sample("2")
	misplaced.Backends["other"] = misplaced.Backends["live"]
	unreadable := Sample("2")
	b := unreadable.Backends["live"]
	b.Natives = []lb.RawLine{"backend sneaked-in"}
	unreadable.Backends["live"] = b
	for name, in := range map[string]lb.Intent{"dangling": dangling, "misplaced": misplaced, "unreadable": unreadable} {
		var invalid *lb.InvalidError
		if _, err := s.Commit(t.Context(), 1, in, stamp(2)); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	in := Sample("1")
	in.Revision = 1
	want(t, "what is stored", load(t, s), in)
}

func (s suite) testCanceledContext() {
	t := s.T
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Commit(ctx, 0, Sample("1"), stamp(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit: %v", err)
	}
	if _, err := s.Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Load: %v", err)
	}
	if _, err := s.Revisions(ctx, 0, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Revisions: %v", err)
	}
	want(t, "what is stored", load(t, s).Revision, uint64(0))
}

// The maps of a loaded intent are the caller's own; the objects in them are
// values of lb, which nobody changes.
func (s suite) testIndependence() {
	t := s.T
	commit(t, s, 0, Sample("1"), stamp(1))
	in := load(t, s)
	clear(in.Backends)
	clear(in.Sections)
	clear(in.Frontends)
	expected := Sample("1")
	expected.Revision = 1
	want(t, "what is loaded again", load(t, s), expected)
}
