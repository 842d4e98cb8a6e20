package ocf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/safefile"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// A Request is one call of the resource agent.
type Request struct {
	Action string
	// Parameters of the resource, without those of Pacemaker itself.
	Parameters map[string]string
	// Level is the depth of a monitor (OCF_CHECK_LEVEL).
	Level int
	// Timeout of the action; 0 is one minute.
	Timeout time.Duration
	// Instance is the name of the resource (OCF_RESOURCE_INSTANCE).
	Instance string
}

// Config is what the agent needs besides HAProxy. The zero value works.
type Config struct {
	// Health asks the thalassa agent at a URL for its problems, one sentence each;
	// nil: the agent is not asked.
	Health func(ctx context.Context, url string) (wrong []string, err error)
	Logger *slog.Logger // discards
}

const (
	// settleTime is how long a monitor waits for a reload in progress to end, before a
	// refused connection or a missing process counts.
	settleTime = 3 * time.Second
	// healthTime is the time limit of the thalassa agent's answer.
	healthTime = 2 * time.Second
	// pollInterval is the time between two checks.
	pollInterval = 10 * time.Millisecond
)

// Do executes an action. It always returns before the timeout of the request.
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
	v, err := parse(r.Parameters)
	x := execution{cfg: cfg, values: v, timeout: r.Timeout, within: r.Timeout - 2*margin(r.Timeout)}
	switch r.Action {
	case "start", "validate-all":
		if err != nil {
			return result(Configured, "invalid parameters: %v", err)
		}
	case "stop", "monitor", "status", "reload", "reload-agent": // invalid values have their defaults
	default:
		return result(Unimplemented, "unknown action %q", r.Action)
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
	within  time.Duration // for a new worker to serve
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
		x.within = (x.timeout - margin(x.timeout)) / 2 // see reload
		x.process = x.as(who)
		return x.reload(ctx, err)
	case "validate-all":
		if err != nil {
			return result(Installed, "%s", cause(err))
		}
		return x.validate(ctx)
	default:
		return x.monitor(ctx, r.Level)
	}
}

// as returns HAProxy, which it starts as the user.
func (x *execution) as(who *haproxy.User) *haproxy.Process {
	return haproxy.New(haproxy.Config{
		Binary: x.binary, ConfigPath: x.config, PIDPath: x.pidFile, StatsSocket: x.statsSocket, MasterSocket: x.masterSocket,
		StartupLog: x.startupLog, User: who, Users: x.users(), OpenFiles: x.openFiles, StopGrace: x.drain,
		ReloadTimeout: x.within, Logger: x.cfg.Logger,
	})
}

