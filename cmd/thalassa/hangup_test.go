package main

import "testing"

// A signal that comes while the agent starts is not lost, and ends nothing.
func TestHangupDuringTheStart(t *testing.T) {
	rereads := 0
	h := &hangup{}
	h.happen()
	h.happen()
	h.set(func() { rereads++ })
	if rereads != 1 {
		t.Errorf("after the start the files were read %d times, want once", rereads)
	}
	h.happen()
	if rereads != 2 {
		t.Errorf("read %d times, want twice", rereads)
	}
}
