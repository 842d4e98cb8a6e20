// Package logqueue writes a log in the background: writers never wait for the reader of the log,
// and get no error when there is none. Lines that do not fit into the queue are dropped and
// counted.
package logqueue

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// The limits of a Queue.
const (
	maxBytes = 1 << 20
	maxLines = 4096
	// slowAfter is how long one write may take until Problem tells it.
	slowAfter = time.Second
)

// A Queue is an io.Writer that keeps what is written in memory, at most 1 MiB in 4096 writes, and
// writes it to another one in order. Make it with New. All methods may be called concurrently, and
// those that only return something also on nil.
type Queue struct {
	w     io.Writer
	retry time.Duration
	ended chan struct{} // closed by end when what cannot be written is to be dropped
	end   func()

	mu      sync.Mutex
	waiting [][]byte
	size    int           // bytes of waiting
	done    chan struct{} // closed when nothing is left to write; nil: nothing is
	begun   time.Time     // the write under way
	failure error         // of the last write
	dropped uint64        // lines, ever
	untold  uint64        // of dropped, those that onLoss was not called for
	onLoss  func(lines uint64)
}

// New returns the queue before w. It starts nothing until something is written. Lines that
// w fails to write are dropped.
func New(w io.Writer) *Queue {
	ended := make(chan struct{})
	return &Queue{w: w, ended: ended, end: sync.OnceFunc(func() { close(ended) })}
}

// NewPatient is like New for a writer whose errors are temporary, as on a full disk: the queue
// keeps what w fails to write, and tries again after each interval.
func NewPatient(w io.Writer, interval time.Duration) *Queue {
	q := New(w)
	q.retry = interval
	return q
}

// OnLoss sets the function that the queue calls with the number of dropped lines once it can write
// again. f may write to the queue. Call it before the first Write.
func (q *Queue) OnLoss(f func(lines uint64)) { q.onLoss = f }

// Write queues a copy of the lines, or drops them. It never waits for the other
// writer, and never fails.
func (q *Queue) Write(lines []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxLines || q.size+len(lines) > maxBytes {
		q.drop(lines)
		return len(lines), nil
	}
	q.waiting = append(q.waiting, bytes.Clone(lines))
	q.size += len(lines)
	if q.done == nil {
		q.done = make(chan struct{})
		go q.write()
	}
	return len(lines), nil
}

// drop counts lines as dropped. The caller holds mu.
func (q *Queue) drop(lines []byte) {
	n := uint64(max(1, bytes.Count(lines, []byte{'\n'}))) //nolint:gosec // a count is not negative
	q.dropped += n
	q.untold += n
}

// write writes what waits, and ends when nothing does.
func (q *Queue) write() {
	for {
		lines, ok := q.next()
		if !ok {
			return
		}
		_, err := q.w.Write(lines)
		for err != nil && q.waits(err) {
			_, err = q.w.Write(lines)
		}
		q.tell(q.finish(lines, err))
	}
}

// waits notes why a write has failed, and waits until it is to be tried again; false: it is
// not.
func (q *Queue) waits(why error) bool {
	q.mu.Lock()
	q.failure = why
	q.mu.Unlock()
	if q.retry == 0 {
		return false
	}
	timer := time.NewTimer(q.retry)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-q.ended:
		return false
	}
}

// next takes the oldest lines, unless there are none.
func (q *Queue) next() (lines []byte, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		close(q.done)
		q.done = nil
		return nil, false
	}
	lines, q.waiting = q.waiting[0], q.waiting[1:]
	q.begun = time.Now()
	return lines, true
}

// finish notes the result of a write. It returns the number of dropped lines to report.
func (q *Queue) finish(lines []byte, err error) (untold uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.size -= len(lines)
	q.begun, q.failure = time.Time{}, err
	if err != nil {
		q.drop(lines)
		return 0
	}
	if len(q.waiting) > maxLines/2 || q.size > maxBytes/2 {
		return 0 // what tells it needs room
	}
	untold, q.untold = q.untold, 0
	return untold
}

func (q *Queue) tell(lines uint64) {
	if lines > 0 && q.onLoss != nil {
		q.onLoss(lines)
	}
}

// Dropped is how many lines were dropped.
func (q *Queue) Dropped() uint64 {
	if q == nil {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// Waiting is how many writes have not been made yet.
func (q *Queue) Waiting() int {
	if q == nil {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.done == nil {
		return 0
	}
	return len(q.waiting) + 1
}

// Problem is a sentence that says why the log is not written now; empty: it is.
func (q *Queue) Problem() string {
	if q == nil {
		return ""
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.failure != nil:
		return fmt.Sprintf("the log cannot be written: %v; %d lines were dropped", q.failure, q.dropped)
	case !q.begun.IsZero() && time.Since(q.begun) > slowAfter:
		return fmt.Sprintf("nobody reads the log: a line has waited for %s; %d lines were dropped",
			time.Since(q.begun).Round(time.Second), q.dropped)
	}
	return ""
}

// End waits like Flush. Afterwards a patient queue drops what it could not write. Write
// nothing after it.
func (q *Queue) End(most time.Duration) (isDone bool) {
	isDone = q.Flush(most)
	q.end()
	return isDone
}

// Flush waits until all is written or dropped, but not longer than most; isDone reports whether
// everything was.
func (q *Queue) Flush(most time.Duration) (isDone bool) {
	q.mu.Lock()
	done := q.done
	q.mu.Unlock()
	if done == nil {
		return true
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
