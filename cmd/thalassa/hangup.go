package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// A hangup is what SIGHUP does: it ends a command, as the end of its terminal does, and
// makes an agent read files again. An agent that has just started does so as soon as it
// can.
type hangup struct {
	mu      sync.Mutex
	reread  func() // nil: not yet, or this is no agent
	pending bool   // a signal came before reread was known
}

// newHangup catches the signal for the rest of the program. end is called for each, unless
// this is the agent.
func newHangup(isAgent bool, end func()) *hangup {
	h := &hangup{}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for range signals {
			if isAgent {
				h.happen()
			} else {
				end()
			}
		}
	}()
	return h
}

// happen rereads the files, now or as soon as set is called.
func (h *hangup) happen() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pending = h.reread == nil; !h.pending {
		h.reread()
	}
}

// set makes the signal call reread, which must return soon. If a signal has come already, it is
// called at once. A nil hangup does nothing.
func (h *hangup) set(reread func()) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reread = reread
	if h.pending {
		h.pending = false
		reread()
	}
}
