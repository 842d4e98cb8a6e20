package ocf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// A Request is one call of the resource agent.
type Request struct {
	Action string
	// Parameters are the resource's, without those of Pacemaker itself.
	Parameters map[string]string
	// Level is the depth of a monitor (OCF_CHECK_LEVEL).
	Level int
	// Timeout of the action; 0: one minute.
	Timeout time.Duration
}

// Config is what the agent needs beside HAProxy. The zero value works.
type Config struct {
	// Health asks the thalassa agent at a URL for what is wrong with it, a
	// sentence each; nil: nobody asks it.
	Health func(ctx context.Context, url string) (wrong []string, err error)
	Logger *slog.Logger // discards
}

const (
	// patience is how long HAProxy may fail to answer a monitor.
	patience = 3 * time.Second
	// healthTime is how long the thalassa agent may take to answer.
	healthTime = 2 * time.Second
	// pollInterval is the time between two looks.
	pollInterval = 10 * time.Millisecond
)

// Do carries out one action. It is done before the request's timeout, whatever
// happens.
func Do(ctx context.Context, cfg Config, r Request) Result {
	if r.Timeout <= 0 {
		r.Timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout-margin(r.Timeout))
	defer cancel()
	switch r.Action {
	case "meta-data", "metadata":
		return Result{Output: Metadata()}
	case "usage", "help":
		return Result{Output: usage}
	}
	v, wrong := parse(r.Parameters)
	x := execution{cfg: cfg, values: v, timeout: r.Timeout, within: r.Timeout - 2*margin(r.Timeout)}
	switch r.Action {
	case "start", "validate-all":
		if wrong != nil {
			return result(Configured, "wrong parameters: %v", wrong)
		}
	case "stop", "monitor", "status", "reload", "reload-agent": // wrong values have their defaults
	default:
		return result(Unimplemented, "there is no action %q", r.Action)
	}
	return x.do(ctx, r)
}

const usage = "usage: haproxy {start|stop|monitor|status|reload|reload-agent|validate-all|meta-data}\n"

// margin is how long before its timeout an action ends.
func margin(timeout time.Duration) time.Duration {
	return min(timeout/5, 2*time.Second)
}

// An execution is one action with its parameters.
type execution struct {
	cfg Config
	values
	timeout time.Duration
	within  time.Duration // which a new worker has to serve
	process *haproxy.Process
}

func (x *execution) do(ctx context.Context, r Request) Result {
	who, err := x.owner()
	x.process = x.as(who)
	switch r.Action {
	case "start":
		return x.start(ctx)
	case "stop":
		return x.stop(ctx)
	case "reload", "reload-agent":
		x.within = (x.timeout - margin(x.timeout)) / 2 // it is not all, see there
		x.process = x.as(who)
		return x.reload(ctx, err)
	case "validate-all":
		if err != nil {
			return result(Installed, "%v", err)
		}
		return x.validate(ctx)
	default:
		return x.monitor(ctx, r.Level)
	}
}

// as is HAProxy, run as a user where it is started.
func (x *execution) as(who *haproxy.User) *haproxy.Process {
	return haproxy.New(haproxy.Config{
		Binary: x.binary, ConfigPath: x.config, PIDPath: x.pidFile, StatsSocket: x.statsSocket, MasterSocket: x.masterSocket,
		StartupLog: x.startupLog, User: who, Users: x.users(), OpenFiles: x.openFiles, StopGrace: x.drain,
		ReloadTimeout: x.within, Logger: x.cfg.Logger,
	})
}

// owner is who HAProxy runs as: the user that is asked for, or who owns the
// configuration or, where that is root's, its folder, and so may put another file
// in its place; nil: whoever calls, as root or without being root.
func (x *execution) owner() (*haproxy.User, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nobody else is a good answer
	}
	if x.user != "" {
		uid, gid, err := ids(x.user)
		if err != nil || uid == 0 {
			return nil, err
		}
		return &haproxy.User{UID: uid, GID: gid}, nil
	}
	for _, o := range haproxy.Owners(x.config) {
		if o.UID != 0 {
			return &o, nil
		}
	}
	return nil, nil //nolint:nilnil // root
}

// users are those whose HAProxy is this one, also when another user is to run the next:
// the user that is asked for, and who may write the configuration.
func (x *execution) users() []uint32 {
	var out []uint32
	if uid, _, err := ids(x.user); x.user != "" && err == nil {
		out = append(out, uid)
	}
	for _, o := range haproxy.Owners(x.config) {
		out = append(out, o.UID)
	}
	return out
}

