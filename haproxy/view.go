package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"thalassa/statsock"
)

const (
	// pollInterval is the time between two looks at a HAProxy that is changing.
	pollInterval = 10 * time.Millisecond
	// patience is how long a living master may stay silent before it is taken
	// to have lost its socket. Executing itself anew takes it milliseconds, and
	// longer only while it reads a large configuration.
	patience = 2 * time.Second
	// question is how long one answer may take; a HAProxy that runs needs
	// milliseconds.
	question = time.Second
)

// A view is what can be seen of HAProxy at one moment.
type view struct {
	master identity            // zero: there is no master
	procs  *statsock.Processes // nil: it does not answer (just now)
	silent error               // why it does not
}

func (v view) running() bool { return v.master.pid != 0 }

// workers lists the ids of all its workers.
func (v view) workers() []int {
	if v.procs == nil {
		return nil
	}
	return v.procs.PIDs()
}

// look asks once. No HAProxy is no error; one that must not be asked is.
func (p *Process) look(ctx context.Context) (view, error) {
	procs, err := p.showProc(ctx)
	if statsock.NotListening(err) && p.adoptFormer(ctx) {
		procs, err = p.showProc(ctx)
	}
	if err == nil {
		id, _ := identify(procs.Master.PID)
		id.pid = procs.Master.PID
		p.remember(id)
		p.noteSilence(silence{})
		return view{master: id, procs: &procs}, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return view{}, err
	}
	if ctx.Err() != nil {
		return view{}, ctx.Err()
	}
	id, ok := p.findMaster(ctx)
	if ids := p.oursBehind(err); !ok && len(ids) > 0 {
		id, ok = ids[0], true
	}
	if ok {
		p.remember(id)
		p.noteSilence(silence{master: id, err: err})
		return view{master: id, silent: err}, nil
	}
	if statsock.NotListening(err) {
		return view{}, nil
	}
	return view{silent: err}, nil
}

// foreign reports whether an error says that somebody else has a socket's path.
func foreign(err error) bool { return errors.As(err, new(*statsock.ForeignError)) }

// oursBehind finds this HAProxy by its processes where somebody else has the path of
// its master socket; none for another error.
func (p *Process) oursBehind(err error) []identity {
	if !foreign(err) {
		return nil
	}
	return p.ours()
}

// settle looks until the master answers or is gone. A living master that stays
// silent for longer than patience is in the view without its processes, at once when
// its socket was lost before.
func (p *Process) settle(ctx context.Context) (view, error) {
	give, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last view
	err := poll(give, func() (bool, error) {
		var err error
		last, err = p.look(ctx)
		return last.procs != nil || foreign(last.silent) || !last.running() && last.silent == nil || p.isMute(last), err
	})
	if err != nil && (ctx.Err() != nil || give.Err() == nil) {
		return view{}, err
	}
	if !last.running() {
		if id, ok := p.masterByCommand(); ok { // no path leads to it any more
			p.remember(id)
			return p.look(ctx)
		}
	}
	if !last.running() && last.silent != nil {
		return view{}, last.silent
	}
	return last, nil
}

func (p *Process) showProc(ctx context.Context) (statsock.Processes, error) {
	ctx, cancel := context.WithTimeout(ctx, question)
	defer cancel()
	return p.master.ShowProc(ctx)
}

func (p *Process) showInfo(ctx context.Context) (statsock.Info, error) {
	ctx, cancel := context.WithTimeout(ctx, question)
	defer cancel()
	info, err := p.worker(ctx).ShowInfo(ctx)
	if statsock.NotListening(err) && p.forgetRoute() {
		return p.worker(ctx).ShowInfo(ctx)
	}
	return info, err
}

// findMaster looks for a master whose socket is silent or lost.
func (p *Process) findMaster(ctx context.Context) (identity, bool) {
	if known := p.lastSeen(); known.alive() {
		return known, true
	}
	if id, ok := p.pidFile(); ok {
		return id, true
	}
	ctx, cancel := context.WithTimeout(ctx, question)
	defer cancel()
	if info, err := p.stats.ShowInfo(ctx); err == nil {
		if worker, err := readStat(info.PID); err == nil && p.isOurs(worker.parent) {
			return identify(worker.parent)
		}
	}
	return identity{}, false
}

// remember notes the master that Run watches.
func (p *Process) remember(id identity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = id
}

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
	v, err := p.settle(ctx)
	switch {
	case foreign(err):
		v.silent = err
	case err != nil:
		return State{}, fmt.Errorf("finding haproxy: %w", err)
	}
	s := State{Running: v.running(), MasterPID: v.master.pid}
	if v.procs != nil {
		s.Version, s.Reloads = v.procs.Master.Version, v.procs.Master.Reloads
		if all := append(slices.Clone(v.procs.Workers), v.procs.OldWorkers...); len(all) > 0 {
			s.WorkerPID = all[0].PID
		}
	}
	info, err := p.showInfo(ctx)
	if err == nil && (!v.running() || slices.Contains(v.workers(), info.PID) || isChild(info.PID, v.master.pid)) {
		s.Running, s.Answers, s.WorkerPID, s.Version, s.Fingerprint = true, true, info.PID, info.Version, fingerprint(info)
		s.Lacks = p.lacks(ctx, info.PID)
		p.outlineOfWorker(info)
	}
	for _, err := range []error{err, v.silent} {
		if foreign(err) {
			s.Foreign = err.Error()
		}
	}
	if s.Foreign == "" {
		p.mu.Lock()
		s.Foreign = p.route.foreign
		p.mu.Unlock()
	}
	for _, pid := range v.workers() {
		if pid != s.WorkerPID {
			s.OldWorkers++
		}
	}
	if v.running() && len(p.turn) == 0 { // else the file on disk may not be what HAProxy runs
		p.notePeers(ctx, v.master)
	}
	lost, due := p.lost(ctx, v)
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

// poll calls step now and at every pollInterval until it is done, fails, or the
// context ends, which is then the error.
func poll(ctx context.Context, step func() (done bool, err error)) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if done, err := step(); done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
