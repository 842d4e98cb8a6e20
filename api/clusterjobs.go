package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
	"thalassa/cluster"
	"thalassa/lb"
)

// ClusterJobs keeps the jobs of the cluster, as *jobs.Runner does.
type ClusterJobs interface {
	// Jobs are the jobs that a query selects, the newest first, when they have been read. The
	// error is an *lb.UnavailableError.
	Jobs(ctx context.Context, q cluster.JobQuery) ([]cluster.Job, error)
	// Job is one job, when it is over or ctx ends. Errors: *lb.NotFoundError,
	// *lb.UnavailableError while the jobs have not been read.
	Job(ctx context.Context, id string) (cluster.Job, error)
	// Former is a job as it is now, also if another node has told of it only a moment ago. Errors are
	// those of Job.
	Former(ctx context.Context, id string) (cluster.Job, error)
	// Cancel cancels a job that runs, in the name of an author.
	Cancel(ctx context.Context, id, author string) (cluster.Job, error)
}

// jobsPath is where the jobs of the cluster are.
const jobsPath = "/cluster/jobs"

// jobHandlers show the jobs of the cluster.
type jobHandlers struct{ clusterHandlers }

// list answers with jobs, the newest first.
func (h jobHandlers) list(c echo.Context) error {
	if _, err := h.status(); err != nil {
		return err
	}
	p := parameters(c.Request(), "state", "author", "object", "before", "limit")
	q := cluster.JobQuery{State: cluster.JobState(p.text("state")), Author: p.text("author"), Object: p.text("object"), Before: p.time("before"), Limit: p.limit()}
	states := []cluster.JobState{"", cluster.JobRunning, cluster.JobDone, cluster.JobFailed, cluster.JobTimedOut, cluster.JobCanceled}
	if !slices.Contains(states, q.State) {
		p.add("state", shown(string(q.State))+" is no state of a job", "running, done, failed, timed-out or canceled")
	}
	if err := p.err(); err != nil {
		return err
	}
	list, err := h.jobs.Jobs(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, orEmpty(list))
}

// show answers with one job, and waits for its end if the request says so.
func (h jobHandlers) show(c echo.Context) error {
	if _, err := h.status(); err != nil {
		return err
	}
	p := parameters(c.Request(), "wait")
	wait := p.wait()
	if err := p.err(); err != nil {
		return err
	}
	ctx, cancel := waiting(c.Request().Context())
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, wait)
	defer cancel()
	j, err := h.jobs.Job(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, j)
}

// cancel cancels a job. Who may not take a node out may not break that off either.
func (h jobHandlers) cancel(c echo.Context) error {
	if _, err := h.status(); err != nil {
		return err
	}
	now, end := context.WithTimeout(c.Request().Context(), 0)
	defer end()
	running, err := h.jobs.Job(now, c.Param("id"))
	if err != nil {
		return err
	}
	if who, _ := c.Get(callerKey).(caller); cluster.IsOfMembers(running.Kind) && !who.Allows(auth.Admin, auth.TheNode) {
		return forbidden("canceling the " + running.Kind + " of a node is for the role admin, without limits")
	}
	j, err := h.jobs.Cancel(c.Request().Context(), c.Param("id"), Author(c))
	if err != nil {
		return err
	}
	setJob(c, j)
	return respond(c, http.StatusAccepted, j)
}

// maxKey bounds an Idempotency-Key, in bytes.
const minKey, maxKey = 8, 200

// order is how the request asks for a job. what is the request, as the comparison with a
// former one of the same key takes it.
func order(c echo.Context, what ...any) (cluster.Order, error) {
	r := c.Request()
	who, _ := c.Get(callerKey).(caller)
	o := cluster.Order{Author: who.Name, Key: r.Header.Get("Idempotency-Key")}
	if who.how == auth.ByAccount {
		o.User = who.Name
	}
	if _, given := r.Header["Idempotency-Key"]; !given {
		return o, nil
	}
	if len(o.Key) < minKey || len(o.Key) > maxKey || strings.ContainsFunc(o.Key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return o, invalidField("Idempotency-Key", "is not a key", "8 to 200 printable characters, new ones for each job, e.g. a UUID")
	}
	body, err := json.Marshal(what)
	o.Body = append([]byte(r.Method+" "+r.URL.Path+"\n"), body...)
	return o, err
}

// formerWithin is how long it may take to find out whether a request is a repeated one: the agent may
// just have started.
const formerWithin = 5 * time.Second

// isRepeated reports whether the job of an order was begun before, and does not begin again. Its
// answer is the one to give. The error is an *lb.UnavailableError: it is not known.
func (h clusterHandlers) isRepeated(ctx context.Context, o cluster.Order) (bool, error) {
	if o.Key == "" {
		return false, nil
	}
	limited, cancel := context.WithTimeout(ctx, formerWithin)
	defer cancel()
	j, err := h.jobs.Former(limited, o.JobID())
	if errors.As(err, new(*lb.NotFoundError)) {
		return false, nil
	}
	return err == nil && !(j.Over() && j.Code == cluster.JobInterrupted && !j.IsMade()), err
}

// isAsync reports whether the caller does not wait for the end (RFC 7240).
func isAsync(r *http.Request) bool {
	for _, value := range r.Header.Values("Prefer") {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), "respond-async") {
				return true
			}
		}
	}
	return false
}

// setJob says in the answer, and in the audit log, which job it is about.
func setJob(c echo.Context, j cluster.Job) {
	if j.ID != "" {
		c.Set(jobKey, j.ID)
		c.Response().Header().Set(echo.HeaderLocation, jobsPath+"/"+j.ID)
	}
}
