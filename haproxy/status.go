package haproxy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"thalassa/statsock"
)

// A State is the state of HAProxy at one moment.
type State struct {
	Running   bool
	MasterPID int // 0: HAProxy runs without our master socket and cannot be reloaded
	// WorkerPID is the serving worker; 0: none.
	WorkerPID int
	Version   string
	// Fingerprint of the configuration that the worker runs, from its
	// "description thalassa FINGERPRINT"; empty when there is none.
	Fingerprint string
	// Answers: the worker has answered. An empty Fingerprint then means that it has none.
	Answers bool
	// Lacks is what changes at run time need and the worker does not offer, e.g. "show
	// servers conn, level admin".
	Lacks string
	// Foreign names the owner when the master socket or the stats socket is another
	// user's. Such a socket is not used. Empty: both are HAProxy's, or do not exist.
	Foreign    string
	Reloads    int // since the master's start, including failed ones
	OldWorkers int // replaced by a reload, and still running
	// Lost says which sockets are lost, in clauses joined by "; ": they were removed or
	// replaced. HAProxy is asked through the others.
	Lost string
	// Regain: a reload is due that creates the lost sockets again. The time to the next
	// one grows while they get lost again.
	Regain bool
}

// State asks HAProxy for its state. A HAProxy that does not run is no error; one that is
// not ours (see Config.Exclusive) is a *lb.UnavailableError. State waits
// up to two seconds for a master that re-executes itself.
func (p *Process) State(ctx context.Context) (State, error) {
	seen, err := p.finder.awaitAnswer(ctx)
	switch {
	case isForeignSocket(err):
		seen.whySilent = err
	case err != nil:
		return State{}, fmt.Errorf("finding haproxy: %w", err)
	}
	if err := p.cfg.refuseOther(seen.master.pid); err != nil {
		return State{}, err
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
		s.Lacks = p.offers.lacks(ctx, info.PID)
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
	if seen.isRunning() && !p.changes.isLocked() { // during a change HAProxy may not run the file on disk
		p.peers.check(ctx, seen.master)
	}
	lost, due := p.recovery.lost(ctx, seen)
	s.Lost, s.Regain = strings.Join(lost, "; "), due
	return s, nil
}

// fingerprint is that of the configuration that a worker was started with; "": none.
func fingerprint(info statsock.Info) string {
	own, ok := strings.CutPrefix(info.Description, descriptionPrefix)
	if !ok {
		return ""
	}
	return own
}

// descriptionPrefix is the beginning of the description that package template writes.
const descriptionPrefix = "thalassa "
