package activity_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/internal/testkit"
	"thalassa/store"
)

// A flaky keeper is a real store that fails, or hangs, while it is told to.
type flaky struct {
	activity.Store

	mu      sync.Mutex
	failure error
	calls   int
	hang    chan struct{}
}

func (f *flaky) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failure = err
}

func (f *flaky) state() error {
	f.mu.Lock()
	hang := f.hang
	f.calls++
	f.mu.Unlock()
	if hang != nil {
		<-hang
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failure
}

func (f *flaky) AppendEvents(ctx context.Context, events []activity.Event) error {
	if err := f.state(); err != nil {
		return err
	}
	return f.Store.AppendEvents(ctx, events)
}

func (f *flaky) Events(ctx context.Context, q activity.Query) ([]activity.Event, error) {
	if err := f.state(); err != nil {
		return nil, err
	}
	return f.Store.Events(ctx, q)
}

func openStore(t *testing.T, path string) *store.DB {
	t.Helper()
	db, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// noon is a clock that stands still.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 5e6, time.UTC) }

func newLog(t *testing.T, k activity.Store) *activity.Log {
	t.Helper()
	l, err := activity.NewLog(t.Context(), k, noon, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func fresh(t *testing.T) (*activity.Log, *flaky) {
	t.Helper()
	k := &flaky{Store: openStore(t, filepath.Join(t.TempDir(), "store.db"))}
	return newLog(t, k), k
}

func record(t *testing.T, l *activity.Log, n int) {
	t.Helper()
	for range n {
		l.Record(t.Context(), activity.Event{Verb: activity.HAProxyReloaded})
	}
}

func query(t *testing.T, l *activity.Log, q activity.Query) []activity.Event {
	t.Helper()
	events, err := l.Events(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// span says which events these are, if they have no gap.
func span(t *testing.T, events []activity.Event) string {
	t.Helper()
	if len(events) == 0 {
		return "none"
	}
	for i, e := range events {
		if e.Seq != events[0].Seq+uint64(i) {
			t.Fatalf("a gap before %d", e.Seq)
		}
	}
	return fmt.Sprintf("%d-%d", events[0].Seq, events[len(events)-1].Seq)
}

func TestRecord(t *testing.T) {
	l, k := fresh(t)
	reasons := []string{"a bind changed"}
	l.Record(t.Context(), activity.Event{
		Seq: 99, Type: "x", Time: 1, Verb: activity.BackendSwitched,
		Object: activity.Object{ID: "backend/live", Type: "backend", Key: "live"},
		Cause:  "POST /backends/live", Author: "deploy", Reasons: reasons, Diff: []string{"- a", "+ b"},
		DurationMS: 1.5, Revision: 7, Path: "runtime",
	})
	reasons[0] = "changed afterwards"
	stored, err := k.Store.Events(t.Context(), activity.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if got := query(t, l, activity.Query{}); !reflect.DeepEqual(got, stored) {
		t.Errorf("in memory %+v\nstored %+v", got, stored)
	}
	doc, err := json.Marshal(stored[0])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"seq":1,"type":"activity","time":1772366400005,"verb":"backendSwitched",` +
		`"object":{"id":"backend/live","type":"backend","key":"live"},"cause":"POST /backends/live","author":"deploy",` +
		`"reasons":["a bind changed"],"diff":["- a","+ b"],"durationMs":1.5,"revision":7,"path":"runtime"}`
	if string(doc) != want {
		t.Errorf("got  %s\nwant %s", doc, want)
	}
}

// TestUnstorableEvents would keep every later event out of the store if they got
// there as they are.
func TestUnstorableEvents(t *testing.T) {
	l, k := fresh(t)
	long := make([]string, 10_000)
	for n := range long {
		long[n] = fmt.Sprintf("+ server s%04d", n)
	}
	l.Record(t.Context(), activity.Event{DurationMS: math.NaN(), Diff: long, Error: strings.Repeat("x", 1<<20)})
	l.Record(t.Context(), activity.Event{DurationMS: math.Inf(1), Error: "\xff\xfe"})
	stored, err := k.Store.Events(t.Context(), activity.Query{})
	if err != nil || len(stored) != 2 {
		t.Fatalf("%d events are stored: %v", len(stored), err)
	}
	diff := stored[0].Diff
	if last := diff[len(diff)-1]; last != fmt.Sprintf("… %d more lines", len(long)-len(diff)+1) {
		t.Errorf("the diff of %d lines ends with %q", len(diff), last)
	}
	if len(stored[0].Error) > 70_000 {
		t.Errorf("the error has %d bytes", len(stored[0].Error))
	}
}

func TestRecordAfterTheCallerWentAway(t *testing.T) {
	l, k := fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l.Record(ctx, activity.Event{Verb: activity.Stopped})
	if last, err := k.LastSeq(t.Context()); err != nil || last != 1 {
		t.Errorf("the last event stored is %d: %v", last, err)
	}
	if _, err := l.Events(ctx, activity.Query{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Events: %v", err)
	}
}

func TestNumbersGoOnAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	db := openStore(t, path)
	record(t, newLog(t, db), 3)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	l := newLog(t, openStore(t, path))
	if l.Last() != 3 {
		t.Errorf("the last event is %d", l.Last())
	}
	record(t, l, 1)
	if got := span(t, query(t, l, activity.Query{})); got != "1-4" {
		t.Errorf("events %s", got)
	}
}

func TestNewLogFailsWithItsStore(t *testing.T) {
	k := &flaky{Store: openStore(t, filepath.Join(t.TempDir(), "store.db")), failure: errors.New("no disk")}
	if _, err := activity.NewLog(t.Context(), k, noon, testkit.Logger(t)); !errors.Is(err, k.failure) {
		t.Error(err)
	}
}

// TestOlderThanMemory asks for events that only the keeper has, with and without
// those that memory has, too.
func TestOlderThanMemory(t *testing.T) {
	db := openStore(t, filepath.Join(t.TempDir(), "store.db"))
	old := make([]activity.Event, 2500)
	for n := range old {
		old[n] = activity.Event{Seq: uint64(n + 1), Type: "activity", Time: int64(n), Cause: fmt.Sprint("cause ", n+1)}
	}
	if err := db.AppendEvents(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	l := newLog(t, db)
	record(t, l, 10)
	for _, test := range []struct {
		q    activity.Query
		want string
	}{
		{activity.Query{}, "2411-2510"},
		{activity.Query{Limit: 5}, "2506-2510"},
		{activity.Query{Limit: 5000}, "1511-2510"},
		{activity.Query{Since: 5, Limit: 3}, "6-8"},
		{activity.Query{Since: 2000, Limit: 1000}, "2001-2510"},
		{activity.Query{Since: 2509}, "2510-2510"},
		{activity.Query{Since: 2510}, "none"},
		{activity.Query{Since: math.MaxUint64}, "none"},
		{activity.Query{Since: 5, Limit: 3, Last: true}, "2508-2510"},
		{activity.Query{Filter: "CAUSE 17", Limit: 2}, "1798-1799"},
		{activity.Query{Filter: "cause 17", Since: 1, Limit: 1}, "17-17"},
		{activity.Query{Filter: "haproxyreload", Since: 1}, "2501-2510"},
		{activity.Query{Before: 2505, Limit: 3}, "2502-2504"},
		{activity.Query{Before: 1400, Limit: 3}, "1397-1399"},
		{activity.Query{Before: 1}, "none"},
		{activity.Query{SinceTime: noon()}, "2501-2510"},
		{activity.Query{SinceTime: noon().Add(time.Millisecond)}, "none"},
	} {
		if got := span(t, query(t, l, test.q)); got != test.want {
			t.Errorf("%+v: %s, want %s", test.q, got, test.want)
		}
	}
}

// TestStoreFailsForAWhile: what happens meanwhile stays readable, is stored
// later, and the trouble is logged once when it begins and once when it ends.
func TestStoreFailsForAWhile(t *testing.T) {
	var lines bytes.Buffer
	k := &flaky{Store: openStore(t, filepath.Join(t.TempDir(), "store.db"))}
	l, err := activity.NewLog(t.Context(), k, noon, slog.New(slog.NewTextHandler(&lines, nil)))
	if err != nil {
		t.Fatal(err)
	}
	record(t, l, 2)
	k.fail(errors.New("disk full"))
	record(t, l, 50)
	if got := span(t, query(t, l, activity.Query{})); got != "1-52" {
		t.Errorf("while it fails: %s", got)
	}
	if err := l.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("Flush: %v", err)
	}
	k.fail(nil)
	record(t, l, 1)
	stored, err := k.Store.Events(t.Context(), activity.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if got := span(t, stored); got != "1-53" {
		t.Errorf("stored afterwards: %s", got)
	}
	if got := strings.Count(lines.String(), "\n"); got != 2 || !strings.Contains(lines.String(), "caught_up=51 lost=0") {
		t.Errorf("logged %d lines:\n%s", got, &lines)
	}
}

// TestStoreFailsForLong: memory is bounded, so the oldest of what could not be
// stored is lost, and that is said.
func TestStoreFailsForLong(t *testing.T) {
	var lines bytes.Buffer
	k := &flaky{Store: openStore(t, filepath.Join(t.TempDir(), "store.db"))}
	l, err := activity.NewLog(t.Context(), k, noon, slog.New(slog.NewTextHandler(&lines, nil)))
	if err != nil {
		t.Fatal(err)
	}
	record(t, l, 5)
	k.fail(errors.New("disk full"))
	record(t, l, 4000)
	events := query(t, l, activity.Query{Limit: 1000})
	if got := span(t, events); got != "3006-4005" {
		t.Errorf("while it fails: %s", got)
	}
	if events = query(t, l, activity.Query{Since: 2}); len(events) == 0 || events[0].Seq < 2000 {
		t.Errorf("while it fails there are %s after 2", span(t, events))
	}
	k.fail(nil)
	record(t, l, 1)
	stored, err := k.Store.Events(t.Context(), activity.Query{Since: 5, Limit: 1})
	if err != nil || len(stored) != 1 {
		t.Fatal(stored, err)
	}
	if lost := fmt.Sprintf("lost=%d", stored[0].Seq-6); !strings.Contains(lines.String(), lost) {
		t.Errorf("%s is not in the log:\n%s", lost, &lines)
	}
	// The gap in the numbers is no damage.
	if got := query(t, l, activity.Query{Since: 4, Limit: 2}); len(got) != 2 || got[0].Seq != 5 || got[1].Seq != stored[0].Seq {
		t.Errorf("%+v", got)
	}
}

// TestUnreadableStore serves what memory has, with one line in the log per
// change.
func TestUnreadableStore(t *testing.T) {
	var lines bytes.Buffer
	db := openStore(t, filepath.Join(t.TempDir(), "store.db"))
	if err := db.AppendEvents(t.Context(), make2000()); err != nil {
		t.Fatal(err)
	}
	k := &flaky{Store: db}
	l, err := activity.NewLog(t.Context(), k, noon, slog.New(slog.NewTextHandler(&lines, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, failure := range []error{errors.New("bad sector"), nil} {
		k.fail(failure)
		want := "1001-1003"
		if failure == nil {
			want = "2-4"
		}
		for range 3 {
			if got := span(t, query(t, l, activity.Query{Since: 1, Limit: 3})); got != want {
				t.Errorf("with %v: %s", failure, got)
			}
		}
	}
	if got := strings.Count(lines.String(), "\n"); got != 2 {
		t.Errorf("logged %d lines:\n%s", got, &lines)
	}
}

func make2000() []activity.Event {
	events := make([]activity.Event, 2000)
	for i := range events {
		events[i].Seq = uint64(i + 1)
	}
	return events
}

// TestRunCatchesUp stores what is missing although nothing new is recorded.
func TestRunCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &flaky{Store: openStore(t, filepath.Join(t.TempDir(), "store.db")), failure: nil}
		l := newLog(t, k)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.Run(ctx) }()
		k.fail(errors.New("disk full"))
		record(t, l, 3)
		time.Sleep(time.Minute)
		k.fail(nil)
		time.Sleep(time.Minute)
		if last, err := k.LastSeq(t.Context()); err != nil || last != 3 {
			t.Errorf("the last event stored is %d: %v", last, err)
		}
		calls := k.calls
		time.Sleep(time.Hour)
		if k.calls != calls {
			t.Errorf("%d calls while nothing happened", k.calls-calls)
		}
		k.fail(errors.New("disk full"))
		record(t, l, 1)
		k.fail(nil)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if last, err := k.LastSeq(t.Context()); err != nil || last != 4 {
			t.Errorf("the last event stored at the end is %d: %v", last, err)
		}
	})
}

// TestReadersDoNotWaitForTheStore: while a disk hangs, what is recorded is
// there at once for whoever reads or waits.
func TestReadersDoNotWaitForTheStore(t *testing.T) {
	l, k := fresh(t)
	hang := make(chan struct{})
	k.mu.Lock()
	k.hang = hang
	k.mu.Unlock()
	recorded := make(chan struct{})
	go func() {
		record(t, l, 1)
		close(recorded)
	}()
	if err := l.Wait(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if got := span(t, query(t, l, activity.Query{})); got != "1-1" {
		t.Errorf("events %s", got)
	}
	close(hang)
	<-recorded
}

func TestWaitEndsWithItsContext(t *testing.T) {
	l, _ := fresh(t)
	record(t, l, 1)
	if err := l.Wait(t.Context(), 0); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Wait(ctx, 1) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestNobodyMissesAnEvent has many follow the log while many write it.
func TestNobodyMissesAnEvent(t *testing.T) {
	l, k := fresh(t)
	const readers, writers, each = 50, 8, 25
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, readers)
	for range readers {
		go func() { ended <- follow(ctx, l, writers*each) }()
	}
	var done sync.WaitGroup
	for range writers {
		done.Go(func() {
			for range each {
				l.Record(ctx, activity.Event{Verb: activity.Online})
			}
		})
	}
	done.Wait()
	for range readers {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	stored, err := k.Store.Events(t.Context(), activity.Query{Limit: activity.MaxLimit})
	if err != nil || span(t, stored) != fmt.Sprintf("1-%d", writers*each) {
		t.Errorf("stored %s: %v", span(t, stored), err)
	}
	if last, err := k.LastSeq(t.Context()); err != nil || last != writers*each {
		t.Errorf("the last event stored is %d: %v", last, err)
	}
}

// follow reads the log as a client does, up to the last event.
func follow(ctx context.Context, l *activity.Log, last uint64) error {
	// Since 0 asks for the newest; the first one is asked for by its number.
	var seen uint64
	for seen < last {
		if err := l.Wait(ctx, seen); err != nil {
			return fmt.Errorf("waiting after %d: %w", seen, err)
		}
		events, err := l.Events(ctx, activity.Query{Since: seen, Limit: activity.MaxLimit})
		if err != nil {
			return fmt.Errorf("reading after %d: %w", seen, err)
		}
		if len(events) == 0 {
			return fmt.Errorf("woken after %d for nothing", seen)
		}
		for _, e := range events {
			if e.Seq != seen+1 {
				return fmt.Errorf("event %d after %d", e.Seq, seen)
			}
			seen = e.Seq
		}
	}
	return nil
}
