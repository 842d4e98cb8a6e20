package haproxy

import "time"

// lookTime bounds a look of Run at a HAProxy that runs: some answers of its sockets, and
// some files.
const lookTime = 30 * time.Second

// LongestChange is the maximum duration of each of Check, Apply, Install and Adjust, without
// waiting for other changes.
func (p *Process) LongestChange() time.Duration {
	const outside = versionTimeout + checkTimeout + 2*outputDelay + 10*masterTimeout + 10*diskTime
	return outside + 4*p.cfg.ReloadTimeout // of a reload, of one without a handed-over state, and both on the way back
}

// Hangs is a sentence that says in which step Run hangs, and since when; empty: Run does not hang.
func (p *Process) Hangs() string { return p.beat.Problem() }
