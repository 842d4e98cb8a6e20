package audit_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/audit"
	"thalassa/internal/testkit"
)

// A clock that is a year ahead for less than an hour costs no record; after that its time
// counts.
func TestClockThatJumpsAheadRemovesNothing(t *testing.T) {
	t.Parallel()
	testkit.NewClock(t) // checks that SetWall works
	passed := newClock(time.Now())
	var ahead atomic.Int64
	l := open(t, audit.Config{
		Path: filepath.Join(t.TempDir(), "audit.jsonl"), MaxBytes: 64 << 10,
		Now: func() time.Time { return testkit.SetWall(passed.now(), time.Duration(ahead.Load())) },
	})
	add := func(n int) {
		for range n {
			l.Add(audit.Record{Proven: true, Name: "ann", Action: audit.Change, Path: "/backends/live"})
			passed.pass(time.Minute)
			records(t, l, audit.Query{Limit: 1}) // has been written
		}
	}
	add(100)
	ahead.Store(int64(365 * 24 * time.Hour))
	add(50)
	ahead.Store(int64(-24 * time.Hour))
	add(50)
	list := records(t, l, audit.Query{Limit: 1000})
	for i, r := range list {
		if r.Seq != uint64(len(list)-i) {
			t.Fatalf("record %d is the %dth of %d", r.Seq, i, len(list))
		}
	}
	if len(list) != 200 {
		t.Fatalf("%d of 200 records are left", len(list))
	}
	ahead.Store(int64(365 * 24 * time.Hour))
	add(70)
	if list = records(t, l, audit.Query{Limit: 1000}); len(list) == 270 || list[0].Seq != 270 {
		t.Errorf("%d of 270 records are left after the clock was a year ahead for 70 minutes", len(list))
	}
}

// Records after the clock was put back are in answers about earlier times, and those
// before it are not lost to them.
func TestRecordsInTheOrderOfNumbers(t *testing.T) {
	t.Parallel()
	c := newClock(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))
	l := open(t, audit.Config{Path: filepath.Join(t.TempDir(), "audit.jsonl"), Now: c.now})
	for _, jump := range []time.Duration{0, 24 * time.Hour, -48 * time.Hour, 24*time.Hour + time.Minute} {
		c.pass(jump)
		l.Add(audit.Record{Proven: true, Name: "ann", Action: audit.Login})
		records(t, l, audit.Query{Limit: 1})
	}
	var got []uint64
	for _, r := range records(t, l, audit.Query{Since: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}) {
		got = append(got, r.Seq)
	}
	if len(got) != 3 || got[0] != 4 || got[1] != 2 || got[2] != 1 {
		t.Errorf("records of that day and later are %v, expected 4, 2, 1", got)
	}
}
