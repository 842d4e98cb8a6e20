package main

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// A hangup is what SIGHUP does: it ends a command, as the end of its terminal does, and
// makes a running agent read files again.
type hangup struct{ reread atomic.Pointer[func()] }

// newHangup catches the signal for the rest of the program. end is called for each
// unless something else was set.
func newHangup(end func()) *hangup {
	h := &hangup{}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for range signals {
			if reread := h.reread.Load(); reread != nil {
				(*reread)()
			} else {
				end()
			}
		}
	}()
	return h
}

// set has the signal call reread; a nil hangup catches none.
func (h *hangup) set(reread func()) {
	if h != nil {
		h.reread.Store(&reread)
	}
}
