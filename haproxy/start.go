package haproxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"thalassa/lb"
	"thalassa/statsock"
)

// A child is a HAProxy (or the sudo before it) that was started here.
type child struct {
	pid   int
	ended chan struct{}
	err   error // how it ended; valid once ended is closed
}

// exit tells how a child ended.
func (c *child) exit() string {
	if c.err == nil {
		return "exit status 0"
	}
	return c.err.Error()
}

// killed tells the signal that has ended the HAProxy started here last; "" when none
// has, or nobody knows.
func (p *Process) killed() string {
	p.mu.Lock()
	c := p.child
	p.mu.Unlock()
	if c == nil {
		return ""
	}
	select {
	case <-c.ended:
	case <-time.After(question): // it is not the one that is gone
		return ""
	}
	exit, ok := errors.AsType[*exec.ExitError](c.err)
	if !ok {
		return ""
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		return ""
	}
	return c.exit()
}

// start runs HAProxy with the file on disk and waits until a worker serves. It
// must only be called when none runs. On error none was left running; it is a
// *lb.RefusedError of stage "start" when HAProxy did not start with the file.
func (p *Process) start(ctx context.Context, config []byte, fingerprint string) (worker int, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ReloadTimeout)
	defer cancel()
	if err := p.awaitStrays(ctx); err != nil {
		return 0, fmt.Errorf("starting haproxy: %w", err)
	}
	p.leaveFormer(ctx)
	p.forgetState(ctx)
	if err := p.prepare(); err != nil {
		return 0, fmt.Errorf("starting haproxy: %w", err)
	}
	p.begin()
	c, err := p.spawn(ctx)
	if err != nil {
		return 0, fmt.Errorf("starting haproxy: %w", err)
	}
	b := p.newBirth(view{}, config, fingerprint)
	err = poll(ctx, func() (bool, error) {
		select {
		case <-c.ended:
			return false, p.failedStart(b, c)
		default:
		}
		v, err := p.look(ctx)
		if err != nil || v.procs == nil {
			return false, err
		}
		return b.judge(ctx, v)
	})
	if err == nil {
		p.logger.InfoContext(ctx, "haproxy started", "master_pid", c.pid, "worker_pid", b.worker)
		return b.worker, nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("no worker serves after %s: %w", p.cfg.ReloadTimeout, ctx.Err())
	}
	p.abandon(context.WithoutCancel(ctx), c)
	return 0, fmt.Errorf("starting haproxy: %w", err)
}

// failedStart tells why a HAProxy ended before it served.
func (p *Process) failedStart(b *birth, c *child) error {
	words := p.written()
	if p.cfg.Sudo && alert(words) == "" {
		return fmt.Errorf("%s: %s", c.exit(), said(words)) // sudo's own refusal
	}
	return b.refused(words, "haproxy ended with "+c.exit())
}

// spawn starts the process. It gets a session of its own, so that signals to
// the group of this program never reach it, and nothing of this program but the
// startup log.
func (p *Process) spawn(ctx context.Context) (*child, error) {
	cmd, err := p.command(context.WithoutCancel(ctx), "-W", "-S", p.masterArgument(), "-p", p.cfg.PIDPath, "-f", p.cfg.ConfigPath)
	if err != nil {
		return nil, err
	}
	out, err := p.words.open()
	if err != nil {
		return nil, fmt.Errorf("opening startup log: %w", err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	if p.cfg.User != nil {
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_NET_BIND_SERVICE}
	}
	cmd.Cancel = nil
	cmd.WaitDelay = 0
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{pid: cmd.Process.Pid, ended: make(chan struct{})}
	go p.reap(cmd, c) // ends with HAProxy
	p.mu.Lock()
	defer p.mu.Unlock()
	p.child, p.halted = c, false
	return c, nil
}

// reap waits for the end of a child and tells Run.
func (p *Process) reap(cmd *exec.Cmd, c *child) {
	c.err = cmd.Wait()
	close(c.ended)
	select {
	case p.died <- struct{}{}:
	default:
	}
}

// awaitStrays waits until nobody answers on the stats socket and nothing lives that was
// started with our master socket: the worker of a master that was killed takes a moment
// to notice. A HAProxy that stays without our master, or without its sockets, would share
// the ports with ours, unseen, so that is an error.
func (p *Process) awaitStrays(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var stray int
	var rest []identity
	err := poll(ctx, func() (bool, error) {
		info, err := p.showInfo(ctx)
		if err == nil {
			stray = info.PID
		}
		if foreign(err) {
			return false, err
		}
		if !statsock.NotListening(err) && !(err != nil && p.isSquatted(ctx)) {
			return false, nil
		}
		rest = p.ours()
		return len(rest) == 0, nil
	})
	switch {
	case err == nil:
		return nil
	case foreign(err):
		return &lb.UnavailableError{What: err.Error()}
	case stray != 0:
		return &lb.UnavailableError{What: fmt.Sprintf("HAProxy (process %d) answers on %s, but has no master at %s, so that it can neither be reloaded nor replaced",
			stray, p.cfg.StatsSocket, p.cfg.MasterSocket)}
	case len(rest) > 0:
		return &lb.UnavailableError{What: fmt.Sprintf("HAProxy (process %d, started with -S %s) lives, but answers on none of its sockets; "+
			"end it, and another one is started", rest[0].pid, p.cfg.MasterSocket)}
	}
	return &lb.UnavailableError{What: "somebody listens on " + p.cfg.StatsSocket + ", but does not answer like HAProxy"}
}

// isSquatted reports whether it is no HAProxy that listens on the stats socket: one that
// is started takes the path.
func (p *Process) isSquatted(ctx context.Context) bool {
	pid, err := statsock.Listener(ctx, p.cfg.StatsSocket)
	if err != nil {
		return false
	}
	name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	return err == nil && strings.TrimSpace(string(name)) != "haproxy"
}

// abandon ends a HAProxy that was started a moment ago and does not serve.
func (p *Process) abandon(ctx context.Context, c *child) {
	look, cancel := context.WithTimeout(ctx, question)
	defer cancel()
	v, err := p.look(look)
	if err != nil {
		v = view{} // the child is all that is known
	}
	kin, _ := p.kin(v.master) // a stranger's process is not what was started here
	members := append(started(c), kin...)
	if err := p.end(ctx, members, syscall.SIGTERM, patience); err != nil {
		err = p.end(ctx, members, syscall.SIGKILL, patience)
		if err != nil {
			p.logger.ErrorContext(ctx, "haproxy that does not serve cannot be ended", "error", err)
		}
	}
	p.remember(identity{})
}

// begin notes where HAProxy's next words will stand.
func (p *Process) begin() {
	mark := p.words.begin()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mark, p.marked = mark, true
}

// trim empties a startup log that has grown too long since HAProxy was started or
// reloaded last: each change of a server's health is a line in it. While it may be
// needed to tell what comes of a change, it stays.
func (p *Process) trim() {
	if !p.words.isLong() {
		return
	}
	select {
	case p.turn <- struct{}{}:
		defer p.release()
		if p.words.empty() { // else it is another user's, who started HAProxy
			p.begin()
		}
	default:
	}
}

// beginOnce is begin for a HAProxy that was adopted: what it wrote before is
// not told of its end.
func (p *Process) beginOnce() {
	mark := p.words.begin()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.marked {
		p.mark, p.marked = mark, true
	}
}

// written returns what HAProxy wrote since begin.
func (p *Process) written() string {
	p.mu.Lock()
	mark := p.mark
	p.mu.Unlock()
	words, err := p.words.since(mark)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "reading startup log: " + err.Error()
	}
	return words
}
