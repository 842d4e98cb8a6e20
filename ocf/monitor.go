package ocf

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"thalassa/lb"
)

// monitor checks HAProxy; a greater level checks more.
func (x *execution) monitor(ctx context.Context, level int) Result {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		r := x.answers(patient)
		if r.Code == OK {
			break
		}
		if r.Code == NotRunning || !pause(patient) {
			return r
		}
	}
	if level < 10 {
		return ok()
	}
	if r := x.reachable(ctx, patience); r.Code != OK {
		return r
	}
	if level >= 20 {
		if r := x.deep(ctx); r.Code != OK {
			return r
		}
	}
	return x.fresh(ctx)
}

// answers checks once whether HAProxy runs and a worker answers.
func (x *execution) answers(ctx context.Context) Result {
	state, err := x.process.State(ctx)
	switch {
	case ctx.Err() != nil:
		return result(Generic, "HAProxy does not answer in time")
	case err != nil:
		return result(Generic, "%v", err)
	case !state.Running && state.Foreign != "":
		return result(NotRunning, "HAProxy does not run; %s", state.Foreign)
	case state.Foreign != "" && !state.Answers:
		return result(Generic, "HAProxy (process %d) is not accessible: %s", state.MasterPID, state.Foreign)
	case !state.Running:
		return result(NotRunning, "HAProxy does not run")
	case state.MasterPID == 0:
		return result(Generic, "the master of HAProxy's worker (process %d) is gone", state.WorkerPID)
	case !state.Answers:
		return result(Generic, "HAProxy (process %d) runs, but does not answer on %s", state.MasterPID, x.statsSocket)
	}
	return ok()
}

// reachable connects to every address of the configuration. It tries for a while,
// because a reload may be in progress.
func (x *execution) reachable(ctx context.Context, within time.Duration) Result {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		address, why := x.process.Silent(ctx)
		if why == nil {
			return ok()
		}
		if !pause(ctx) {
			return result(Generic, "connecting to %s failed: %v", address, why)
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
		return result(Degraded, "HAProxy runs, but would refuse %s now: %s", x.config, oneLine(refused.Output))
	}
	if err != nil {
		return result(Degraded, "HAProxy runs, but %v", err)
	}
	return ok()
}

// ask sends a request through HAProxy.
func (x *execution) ask(ctx context.Context) Result {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, x.checkURL, http.NoBody)
	if err != nil {
		return result(Generic, "%v", err)
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return result(Generic, "%v", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode >= http.StatusInternalServerError {
		return result(Degraded, "%s answers with status %s", x.checkURL, answer.Status)
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
		return result(Degraded, "HAProxy runs, but its configuration is not kept up to date: %v", err)
	case len(wrong) > 0:
		return result(Degraded, "HAProxy runs, but its configuration may be out of date: %s", oneLine(strings.Join(wrong, "; ")))
	}
	return ok()
}
