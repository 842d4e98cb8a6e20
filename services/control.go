package services

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"thalassa/internal/head"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// The services of a cluster. Pacemaker needs corosync.
const (
	Corosync  = "corosync"
	Pacemaker = "pacemaker"
)

// Names are the services in the order in which they start.
func Names() []string { return []string{Corosync, Pacemaker} }

// A Config says where things are. The zero value is right on a node; the fields are for tests.
type Config struct {
	Systemd string // exists where systemd runs ("/run/systemd/system")
	Path    string // of programs ("/usr/sbin:/usr/bin:/sbin:/bin")
	Proc    string // the processes ("/proc")
	Links   string // links to init scripts ("/etc/rc2.d")
	AuthKey string // the key of corosync ("/etc/corosync/authkey")
	User    string // that Pacemaker's daemons run as ("hacluster")
}

func (c Config) withDefaults() Config {
	c.Systemd = cmp.Or(c.Systemd, "/run/systemd/system")
	c.Path = cmp.Or(c.Path, "/usr/sbin:/usr/bin:/sbin:/bin")
	c.Proc = cmp.Or(c.Proc, "/proc")
	c.Links = cmp.Or(c.Links, "/etc/rc2.d")
	c.AuthKey = cmp.Or(c.AuthKey, "/etc/corosync/authkey")
	c.User = cmp.Or(c.User, "hacluster")
	return c
}

// Control starts and stops services. It needs root, and its methods may be called concurrently.
// They return when the effect was seen, or with an error that says what was seen instead; the
// end of ctx ends the waiting.
type Control struct{ cfg Config }

// New makes a Control.
func New(cfg Config) Control { return Control{cfg.withDefaults()} }

// lookPause is the pause between two looks at the processes.
const lookPause = 100 * time.Millisecond

// Start starts a service, and returns when its first daemon runs. One that runs already is left
// alone; systemd also starts one again that is about to stop.
func (c Control) Start(ctx context.Context, name string) error {
	if err := check(name); err != nil {
		return err
	}
	s, err := c.look(name)
	if err != nil || s.Running && !c.hasSystemd() {
		return err
	}
	said := c.order(ctx, "start", name)
	return c.await(ctx, name, said, func(s State) bool { return s.Running })
}

// Stop stops a service, and returns when none of its daemons runs. systemd and init scripts wait
// for Pacemaker until its resources have left the node. If ctx ends before, the service still
// stops.
func (c Control) Stop(ctx context.Context, name string) error {
	if err := check(name); err != nil {
		return err
	}
	s, err := c.look(name)
	if err != nil || len(s.Daemons) == 0 && !c.hasSystemd() { // systemd may be about to start it again
		return err
	}
	said := c.order(ctx, "stop", name)
	return c.await(ctx, name, said, func(s State) bool { return len(s.Daemons) == 0 })
}

// Enable has a service start with the node.
func (c Control) Enable(ctx context.Context, name string) error { return c.atBoot(ctx, name, true) }

// Disable keeps a service from starting with the node.
func (c Control) Disable(ctx context.Context, name string) error { return c.atBoot(ctx, name, false) }

func (c Control) atBoot(ctx context.Context, name string, wanted bool) error {
	s, err := c.State(ctx, name)
	if err != nil || s.Enabled == wanted {
		return err
	}
	calls := [][]string{{"systemctl", word(wanted), "--quiet", name}}
	if !c.hasSystemd() {
		calls = [][]string{{"update-rc.d", name, word(wanted)}}
		if wanted { // which needs links that a package may not have made
			calls = [][]string{{"update-rc.d", name, "defaults"}, calls[0]}
		}
	}
	for _, call := range calls {
		if err := c.run(ctx, call...); err != nil {
			return fmt.Errorf("service %s: %w", name, err)
		}
	}
	if s, err = c.State(ctx, name); err == nil && s.Enabled != wanted {
		err = fmt.Errorf("service %s: %s had no effect", name, strings.Join(calls[len(calls)-1], " "))
	}
	return err
}

func word(wanted bool) string {
	if wanted {
		return "enable"
	}
	return "disable"
}

// order has a service started or stopped. Its error counts only if there is no effect.
func (c Control) order(ctx context.Context, verb, name string) error {
	if c.hasSystemd() {
		return c.run(ctx, "systemctl", verb, name)
	}
	return c.run(ctx, "service", name, verb)
}

// await waits for an effect. said is what the program has said that was to bring it about.
func (c Control) await(ctx context.Context, name string, said error, seen func(State) bool) error {
	const grace = 5 * time.Second // after which a failure is one
	limited, cancel := ctx, context.CancelFunc(func() {})
	if said != nil {
		limited, cancel = context.WithTimeout(ctx, grace)
	}
	defer cancel()
	for {
		s, err := c.look(name)
		if err != nil {
			return err
		}
		if seen(s) {
			return nil
		}
		if wake.Pause(limited, lookPause) != nil {
			return fmt.Errorf("service %s: %w; %s", name, cmp.Or(said, context.Cause(limited)), s)
		}
	}
}

// hasSystemd reports whether systemd runs here.
func (c Control) hasSystemd() bool {
	info, err := os.Stat(c.cfg.Systemd)
	return err == nil && info.IsDir()
}

// check refuses the names of other services.
func check(name string) error {
	if !slices.Contains(Names(), name) {
		return &lb.InvalidError{Fields: []lb.FieldError{{Path: "service", Problem: "is not a service of a cluster", Expected: strings.Join(Names(), " or ")}}}
	}
	return nil
}

// maxOutput bounds what is kept of the output of a program, in bytes.
const maxOutput = 2000

// run runs a program of the system.
func (c Control) run(ctx context.Context, call ...string) error {
	path, err := c.find(call[0])
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, call[1:]...)
	// An init script leaves daemons in its session: Ctrl-C at the terminal is not for them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Dir, cmd.Env, cmd.WaitDelay = "/", []string{"PATH=" + c.cfg.Path, "LC_ALL=C.UTF-8"}, time.Second
	out := head.New(maxOutput)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if said := strings.Join(strings.Fields(out.String()), " "); said != "" {
			return fmt.Errorf("%s: %w: %s", strings.Join(call, " "), err, said)
		}
		return fmt.Errorf("%s: %w", strings.Join(call, " "), err)
	}
	return nil
}

// find is the path of a program.
func (c Control) find(name string) (string, error) {
	for _, dir := range filepath.SplitList(c.cfg.Path) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", errors.New(name + " is not installed")
}
