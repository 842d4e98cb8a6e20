package haproxy

import (
	"os/exec"
	"sync"
	"time"
)

// A child is a HAProxy that this program has started, or its sudo.
type child struct {
	pid   int
	ended chan struct{}
	err   error // how it ended; valid once ended is closed
}

// exitText says how a child ended.
func (c *child) exitText() string {
	if c.err == nil {
		return "exit status 0"
	}
	return c.err.Error()
}

// A lastChild is the HAProxy that this program has started last, if any.
type lastChild struct {
	died chan struct{} // one slot: a child has ended

	mu    sync.Mutex
	child *child // nil: none
}

// killed names the signal by which somebody else has ended a process, if that is the last
// child; "": none did, or that is unknown.
func (lc *lastChild) killed(pid int) string {
	c := lc.last()
	if c == nil || c.pid != pid {
		return ""
	}
	select {
	case <-c.ended:
		return killedBy(c.err)
	case <-time.After(answerTimeout): // it has not been waited for yet
		return ""
	}
}

// reap waits for the end of a child and wakes Run.
func (lc *lastChild) reap(cmd *exec.Cmd, c *child) {
	c.err = cmd.Wait()
	close(c.ended)
	select {
	case lc.died <- struct{}{}:
	default:
	}
}

func (lc *lastChild) set(c *child) {
	lc.mu.Lock()
	defer lc.mu.Unlock()
	lc.child = c
}

// last is the child that was started last; nil: none.
func (lc *lastChild) last() *child {
	lc.mu.Lock()
	defer lc.mu.Unlock()
	return lc.child
}
