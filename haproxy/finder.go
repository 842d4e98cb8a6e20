package haproxy

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"thalassa/statsock"
)

const (
	// pollInterval is the time between two observations of a HAProxy that changes.
	pollInterval = 10 * time.Millisecond
	// masterTimeout bounds the wait for a living master that does not answer; later its
	// socket counts as lost. It re-executes itself within milliseconds, or longer when it
	// reads a large configuration.
	masterTimeout = 2 * time.Second
	// answerTimeout bounds one answer. A running HAProxy needs milliseconds.
	answerTimeout = time.Second
)

// An observation is what can be seen of HAProxy at one moment.
type observation struct {
	master    identity            // zero: there is no master
	procs     *statsock.Processes // nil: it does not answer (just now)
	whySilent error               // why it does not
}

func (seen observation) isRunning() bool { return seen.master.pid != 0 }

// workers lists the ids of all its workers.
func (seen observation) workers() []int {
	if seen.procs == nil {
		return nil
	}
	return seen.procs.PIDs()
}

// A finder looks for the master and its workers.
type finder struct {
	cfg       *Config
	logger    *slog.Logger
	stats     *statsock.Client
	master    *statsock.Master
	processes *ownProcesses
	former    *formerPaths

	mu         sync.Mutex
	lastMaster identity // the master seen last; zero: none yet
	silence    silence
}

// observe asks the master once. No HAProxy is no error. A socket that this user may not
// open is one.
func (f *finder) observe(ctx context.Context) (observation, error) {
	procs, err := f.showProc(ctx)
	if statsock.NotListening(err) && f.former.adopt(ctx) {
		procs, err = f.showProc(ctx)
	}
	if err == nil {
		id, _ := identify(procs.Master.PID)
		id.pid = procs.Master.PID
		f.setLast(id)
		f.noteSilence(silence{})
		return observation{master: id, procs: &procs}, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return observation{}, err
	}
	if ctx.Err() != nil {
		return observation{}, ctx.Err()
	}
	id, ok := f.search(ctx)
	if ids := f.behind(err); !ok && len(ids) > 0 {
		id, ok = ids[0], true
	}
	if ok {
		f.setLast(id)
		f.noteSilence(silence{master: id, err: err})
		return observation{master: id, whySilent: err}, nil
	}
	if statsock.NotListening(err) {
		return observation{}, nil
	}
	return observation{whySilent: err}, nil
}

// isForeignSocket reports whether an error says that somebody else has a socket's path.
func isForeignSocket(err error) bool { return errors.As(err, new(*statsock.ForeignError)) }

// behind finds this HAProxy by its processes when another user has the path of its
// master socket. It finds none for another error.
func (f *finder) behind(err error) []identity {
	if !isForeignSocket(err) {
		return nil
	}
	return f.processes.all()
}

// awaitAnswer observes until the master answers or is gone. The observation of a master
// that does not answer within masterTimeout has no processes. It returns at once when
// the socket was lost before.
func (f *finder) awaitAnswer(ctx context.Context) (observation, error) {
	within, cancel := context.WithTimeout(ctx, masterTimeout)
	defer cancel()
	var last observation
	err := poll(within, func() (bool, error) {
		var err error
		last, err = f.observe(ctx)
		return last.procs != nil || isForeignSocket(last.whySilent) || !last.isRunning() && last.whySilent == nil || f.isMute(last), err
	})
	if err != nil && (ctx.Err() != nil || within.Err() == nil) {
		return observation{}, err
	}
	if !last.isRunning() {
		if id, ok := f.processes.masterByCommand(); ok { // no path leads to it any more
			f.setLast(id)
			return f.observe(ctx)
		}
	}
	if !last.isRunning() && last.whySilent != nil {
		return observation{}, last.whySilent
	}
	return last, nil
}

func (f *finder) showProc(ctx context.Context) (statsock.Processes, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return f.master.ShowProc(ctx)
}

// search finds a master whose socket does not answer or is lost.
func (f *finder) search(ctx context.Context) (identity, bool) {
	if known := f.last(); known.alive() {
		return known, true
	}
	if id, ok := f.processes.masterByPIDFile(); ok {
		return id, true
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if info, err := f.stats.ShowInfo(ctx); err == nil {
		if worker, err := readStat(info.PID); err == nil && f.processes.includes(worker.parent) {
			return identify(worker.parent)
		}
	}
	return identity{}, false
}

// setLast stores the master that was observed.
func (f *finder) setLast(id identity) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastMaster = id
}

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

// last is the master that was observed last; zero: none.
func (f *finder) last() identity {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lastMaster
}

// A silence is a living master that does not answer on its socket.
type silence struct {
	master identity
	err    error
	since  time.Time
}

// noteSilence stores that a master does not answer, or with the zero value that it
// does. It logs when a lost socket answers again.
func (f *finder) noteSilence(s silence) {
	f.mu.Lock()
	before := f.silence
	s.since = time.Now()
	if before.err != nil && before.master == s.master {
		s.since = before.since
	}
	f.silence = s
	f.mu.Unlock()
	if s.err == nil && before.err != nil && time.Since(before.since) > masterTimeout {
		f.logger.Info("haproxy's master answers again", "path", f.cfg.MasterSocket)
	}
}

// isMute reports whether a master has not answered for longer than masterTimeout.
func (f *finder) isMute(seen observation) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return seen.isRunning() && seen.procs == nil && f.silence.err != nil && f.silence.master == seen.master && time.Since(f.silence.since) > masterTimeout
}
