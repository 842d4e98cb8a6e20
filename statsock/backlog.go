package statsock

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// maxQuestions limits the connections to HAProxy's master that one Master uses for questions to
// workers. The master accepts ten in all.
const maxQuestions = 4

// ErrUnanswered is the error of a question to a worker that has not answered one before: it is not
// asked again until it has. A master keeps the connection of each question until the worker answers
// or ends, even when the client has closed it. With ten of them it accepts no command any more, not
// even to reload (HAProxy 2.6 to 3.2).
var ErrUnanswered = errors.New("the worker still owes an answer")

// A backlog has the questions to workers that keep a connection of the master busy. Those that
// nobody waits for any more stay open in it until their worker answers or ends.
type backlog struct {
	slots chan struct{} // one per question, waited for or not

	mu   sync.Mutex
	owed []owed
}

// owed is an answer that nobody waits for any more.
type owed struct {
	worker int
	conn   net.Conn
}

func newBacklog() *backlog { return &backlog{slots: make(chan struct{}, maxQuestions)} }

// begin waits until one more question to a worker is possible. It fails at once where only workers
// that hang would have to answer first.
func (b *backlog) begin(ctx context.Context, worker int) error {
	if !b.mayAsk(worker) {
		return ErrUnanswered
	}
	select {
	case b.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *backlog) mayAsk(worker int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owed = slices.DeleteFunc(b.owed, func(o owed) bool {
		if !ended(o.conn) {
			return false
		}
		_ = o.conn.Close()
		<-b.slots
		return true
	})
	return len(b.owed) < maxQuestions && !slices.ContainsFunc(b.owed, func(o owed) bool { return o.worker == worker })
}

// end frees the slot of a question that is over.
func (b *backlog) end() { <-b.slots }

// abandon keeps the connection and the slot of a question whose answer nobody waits for any more.
func (b *backlog) abandon(worker int, conn net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owed = append(b.owed, owed{worker, conn})
}

// ended discards what has arrived, without waiting, and reports whether the connection has ended.
func ended(conn net.Conn) bool {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	c, err := raw.SyscallConn()
	if err != nil || conn.SetDeadline(time.Time{}) != nil {
		return true
	}
	over := false
	err = c.Read(func(fd uintptr) bool {
		buf := make([]byte, 64<<10)
		for {
			n, err := syscall.Read(int(fd), buf)
			switch {
			case errors.Is(err, syscall.EINTR):
			case errors.Is(err, syscall.EAGAIN):
				return true
			case err != nil, n == 0:
				over = true
				return true
			}
		}
	})
	return over && err == nil
}
