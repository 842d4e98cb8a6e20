package ocf

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"syscall"
	"time"

	"thalassa/lb"
)

// monitor checks HAProxy; a greater level checks more.
func (x *execution) monitor(ctx context.Context, level int) Result {
	patient, cancel := context.WithTimeout(ctx, x.patience(level))
	defer cancel()
	begun := time.Now()
	for {
		r, stalls := x.look(patient)
		if r.Code == OK {
			break
		}
		if r.Code == NotRunning || !stalls && time.Since(begun) > settleTime || !pause(patient) {
			return r
		}
	}
	if level < 10 {
		return ok()
	}
	if r := x.reachable(patient, settleTime); r.Code != OK {
		return r
	}
	if level >= 20 {
		if r := x.deep(ctx); r.Code != OK {
			return r
		}
	}
	return x.fresh(ctx)
}

// patience is how long HAProxy may not answer a monitor: as long as its operation may
// take, without the time for the thalassa agent's answer, which comes last.
func (x *execution) patience(level int) time.Duration {
	whole := x.timeout - margin(x.timeout)
	if level < 10 {
		return whole
	}
	return whole - min(healthTime, whole/4)
}

// answers checks once whether HAProxy runs and a worker answers.
func (x *execution) answers(ctx context.Context) Result {
	r, _ := x.look(ctx)
	return r
}

// look is answers. stalls: HAProxy may answer when it gets more time.
func (x *execution) look(ctx context.Context) (r Result, stalls bool) {
	state, err := x.process.State(ctx)
	switch {
	case ctx.Err() != nil:
		return result(Generic, "HAProxy does not answer in time"), true
	case err != nil:
		return result(Generic, "%s", cause(err)), true
	case !state.Running && state.Foreign != "":
		return result(NotRunning, "HAProxy does not run; %s", state.Foreign), false
	case state.Foreign != "" && !state.Answers:
		return result(Generic, "%s; HAProxy (process %d) is not accessible", state.Foreign, state.MasterPID), false
	case !state.Running:
		return result(NotRunning, "HAProxy does not run"), false
	case state.MasterPID == 0:
		return result(Generic, "the master of HAProxy's worker (process %d) is gone", state.WorkerPID), false
	case !state.Answers:
		return result(Generic, "HAProxy (process %d) runs, but does not answer on %s", state.MasterPID, x.statsSocket), true
	}
	return ok(), false
}

// reachable connects to every address of the configuration. An address that refuses may
// do so for a while, because a reload may be in progress; one that does not answer may
// take as long as ctx.
func (x *execution) reachable(ctx context.Context, refusing time.Duration) Result {
	begun := time.Now()
	for {
		address, why := x.process.Silent(ctx)
		if why == nil {
			return ok()
		}
		refuses := errors.Is(why, syscall.ECONNREFUSED) && time.Since(begun) > refusing
		if refuses || !pause(ctx) {
			return result(Generic, "no connection to %s: %s", address, cause(why))
		}
	}
}

// deep validates the file that the next start would use, and requests check_url.
func (x *execution) deep(ctx context.Context) Result {
	if x.checkURL != "" {
		if r := x.ask(ctx); r.Code != OK {
			return r
		}
	}
	err := x.process.CheckFile(ctx)
	if refused, is := errors.AsType[*lb.RefusedError](err); is {
		return result(Degraded, "%s; HAProxy runs, but would refuse %s now: %s", cause(refused), x.config, oneLine(refused.Output))
	}
	if err != nil {
		return result(Degraded, "%s; HAProxy runs", cause(err))
	}
	return ok()
}

// ask sends a request through HAProxy.
func (x *execution) ask(ctx context.Context) Result {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, x.checkURL, http.NoBody)
	if err != nil {
		return result(Generic, "%s", cause(err))
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return result(Generic, "%s", cause(err))
	}
	defer answer.Body.Close()
	if answer.StatusCode >= http.StatusInternalServerError {
		return result(Degraded, "status %s from %s", answer.Status, x.checkURL)
	}
	return ok()
}

// fresh reports a reload that HAProxy has refused, and asks the thalassa agent whether
// HAProxy's configuration is up to date. In any case, HAProxy serves.
func (x *execution) fresh(ctx context.Context) Result {
	if reason := x.refused(ctx); reason != "" {
		return result(Degraded, "%s", reason)
	}
	if x.agentURL == "" || x.cfg.Health == nil {
		return ok()
	}
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	wrong, err := x.cfg.Health(ctx, x.agentURL)
	switch {
	case err != nil:
		return result(Degraded, "no answer from the thalassa agent: %s; HAProxy runs, but its configuration is not kept up to date", cause(err))
	case len(wrong) > 0:
		return result(Degraded, "%s; HAProxy runs, but its configuration may be out of date", oneLine(strings.Join(wrong, "; ")))
	}
	return ok()
}
