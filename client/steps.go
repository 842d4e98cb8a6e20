package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
)

// Bounds of a file of steps: bytes, and steps.
const (
	MaxStepsFile = 1 << 20
	maxSteps     = 1000 // well below cluster.MaxJobs: what was done is known as long as its job is kept
)

const (
	// tryTime is how long one request of a step may take. The node that it was sent to may be
	// lost; the same key finds the job again on another one.
	tryTime = 10 * time.Second
	// tryPause is the time between two requests of a step.
	tryPause = 500 * time.Millisecond
	// jobPath is where a job of the cluster is.
	jobPath = "/cluster/jobs/"
)

// A Step is a request that changes the cluster, and is carried out once.
type Step struct {
	Line   int    // in its file
	Method string // POST, PUT, PATCH or DELETE
	Path   string // with its query
	Body   json.RawMessage
	// Key is the Idempotency-Key.
	Key string
}

// String is the request without its body, which may be long.
func (s Step) String() string { return s.Method + " " + s.Path }

// ParseSteps reads steps: a request of the API on each line, as METHOD PATH [JSON]. Empty
// lines, and those that begin with #, are no steps. The key of a step follows from run and
// all steps up to it, so that steps can be added at the end of a file that has been run. The
// error names the line.
func ParseSteps(data []byte, run string) ([]Step, error) {
	if len(data) > MaxStepsFile {
		return nil, fmt.Errorf("the file has %d bytes, expected %d at most", len(data), MaxStepsFile)
	}
	chain := sha256.Sum256([]byte("thalassa steps 1\n" + run))
	var out []Step
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := parseStep(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if len(out) == maxSteps {
			return nil, fmt.Errorf("line %d: there are more than %d steps", number, maxSteps)
		}
		chain = sha256.Sum256(append(chain[:], s.Method+" "+s.Path+" "+string(s.Body)...))
		s.Line, s.Key = number, "steps-"+hex.EncodeToString(chain[:16])
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, errors.New("there is no step, expected a line such as: POST /cluster/actions/restart {\"resource\": \"web\"}")
	}
	return out, nil
}

func parseStep(line string) (Step, error) {
	method, rest, _ := strings.Cut(line, " ")
	path, body, _ := strings.Cut(strings.TrimSpace(rest), " ")
	s := Step{Method: method, Path: path}
	if !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, method) {
		return s, fmt.Errorf("%q is no method of a change, expected POST, PUT, PATCH or DELETE", method)
	}
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !isChange(u.Path) {
		return s, fmt.Errorf("%q is no change of the cluster, expected a path such as /cluster/actions/restart, /cluster/config/primitives/web, /cluster/haproxy/rollout, /cluster/drafts/week-31/commit or /cluster/changes", path)
	}
	for _, name := range []string{"dryRun", "draft"} {
		if u.Query().Has(name) {
			return s, fmt.Errorf("%s in %q changes nothing in the cluster, expected a request without it", name, path)
		}
	}
	if body = strings.TrimSpace(body); body == "" {
		return s, nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(body)); err != nil {
		return s, fmt.Errorf("the body is no JSON: %w", err)
	}
	s.Body = compact.Bytes()
	return s, nil
}

// isChange reports whether requests to a path are jobs.
func isChange(path string) bool {
	if draft, found := strings.CutPrefix(path, "/cluster/drafts/"); found {
		id, verb, _ := strings.Cut(draft, "/")
		return id != "" && verb == "commit"
	}
	return path == "/cluster/changes" || slices.ContainsFunc([]string{"/cluster/actions/", "/cluster/config/", "/cluster/haproxy/"}, func(prefix string) bool {
		return strings.HasPrefix(path, prefix)
	})
}

// A StepResult is what became of a step.
type StepResult struct {
	Job cluster.Job
	// Earlier: an earlier run of the same steps has carried it out.
	Earlier bool
}

// RunStep carries out a step, and returns its job when that is over. It sends the request
// again while no agent answers, for up to patience; the agent may be another one each time.
// The request is carried out once however often it is sent. An error of the agent is an
// *Error: the step has failed. Any other error means that it may go on.
func RunStep(ctx context.Context, c *Client, s Step, patience time.Duration) (StepResult, error) {
	for begun := time.Now(); ; {
		done, again, err := tryStep(ctx, c, s, begun)
		switch {
		case !again:
			return done, err
		case ctx.Err() != nil:
			return done, context.Cause(ctx)
		case time.Since(begun) >= patience:
			return done, fmt.Errorf("no agent has carried it out in %s; it may go on: %w", patience, err)
		}
		_ = wake.Pause(ctx, tryPause) // its end is checked above
	}
}

// tryStep sends the request of a step once, which this run has begun to send at begun. again: it
// has to be sent again, because of err.
func tryStep(ctx context.Context, c *Client, s Step, begun time.Time) (done StepResult, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	q := call{method: s.Method, path: s.Path, conditions: []Condition{func(h http.Header) { h.Set("Idempotency-Key", s.Key) }}}
	if s.Body != nil {
		q.body = s.Body
	}
	a, err := c.transport.do(ctx, q)
	var id string
	refusal, refused := errors.AsType[*Error](err)
	switch {
	case refused && refusal.Job == "": // there is no job
		return done, refusal.isPassing(), err
	case refused:
		id = refusal.Job
	case err != nil:
		return done, true, err
	default:
		id = jobIn(a.header)
	}
	if id == "" { // there was nothing to change
		return StepResult{Job: cluster.Job{State: cluster.JobDone, Result: "nothing to change"}}, false, nil
	}
	j, found := ClusterJob(ctx, c, id)
	if !refused {
		done.Earlier = isEarlier(j, a.header, time.Since(begun))
	}
	done.Job = j
	switch {
	case found != nil:
		return done, true, found
	case !j.Over(), refused && j.Code == "interrupted": // before it has changed anything
		return done, true, errors.Join(err, fmt.Errorf("job %s is %s", id, j.State))
	}
	return done, false, err
}

// isEarlier reports whether a job began before this run has sent its step. Both times are of the
// clocks of the agents, as the answer has them; the agent of the job may be another one.
func isEarlier(j cluster.Job, answer http.Header, since time.Duration) bool {
	const skew = 5 * time.Second
	now, err := http.ParseTime(answer.Get("Date"))
	return err == nil && !j.Begun.IsZero() && j.Begun.Before(now.Add(-since-skew))
}

// isPassing reports whether the same request may succeed later: nothing has begun.
func (e *Error) isPassing() bool {
	return e.Code == "" && e.Status >= http.StatusInternalServerError || e.Status == http.StatusServiceUnavailable || e.Status == http.StatusTooManyRequests
}

// jobIn is the id of the job that an answer is about; empty: none.
func jobIn(h http.Header) string {
	id, found := strings.CutPrefix(h.Get("Location"), jobPath)
	if !found || strings.Contains(id, "/") {
		return ""
	}
	return id
}