// owner returns the user to run HAProxy as: the parameter user, or the owner of the
// configuration. If the file belongs to root, it is the owner of its directory, who
// could replace the file. nil: the user of this process.
func (x *execution) owner() (*haproxy.User, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // documented
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

// users returns the users whose HAProxy may be this one, even if the next start is as
// another user: the parameter user, and those who may write the configuration.
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

// start returns when HAProxy answers on its stats socket and at every address of its
// configuration. If HAProxy does not start with the newest file, it is started with
// the last good one, and the result is Degraded.
func (x *execution) start(ctx context.Context) Result {
	if _, err := x.process.Version(ctx); err != nil {
		return result(Installed, "%s", cause(err))
	}
	wait, cancel := context.WithTimeout(ctx, x.timeout/2)
	defer cancel()
	if err := x.process.AwaitFile(wait); err != nil {
		return result(Installed, "the configuration is missing: %s; check that the thalassa agent runs on this node", x.config)
	}
	who, err := x.owner()
	if err != nil {
		return result(Installed, "%s", cause(err))
	}
	x.process = x.as(who)
	x.forget()
	older, err := x.process.ResumeTelling(ctx)
	if err != nil {
		if refused, is := errors.AsType[*lb.RefusedError](err); is {
			return result(Args, "%s; HAProxy does not start with %s: %s", cause(refused), x.config, oneLine(refused.Output))
		}
		return result(Generic, "%s", cause(err))
	}
	for {
		last := x.answers(ctx)
		if last.Code == OK {
			break
		}
		if !pause(ctx) {
			return last
		}
	}
	if r := x.reachable(ctx, x.timeout); r.Code != OK || older == nil {
		return r
	}
	return x.startedWithOlder(ctx, older)
}

// startedWithOlder reports that HAProxy serves, but with the last good file. So does the
// monitor, until another worker serves.
func (x *execution) startedWithOlder(ctx context.Context, refused *lb.RefusedError) Result {
	r := result(Degraded, "%s; started with the last good file, the newest is refused: %s", cause(refused), oneLine(refused.Output))
	if err := x.remember(ctx, r.Reason); err != nil {
		r.Reason += "; " + err.Error()
	}
	return r
}

// stop stops HAProxy. It succeeds if none runs.
func (x *execution) stop(ctx context.Context) Result {
	if err := x.process.Stop(ctx); err != nil {
		return result(Generic, "%s", cause(err))
	}
	x.forget()
	return ok()
}

// reload makes HAProxy read its file. If HAProxy refuses it, the resource has not
// failed: HAProxy keeps running with the previous configuration. After a failure,
// Pacemaker would stop it on this node, and with a bad file on every node. Instead,
// the monitor reports it until a reload or a start succeeds. err is why the reload
// must not be tried. A reload that has begun does not end with ctx, so there must be
// enough time for it, and for the check afterwards, when it begins.
func (x *execution) reload(ctx context.Context, err error) Result {
	whole := x.timeout - margin(x.timeout)
	after := whole / 4
	if err == nil {
		begin, cancel := context.WithTimeout(ctx, whole-x.within-after)
		defer cancel()
		err = x.process.Reload(begin)
	}
	if err == nil {
		x.forget()
		return ok()
	}
	checking, cancel := context.WithTimeout(ctx, after)
	defer cancel()
	if r := x.answers(checking); r.Code != OK {
		return r
	}
	r := result(OK, "%s; HAProxy refused %s and keeps running with the previous configuration", cause(err), x.config)
	if refused, is := errors.AsType[*lb.RefusedError](err); is {
		r.Reason += ": " + oneLine(refused.Output)
	}
	if err := x.remember(checking, r.Reason); err != nil {
		r.Reason += "; " + err.Error()
	}
	return r
}

// refusal is the path of the file with the reason of the last refused reload.
func (x *execution) refusal() string { return x.pidFile + ".refused" }

// remember stores why a reload was refused, and the current worker, in a new file: the
// directory may belong to another user, who must not redirect root with a link.
func (x *execution) remember(ctx context.Context, reason string) error {
	x.forget()
	f, err := safefile.OpenFile(x.refusal(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) // not secret
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d\n%.*s", x.worker(ctx), maxReason/2, reason)
	return errors.Join(err, f.Close())
}

// maxReason bounds the file with the reason of a refused reload, in bytes.
const maxReason = 64 << 10

// refused returns why the last reload was refused; "" if it succeeded, or if another
// reload has since: then another worker serves.
func (x *execution) refused(ctx context.Context) string {
	text, err := safefile.ReadOwned(x.refusal(), maxReason, uint32(os.Geteuid())) //nolint:gosec // ids are never negative on Linux
	if err != nil {
		return "" // there is none, the usual case, or somebody else's file is in its place
	}
	worker, reason, _ := strings.Cut(string(text), "\n")
	if now := x.worker(ctx); now != 0 && strconv.Itoa(now) != worker {
		x.forget()
		return ""
	}
	return reason
}

// worker returns the process id of the serving worker; 0: unknown.
func (x *execution) worker(ctx context.Context) int {
	state, err := x.process.State(ctx)
	if err != nil || !state.Answers {
		return 0
	}
	return state.WorkerPID
}

// forget removes the reason of a refused reload.
func (x *execution) forget() { _ = os.Remove(x.refusal()) }

// validate checks whether HAProxy could start here. A refused file is a problem of
// this node only.
func (x *execution) validate(ctx context.Context) Result {
	if _, err := x.process.Version(ctx); err != nil {
		return result(Installed, "%s", cause(err))
	}
	err := x.process.CheckFile(ctx)
	if refused, is := errors.AsType[*lb.RefusedError](err); is {
		return result(Args, "%s; HAProxy refuses %s: %s", cause(refused), x.config, oneLine(refused.Output))
	}
	if _, is := errors.AsType[*lb.UnavailableError](err); is {
		return result(Installed, "%s", cause(err))
	}
	if err != nil {
		return result(Generic, "%s", cause(err))
	}
	return ok()
}

// pause waits for pollInterval; false: the time is over.
func pause(ctx context.Context) bool { return wake.Pause(ctx, pollInterval) == nil }
