package haproxy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"thalassa/statsock"
)

// A State is what runs at one moment.
type State struct {
	Running   bool
	MasterPID int // 0: HAProxy runs without our master socket and cannot be reloaded
	// WorkerPID is the worker that serves; 0 while there is none.
	WorkerPID int
	Version   string
	// Fingerprint of the configuration that the worker runs, from its
	// "description thalassa FINGERPRINT"; empty when there is none.
	Fingerprint string
	// Answers: the worker answers on the stats socket, so that an empty
	// Fingerprint means that it has none.
	Answers bool
	// Lacks is what the worker does not offer on the stats socket and changes of
	// servers at run time need, e.g. "show servers conn, level admin".
	Lacks string
	// Foreign says whose a socket is when somebody else has the path of the master
	// socket or of the stats socket; that one is not asked. Empty: they are HAProxy's,
	// or nobody's.
	Foreign    string
	Reloads    int // since the master's start, the failed ones included
	OldWorkers int // still ending after reloads
	// Lost says which ways to HAProxy are lost, in clauses joined by "; ": somebody has
	// removed a socket, or put something else in its place. HAProxy is asked by those that
	// are left.
	Lost string
	// Regain: a reload is due that makes the lost ones anew. After each that has not
	// helped for long it is due later.
	Regain bool
}

// State asks HAProxy what runs. That it does not run is no error. While the
// master executes itself anew State waits for it, for up to two seconds.
func (p *Process) State(ctx context.Context) (State, error) {
	seen, err := p.finder.awaitAnswer(ctx)
	switch {
	case isForeignSocket(err):
		seen.whySilent = err
	case err != nil:
		return State{}, fmt.Errorf("finding haproxy: %w", err)
	}
	s := State{Running: seen.isRunning(), MasterPID: seen.master.pid}
	if seen.procs != nil {
		s.Version, s.Reloads = seen.procs.Master.Version, seen.procs.Master.Reloads
		if all := append(slices.Clone(seen.procs.Workers), seen.procs.OldWorkers...); len(all) > 0 {
			s.WorkerPID = all[0].PID
		}
	}
	info, err := p.router.showInfo(ctx)
	if err == nil && (!seen.isRunning() || slices.Contains(seen.workers(), info.PID) || isChild(info.PID, seen.master.pid)) {
		s.Running, s.Answers, s.WorkerPID, s.Version, s.Fingerprint = true, true, info.PID, info.Version, fingerprint(info)
		s.Lacks = p.runtime.lacks(ctx, info.PID)
		p.readback.outlineOf(info)
	}
	for _, err := range []error{err, seen.whySilent} {
		if isForeignSocket(err) {
			s.Foreign = err.Error()
		}
	}
	if s.Foreign == "" {
		s.Foreign = p.router.foreignOwner()
	}
	for _, pid := range seen.workers() {
		if pid != s.WorkerPID {
			s.OldWorkers++
		}
	}
	if seen.isRunning() && !p.changes.isLocked() { // else the file on disk may not be what HAProxy runs
		p.peers.check(ctx, seen.master)
	}
	lost, due := p.recovery.lost(ctx, seen)
	s.Lost, s.Regain = strings.Join(lost, "; "), due
	return s, nil
}

// fingerprint of the configuration a worker was started with.
func fingerprint(info statsock.Info) string {
	own, ok := strings.CutPrefix(info.Description, descriptionPrefix)
	if !ok {
		return ""
	}
	return own
}

// descriptionPrefix begins the description that template writes.
const descriptionPrefix = "thalassa "
