package haproxy

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"thalassa/internal/safefile"
	"thalassa/lb"
	"thalassa/statsock"
)

// A launcher starts HAProxy.
type launcher struct {
	cfg        *Config
	files      *configFiles
	logger     *slog.Logger
	program    *program
	startupLog *startupLog
	processes  *ownProcesses
	finder     *finder
	router     *router
	former     *formerPaths
	stateFile  *stateFile
	waiter     *workerWaiter
	child      *lastChild
	stopper    *stopper
}

// start runs HAProxy with the file on disk and waits until a worker serves. It
// must only be called when none runs. On error none is left running. The error is a
// *lb.RefusedError at "start" when HAProxy does not start with the file.
func (la *launcher) start(ctx context.Context, config []byte, fingerprint string) (worker int, err error) {
	if err := la.program.confirm(ctx); err != nil {
		return 0, fmt.Errorf("starting haproxy: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, la.cfg.ReloadTimeout)
	defer cancel()
	if err := la.awaitStrays(ctx); err != nil {
		return 0, fmt.Errorf("starting haproxy: %w", err)
	}
	la.former.leave(ctx)
	la.stateFile.empty(ctx)
	if err := la.prepare(); err != nil {
		return 0, fmt.Errorf("starting haproxy: %w", err)
	}
	if err := la.files.ensureInstalledMap(); err != nil {
		la.logger.WarnContext(ctx, "map of challenges not made", "error", err)
	}
	la.startupLog.setMark()
	c, err := la.spawn(ctx)
	if err != nil {
		return 0, fmt.Errorf("starting haproxy: %w", err)
	}
	w := la.waiter.newWait(observation{}, config, fingerprint)
	err = poll(ctx, func() (bool, error) {
		select {
		case <-c.ended:
			return false, la.failedStart(w, c)
		default:
		}
		seen, err := la.finder.observe(ctx)
		if err != nil || seen.procs == nil {
			return false, err
		}
		return w.isDoneBy(ctx, seen)
	})
	if err == nil {
		la.logger.InfoContext(ctx, "haproxy started", "master_pid", c.pid, "worker_pid", w.worker)
		return w.worker, nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("no worker serves after %s: %w", la.cfg.ReloadTimeout, ctx.Err())
	}
	la.endStarted(context.WithoutCancel(ctx), c)
	return 0, fmt.Errorf("starting haproxy: %w", err)
}

// failedStart says why HAProxy ended before it served.
func (la *launcher) failedStart(w *workerWait, c *child) error {
	if how := killedBy(c.err); how != "" {
		return killedError(how)
	}
	output := la.startupLog.sinceMark()
	if la.cfg.Sudo && firstAlert(output) == "" {
		return fmt.Errorf("%s: %s", c.exitText(), readable(output)) // sudo's own refusal
	}
	return w.refused(output, "haproxy ended with "+c.exitText())
}

// spawn starts the process. It runs in a session of its own, so that signals to this
// program's group never reach it. It inherits only the startup log.
func (la *launcher) spawn(ctx context.Context) (*child, error) {
	cmd, err := la.program.command(context.WithoutCancel(ctx), "-W", "-S", la.program.masterArgument(), "-p", la.cfg.PIDPath, "-f", la.cfg.ConfigPath)
	if err != nil {
		return nil, err
	}
	out, err := la.startupLog.open()
	if err != nil {
		return nil, fmt.Errorf("opening startup log: %w", err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	if la.cfg.User != nil {
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_NET_BIND_SERVICE}
	}
	cmd.Cancel = nil
	cmd.WaitDelay = 0
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{pid: cmd.Process.Pid, ended: make(chan struct{})}
	go la.child.reap(cmd, c) // ends with HAProxy
	la.child.set(c)
	la.stopper.resume()
	return c, nil
}

// awaitStrays waits until no HAProxy answers on the stats socket or has our master
// socket: the workers of a killed master need a moment to end. A HAProxy that stays is an
// error, because it would share its ports with the new one.
func (la *launcher) awaitStrays(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, masterTimeout)
	defer cancel()
	var stray int
	var rest []identity
	err := poll(ctx, func() (bool, error) {
		info, err := la.router.showInfo(ctx)
		if err == nil {
			stray = info.PID
		}
		if isForeignSocket(err) {
			return false, err
		}
		if !statsock.NotListening(err) && !(err != nil && la.isSquatted(ctx)) {
			return false, nil
		}
		rest = la.processes.all()
		return len(rest) == 0, nil
	})
	switch {
	case err == nil:
		return nil
	case isForeignSocket(err):
		return &lb.UnavailableError{What: err.Error()}
	case stray != 0:
		return &lb.UnavailableError{What: fmt.Sprintf("HAProxy (process %d) answers on %s, but has no master at %s, so that it can neither be reloaded nor replaced",
			stray, la.cfg.StatsSocket, la.cfg.MasterSocket)}
	case len(rest) > 0:
		return &lb.UnavailableError{What: fmt.Sprintf("HAProxy (process %d, started with -S %s) runs, but answers on none of its sockets; "+
			"end it, and another one is started", rest[0].pid, la.cfg.MasterSocket)}
	}
	return &lb.UnavailableError{What: "another program listens on " + la.cfg.StatsSocket + ", which does not answer like HAProxy"}
}

// isSquatted reports whether another program listens on the stats socket. A HAProxy that
// starts takes the path.
func (la *launcher) isSquatted(ctx context.Context) bool {
	pid, err := statsock.Listener(ctx, la.cfg.StatsSocket)
	if err != nil {
		return false
	}
	name, err := safefile.Read("/proc/"+strconv.Itoa(pid)+"/comm", maxProc)
	return err == nil && strings.TrimSpace(string(name)) != "haproxy"
}

// endStarted ends a HAProxy that was just started and does not serve.
func (la *launcher) endStarted(ctx context.Context, c *child) {
	look, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	seen, err := la.finder.observe(look)
	if err != nil {
		seen = observation{} // only the child is known
	}
	others, _ := la.processes.of(seen.master) // another process was not started here
	own := append(startedProcesses(c), others...)
	if err := la.processes.end(ctx, own, syscall.SIGTERM, masterTimeout); err != nil {
		err = la.processes.end(ctx, own, syscall.SIGKILL, masterTimeout)
		if err != nil {
			la.logger.ErrorContext(ctx, "ending a haproxy that does not serve failed", "error", err)
		}
	}
	la.finder.setLast(identity{})
}
