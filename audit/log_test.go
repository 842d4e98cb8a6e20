package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thalassa/audit"
	"thalassa/internal/testkit"
)

// A clock goes forward by hand. The log reads it from a goroutine of its own.
type clock struct{ at atomic.Pointer[time.Time] }

func newClock(at time.Time) *clock {
	c := &clock{}
	c.at.Store(&at)
	return c
}

func (c *clock) now() time.Time { return *c.at.Load() }

func (c *clock) pass(d time.Duration) {
	next := c.now().Add(d)
	c.at.Store(&next)
}

func open(t *testing.T, cfg audit.Config) *audit.Log {
	t.Helper()
	l, err := audit.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(time.Second) })
	return l
}

func records(t *testing.T, l *audit.Log, q audit.Query) []audit.Record {
	t.Helper()
	list, err := l.Records(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestRecordsAreNumberedAndKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	c := newClock(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	l := open(t, audit.Config{Path: path, Now: c.now})
	for i := range 10 {
		c.pass(time.Minute)
		l.Add(audit.Record{Proven: true, Name: []string{"ann", "bob"}[i%2], From: "192.0.2.1", Action: audit.Change, Method: "PUT", Path: "/backends/live", Revision: uint64(i)})
	}
	if err := l.Close(time.Second); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString(`{"seq":11,"na`) // a crash
	_ = f.Close()
	l = open(t, audit.Config{Path: path, Now: c.now})
	l.Add(audit.Record{Proven: true, Name: "ann", Action: audit.Login})
	all := records(t, l, audit.Query{})
	if len(all) != 11 || all[0].Seq != 11 || all[0].Action != audit.Login || all[10].Seq != 1 || all[10].Path != "/backends/live" {
		t.Fatalf("%+v", all)
	}
	for _, tt := range []struct {
		q    audit.Query
		want []uint64
	}{
		{audit.Query{Limit: 2}, []uint64{11, 10}},
		{audit.Query{Limit: 2, Before: 10}, []uint64{9, 8}},
		{audit.Query{Name: "bob", Limit: 3}, []uint64{10, 8, 6}},
		{audit.Query{Name: "bob", Since: all[3].Time}, []uint64{10, 8}},
		{audit.Query{Name: "eve"}, nil},
		{audit.Query{Before: 1}, nil},
	} {
		var got []uint64
		for _, r := range records(t, l, tt.q) {
			got = append(got, r.Seq)
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%+v: %v, want %v", tt.q, got, tt.want)
		}
	}
}

func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	const bound = 64 << 10
	l := open(t, audit.Config{Path: path, MaxBytes: bound})
	for i := range 3000 {
		l.Add(audit.Record{Proven: true, Name: "ann", Action: audit.Change, Path: strings.Repeat("x", 1000), Revision: uint64(i + 1)})
		if i%500 == 0 {
			records(t, l, audit.Query{Limit: 1}) // waits until all is written
		}
	}
	list := records(t, l, audit.Query{Limit: 1000})
	for list[0].Seq < 3000 { // a slow disk: records waits for a while only
		list = records(t, l, audit.Query{Limit: 1000})
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > bound || len(files) != 8 || list[0].Seq != 3000 || len(list) < 50 {
		t.Errorf("%d bytes in %d files, the newest of %d is %+v", size, len(files), len(list), list[0])
	}
	for i, r := range list {
		if r.Seq != 3000-uint64(i) {
			t.Fatalf("record %d after the newest is %d", i, r.Seq)
		}
	}
	if l.Dropped() > 0 || l.Problem() != "" {
		t.Errorf("%d dropped, %s", l.Dropped(), l.Problem())
	}
}

func TestOldRecordsGo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	c := newClock(time.Now())
	l := open(t, audit.Config{Path: path, MaxAge: 8 * time.Hour, Now: c.now})
	for range 40 {
		l.Add(audit.Record{Proven: true, Name: "ann"})
		records(t, l, audit.Query{Limit: 1})
		c.pass(20 * time.Minute)
		now := c.now()
		if old, err := filepath.Glob(path + ".*"); err == nil && len(old) > 0 {
			_ = os.Chtimes(old[0], time.Time{}, now) // rotated now, by that clock
		}
	}
	list := records(t, l, audit.Query{Limit: 1000})
	if oldest := list[len(list)-1]; c.now().Sub(oldest.Time) > 11*time.Hour {
		t.Errorf("the oldest of %d is of %s, now is %s", len(list), oldest.Time, c.now())
	}
}

// Somebody who is not known cannot push the records of the others out.
func TestUnknownCallersAreBounded(t *testing.T) {
	t.Parallel()
	c := newClock(time.Now())
	l := open(t, audit.Config{Path: filepath.Join(t.TempDir(), "audit.jsonl"), Now: c.now})
	for range 1000 {
		l.Add(audit.Record{Name: "bob", From: "192.0.2.9", Action: audit.Login, Refusal: "unauthorized"})
	}
	l.Add(audit.Record{Proven: true, Name: "ann", Action: audit.Login})
	if list := records(t, l, audit.Query{Limit: 1000}); len(list) != 61 || list[0].Name != "ann" {
		t.Errorf("%d records, the newest is %+v", len(list), list[0])
	}
	for range 100 {
		l.Add(audit.Record{Proven: true, Name: "ann", Action: audit.Change, Refusal: "forbidden"})
		l.Add(audit.Record{Proven: true, Name: "ann", Action: audit.Change})
	}
	if list := records(t, l, audit.Query{Limit: 1000, Name: "ann"}); len(list) != 161 {
		t.Errorf("%d records of ann", len(list))
	}
	c.pass(time.Minute)
	l.Add(audit.Record{From: "192.0.2.9", Action: audit.Login, Refusal: "unauthorized"})
	if list := records(t, l, audit.Query{Limit: 1}); list[0].Suppressed != 940 {
		t.Errorf("%+v", list[0])
	}
}

// stuck is a syslog that takes nothing for a time.
type stuck struct {
	gate chan struct{}
	mu   sync.Mutex
	got  bytes.Buffer
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.gate
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes.Contains(p, []byte(`"seq":1,`)) {
		return 0, errors.New("broken")
	}
	return s.got.Write(p)
}

func TestASlowReaderHoldsNothingUp(t *testing.T) {
	t.Parallel()
	s := &stuck{gate: make(chan struct{})}
	l := open(t, audit.Config{Path: filepath.Join(t.TempDir(), "audit.jsonl"), Also: s})
	begin := time.Now()
	for range 5000 {
		l.Add(audit.Record{Proven: true, Name: "ann", Action: audit.Change})
		if time.Since(begin) > 20*time.Second {
			t.Fatal("adding waits")
		}
	}
	if l.Dropped() < 5000-4096-1 {
		t.Errorf("%d dropped", l.Dropped())
	}
	close(s.gate)
	if err := l.Close(10 * time.Second); err != nil {
		t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := bytes.Count(s.got.Bytes(), []byte("\n")); n < 4000 {
		t.Errorf("%d lines came", n)
	}
}

func TestNilKeepsNothing(t *testing.T) {
	t.Parallel()
	var l *audit.Log
	l.Add(audit.Record{Proven: true, Name: "ann"})
	if list := records(t, l, audit.Query{}); len(list) != 0 || l.Problem() != "" || l.Dropped() != 0 || l.Close(0) != nil {
		t.Error("it keeps something")
	}
}

func TestBadPaths(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{"", "audit.jsonl", dir, dir + "/", dir + "/none/audit.jsonl"} {
		if l, err := audit.Open(audit.Config{Path: path}); err == nil {
			_ = l.Close(0)
			t.Errorf("%q is taken", path)
		}
	}
}

// A file that somebody has removed is made again. One that cannot be written loses no
// record: all are there when it can.
func TestFileThatIsTakenAway(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	path := filepath.Join(dir, "audit.jsonl")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l := open(t, audit.Config{Path: path})
	add := func() { l.Add(audit.Record{Proven: true, Name: "ann", Action: audit.Change}) }
	add()
	records(t, l, audit.Query{})
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	add()
	if list := records(t, l, audit.Query{}); len(list) != 1 || list[0].Seq != 2 {
		t.Fatalf("after the file was renamed: %+v", list)
	}
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	add()
	add()
	records(t, l, audit.Query{}) // waits for a while
	if problem := l.Problem(); problem != "the audit log is not written: 2 records wait, 0 were dropped" {
		t.Errorf("problem %q", problem)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 30*time.Second, func() error {
		if list := records(t, l, audit.Query{}); len(list) != 3 || l.Problem() != "" || l.Dropped() != 0 {
			return fmt.Errorf("%d records, %q, %d dropped", len(list), l.Problem(), l.Dropped())
		}
		return nil
	})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	add()
	records(t, l, audit.Query{})
	if l.Problem() == "" {
		t.Error("a FIFO is taken for the log")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 30*time.Second, func() error {
		if list := records(t, l, audit.Query{}); len(list) != 1 || list[0].Seq != 5 || l.Problem() != "" {
			return fmt.Errorf("after the FIFO: %+v, %q", list, l.Problem())
		}
		return nil
	})
}
