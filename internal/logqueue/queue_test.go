package logqueue_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/internal/logqueue"
)

// A sink takes lines, or makes the writer wait until it is opened, or fails.
type sink struct {
	mu   sync.Mutex
	text bytes.Buffer
	err  error
	gate chan struct{} // nil: open
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	return s.text.Write(p)
}

func (s *sink) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func line(q *logqueue.Queue, format string, args ...any) {
	fmt.Fprintf(q, format+"\n", args...)
}

func TestLinesAreWrittenInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		q := logqueue.New(s)
		var want strings.Builder
		for i := range 100 {
			line(q, "line %d", i)
			fmt.Fprintf(&want, "line %d\n", i)
		}
		q.Flush(time.Second)
		if got := s.String(); got != want.String() {
			t.Errorf("written:\n%s", got)
		}
		if q.Dropped() != 0 || q.Problem() != "" {
			t.Errorf("%d dropped, problem %q, expected none", q.Dropped(), q.Problem())
		}
	})
}

// A reader that takes nothing holds nobody up. What finds no room is counted and told as
// soon as the reader takes lines again.
func TestReaderThatTakesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{gate: make(chan struct{})}
		q := logqueue.New(s)
		q.OnLoss(func(n uint64) { line(q, "%d lines dropped", n) })
		const all = 10_000
		begin := time.Now()
		for i := range all {
			line(q, "line %d", i)
		}
		time.Sleep(3 * time.Second)
		if problem := q.Problem(); !strings.Contains(problem, "waited for 3s") || !strings.Contains(problem, "lines were dropped") {
			t.Errorf("problem %q", problem)
		}
		q.Flush(2 * time.Second) // ends although nothing was written
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("writing and flushing took %v, expected 5s", took)
		}
		dropped := q.Dropped()
		if dropped == 0 || dropped >= all {
			t.Fatalf("%d of %d lines dropped", dropped, all)
		}
		close(s.gate)
		synctest.Wait()
		line(q, "the last one")
		q.Flush(time.Second)
		got := strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n")
		if len(got) != all-int(dropped)+2 || got[len(got)-2] != fmt.Sprintf("%d lines dropped", dropped) || got[len(got)-1] != "the last one" {
			t.Errorf("%d lines, the last ones %q", len(got), got[max(0, len(got)-3):])
		}
		if problem := q.Problem(); problem != "" {
			t.Errorf("problem %q after everything was written", problem)
		}
	})
}

// Long lines are bounded in bytes.
func TestBytesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{gate: make(chan struct{})}
		q := logqueue.New(s)
		for range 64 {
			line(q, "%s", strings.Repeat("x", 64<<10))
		}
		if dropped := q.Dropped(); dropped < 48 {
			t.Errorf("%d of 64 lines of 64 KiB dropped, expected at least 48", dropped)
		}
		close(s.gate)
	})
}

func TestWriterThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{err: errors.New("broken pipe")}
		q := logqueue.New(s)
		var told []uint64
		q.OnLoss(func(n uint64) { told = append(told, n) })
		line(q, "one")
		line(q, "two")
		q.Flush(time.Second)
		if problem := q.Problem(); q.Dropped() != 2 || !strings.Contains(problem, "broken pipe; 2 lines") {
			t.Errorf("%d dropped, problem %q", q.Dropped(), problem)
		}
		s.set(nil)
		line(q, "three")
		q.Flush(time.Second)
		if got := s.String(); got != "three\n" || q.Problem() != "" {
			t.Errorf("written %q, problem %q", got, q.Problem())
		}
		if len(told) != 1 || told[0] != 2 {
			t.Errorf("told %v, expected 2 lines once", told)
		}
	})
}

func TestNoQueue(t *testing.T) {
	t.Parallel()
	var q *logqueue.Queue
	if q.Dropped() != 0 || q.Problem() != "" {
		t.Error("a missing queue has dropped lines")
	}
}

// A patient queue loses nothing to a writer that fails for a while, as far as it has room.
func TestWriterThatFailsForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{err: errors.New("no space left on device")}
		q := logqueue.NewPatient(s, time.Second)
		line(q, "one")
		line(q, "two")
		q.Flush(3 * time.Second)
		if problem := q.Problem(); q.Dropped() != 0 || q.Waiting() != 2 || !strings.Contains(problem, "no space left") {
			t.Errorf("%d dropped, %d wait, problem %q", q.Dropped(), q.Waiting(), problem)
		}
		s.set(nil)
		q.Flush(2 * time.Second)
		if got := s.String(); got != "one\ntwo\n" || q.Problem() != "" || q.Waiting() != 0 {
			t.Errorf("written %q, problem %q, %d wait", got, q.Problem(), q.Waiting())
		}
		s.set(errors.New("broken"))
		line(q, "three")
		q.End(time.Second)
		synctest.Wait()
		if q.Dropped() != 1 {
			t.Errorf("%d dropped after the end, expected 1", q.Dropped())
		}
	})
}