// start returns when HAProxy answers, on its stats socket and at every address of
// its configuration. It is started with the last good file when it does not start
// with the newest.
func (x *execution) start(ctx context.Context) Result {
	if _, err := x.process.Version(ctx); err != nil {
		return result(Installed, "%v", err)
	}
	wait, cancel := context.WithTimeout(ctx, x.timeout/2)
	defer cancel()
	if err := x.process.AwaitFile(wait); err != nil {
		return result(Installed, "there is no configuration %s; does the thalassa agent run on this node?", x.config)
	}
	who, err := x.owner()
	if err != nil {
		return result(Installed, "%v", err)
	}
	x.process = x.as(who)
	x.forgive()
	if err := x.process.Resume(ctx); err != nil {
		if refused, is := errors.AsType[*lb.RefusedError](err); is {
			return result(Args, "HAProxy does not start with %s: %s", x.config, oneLine(refused.Output))
		}
		return result(Generic, "%v", err)
	}
	for {
		last := x.answers(ctx)
		if last.Code == OK {
			return x.reachable(ctx, x.timeout)
		}
		if !pause(ctx) {
			return last
		}
	}
}

// stop ends HAProxy. None running is a success.
func (x *execution) stop(ctx context.Context) Result {
	if err := x.process.Stop(ctx); err != nil {
		return result(Generic, "%v", err)
	}
	x.forgive()
	return ok()
}

// reload has HAProxy read its file. That it does not take it is no failure of the
// resource, for HAProxy goes on with what it ran: Pacemaker would stop it on this
// node, and with a bad file everywhere on every node. The monitor tells of it from
// then on, until a reload or a start succeeds. err is why it must not be tried.
// A reload that was begun is waited for whatever becomes of ctx, so that there
// has to be time for that, and for the look afterwards, when it begins.
func (x *execution) reload(ctx context.Context, err error) Result {
	whole := x.timeout - margin(x.timeout)
	after := min(patience, whole/4)
	if err == nil {
		begin, cancel := context.WithTimeout(ctx, whole-x.within-after)
		defer cancel()
		err = x.process.Reload(begin)
	}
	if err == nil {
		x.forgive()
		return ok()
	}
	look, cancel := context.WithTimeout(ctx, after)
	defer cancel()
	if r := x.answers(look); r.Code != OK {
		return r
	}
	words := err.Error()
	if refused, is := errors.AsType[*lb.RefusedError](err); is {
		words = oneLine(refused.Output)
	}
	r := Result{Reason: "HAProxy does not take " + x.config + " and runs on as before: " + words}
	if err := x.remember(look, r.Reason); err != nil {
		r.Reason += "; " + err.Error()
	}
	return r
}

// refusal is the file that remembers why the last reload did nothing.
func (x *execution) refusal() string { return x.pidFile + ".refused" }

// remember notes why a reload did nothing, and the worker that runs on, in a file
// of its own: the folder may be another user's, who must not lead root elsewhere
// by a link.
func (x *execution) remember(ctx context.Context, reason string) error {
	x.forgive()
	f, err := os.OpenFile(x.refusal(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // it is shown to everybody
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d\n%s", x.worker(ctx), reason)
	return errors.Join(err, f.Close())
}

// refused is why the last reload did nothing; "" when it did something, or
// somebody else's has since: then another worker serves.
func (x *execution) refused(ctx context.Context) string {
	// O_NONBLOCK: a FIFO in its place must not be waited for.
	f, err := os.OpenFile(x.refusal(), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "" // which is the rule
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 64<<10))
	worker, reason, _ := strings.Cut(string(text), "\n")
	if now := x.worker(ctx); now != 0 && strconv.Itoa(now) != worker {
		x.forgive()
		return ""
	}
	return reason
}

// worker is the process that serves; 0: not known.
func (x *execution) worker(ctx context.Context) int {
	state, err := x.process.State(ctx)
	if err != nil || !state.Answers {
		return 0
	}
	return state.WorkerPID
}

// forgive forgets it.
func (x *execution) forgive() { _ = os.Remove(x.refusal()) }

// validate says whether HAProxy could start here. A file that HAProxy does not
// take is this node's alone.
func (x *execution) validate(ctx context.Context) Result {
	if _, err := x.process.Version(ctx); err != nil {
		return result(Installed, "%v", err)
	}
	err := x.process.CheckFile(ctx)
	if refused, is := errors.AsType[*lb.RefusedError](err); is {
		return result(Args, "HAProxy does not take %s: %s", x.config, oneLine(refused.Output))
	}
	if _, is := errors.AsType[*lb.UnavailableError](err); is {
		return result(Installed, "%v", err)
	}
	if err != nil {
		return result(Generic, "%v", err)
	}
	return ok()
}

// pause waits a moment; false: the time is over.
func pause(ctx context.Context) bool { return wake.Pause(ctx, pollInterval) == nil }

// oneLine is text as Pacemaker shows it.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), " | ")
}
