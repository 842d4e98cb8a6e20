package haproxy

import (
	"context"
	"slices"
	"strconv"
	"syscall"
	"time"

	"thalassa/lb"
)

// Said is how HAProxy's words are put for a person.
var Said = readable

// Binds lists the addresses that are looked at before a reload, each with its
// line.
func Binds(config []byte) []string {
	var all []string
	for _, b := range binds(config) {
		all = append(all, strconv.Itoa(b.line)+" "+b.addr.String())
	}
	return all
}

// CarryOut is Adjust for who wants ops in effect, whatever stood before.
func (p *Process) CarryOut(ctx context.Context, ops ...lb.ServerOp) error {
	return p.Adjust(ctx, backends(ops), func(servers []lb.ServerState) ([]lb.ServerOp, error) {
		now := byID(servers)
		return slices.DeleteFunc(slices.Clone(ops), func(op lb.ServerOp) bool { return verify([]lb.ServerOp{op}, now, "") == nil }), nil
	})
}

// Busy reports whether it is somebody's turn to change file and process.
func (p *Process) Busy() bool { return p.changes.isLocked() }

// SignalBorn signals the process that had an id when it was born.
func (p *Process) SignalBorn(ctx context.Context, pid int, born string, sig syscall.Signal) error {
	return p.processes.signal(ctx, ownProcess{identity: identity{pid, born}}, sig)
}

// Masked is HAProxy's words without what they quote from other files.
var Masked = maskText

// TryBinds tries the binds of a configuration as those of a process, and returns what
// it says against each.
func TryBinds(ctx context.Context, config []byte, pid int) map[string]error {
	out := map[string]error{}
	for _, l := range outlineOf(config).binds {
		if !l.section.disabled && !l.isElsewhere() {
			short, cancel := context.WithTimeout(ctx, time.Second)
			out[l.text] = l.await(short, pid)
			cancel()
		}
	}
	return out
}

// CountServers is how many servers a configuration is found to have.
func CountServers(config []byte) int { return outlineOf(config).count() }

// ForgetRegain has the next lost path be regained at once.
func ForgetRegain(p *Process) {
	p.recovery.mu.Lock()
	defer p.recovery.mu.Unlock()
	p.recovery.delay, p.recovery.next = 0, time.Time{}
}

// SetCheckTimeout bounds the checks that follow.
func (p *Process) SetCheckTimeout(d time.Duration) { p.checker.timeout = d }
