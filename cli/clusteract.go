package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"thalassa/client"
	"thalassa/cluster"
	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/pacemaker"
)

const (
	// lookWithin is how long the agent of this node has to say that it is there.
	lookWithin = 3 * time.Second
	// goneWithin is how long an agent that has stopped answering may take to be back.
	goneWithin = 30 * time.Second
	// maxJobWait is the longest time that a job may wait for the cluster, and maxInTurn for how
	// many nodes it may do so, one after the other.
	maxJobWait = 10 * time.Minute
	maxInTurn  = 32
	// jobWait is how long one request waits for the end of a job.
	jobWait = 20 * time.Second
)

// carryOut carries out an action as a job of the agent on this node, so that the jobs of the
// cluster have it. Where no agent can, it is done here, and that is said: then the job has no ID.
func (o *onNode) carryOut(ctx context.Context, c *pacemaker.Cluster, a cluster.Action, here func() (cluster.Status, error)) (cluster.Status, cluster.Job, error) {
	var j cluster.Job
	if _, other := pacemaker.OtherCIB(o.env.Getenv); other != "" {
		v, err := here()
		return v, j, err
	}
	agent, err := o.agentHere(ctx, c)
	if err == nil {
		j, err = beginJob(ctx, agent, a)
	}
	if refusal, ok := errors.AsType[*client.Error](err); ok && (refusal.Status == http.StatusUnauthorized || refusal.Status == http.StatusForbidden) {
		err = noAgentError{"the agent does not let you: " + refusal.Message}
	} else if ok && refusal.Status == http.StatusNotFound && a.IsOfHAProxy() { // or there is no HAProxy, as will be said again
		err = noAgentError{"the agent is older than this program: " + refusal.Message}
	}
	if why, ok := errors.AsType[noAgentError](err); ok {
		fmt.Fprintln(o.env.Stderr, "thalassa: not among the jobs of the cluster:", why.reason)
		v, err := here()
		return v, cluster.Job{}, err
	}
	if err != nil {
		return cluster.Status{}, cluster.Job{}, err
	}
	fmt.Fprintln(o.env.Stderr, "thalassa: job", j.ID)
	if j, err = endOfJob(ctx, agent, j, a.Wait); err != nil {
		return cluster.Status{}, j, err
	}
	for _, line := range j.Deviations {
		fmt.Fprintln(o.env.Stderr, "thalassa: not as foretold:", line)
	}
	failed := failureOf(j)
	if j.State == cluster.JobFailed && j.Code == "precondition_failed" && a.IsOfHAProxy() {
		if _, now := c.PlanHAProxy(ctx, a); errors.As(now, new(*cluster.PlanChangedError)) { // it has the lines, for withDifference
			failed = now
		}
	}
	v, err := c.Now(ctx)
	return v, j, errors.Join(failed, err)
}

// noAgentError is why no agent can carry out an action. Nothing was asked of one.
type noAgentError struct{ reason string }

// Error is the reason.
func (e noAgentError) Error() string { return e.reason }

// agentHere is the agent of this node, if it is in the same cluster. The error is noAgentError, or
// an *client.Error.
func (o *onNode) agentHere(ctx context.Context, c *pacemaker.Cluster) (*client.Client, error) {
	r := &remote{env: o.env}
	cfg, err := r.target(ctx)
	if err != nil {
		return nil, noAgentError{err.Error()}
	}
	if address := strings.TrimSuffix(cfg.Address, "/"); !isLoopback(withScheme(address)) {
		return nil, noAgentError{"the agent at " + address + " is not on this node"}
	}
	agent, err := client.New(cfg)
	if err != nil {
		return nil, noAgentError{err.Error()}
	}
	limited, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	seen, err := client.ClusterStatus(limited, agent)
	switch refusal, answered := errors.AsType[*client.Error](err); {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case answered && (refusal.Status == http.StatusUnauthorized || refusal.Status == http.StatusForbidden):
		return nil, err
	case answered:
		return nil, noAgentError{"the agent of this node does not operate the cluster: " + refusal.Message}
	case err != nil:
		return nil, noAgentError{"no agent answers on this node: " + err.Error()}
	}
	here, err := c.Now(ctx)
	if err != nil {
		return nil, err
	}
	if seen.Self != here.Self || seen.State == cluster.StateOffline {
		return nil, noAgentError{fmt.Sprintf("the agent does not see this node, %s: it is %s in a cluster that is %s", orDash(here.Self), orDash(seen.Self), seen.State)}
	}
	return agent, nil
}

// withScheme is an address with its scheme.
func withScheme(address string) string {
	if strings.Contains(address, "://") {
		return address
	}
	return "http://" + address
}

// beginJob asks for an action once, however often the request has to be sent. An agent that was lost
// with the request may have started again, and not know the cluster yet.
func beginJob(ctx context.Context, agent *client.Client, a cluster.Action) (cluster.Job, error) {
	key := rand.Text()
	for since, isLost := time.Now(), false; ; {
		begin := client.BeginClusterAction
		if a.IsOfHAProxy() {
			begin = client.BeginClusterHAProxy
		}
		j, err := begin(ctx, agent, a, key)
		isLost = isLost || client.IsUnreachable(err)
		switch {
		case err == nil, ctx.Err() != nil, !isLost, !client.IsTemporary(err):
			return j, err
		case time.Since(since) > goneWithin:
			return j, fmt.Errorf(`%w. The action may have begun: "thalassa cluster jobs" shows it`, err)
		}
		_ = wake.Pause(ctx, time.Second) // its end is checked above
	}
}

// endOfJob waits until a job is over, also while its agent starts again.
func endOfJob(ctx context.Context, agent *client.Client, j cluster.Job, wait time.Duration) (cluster.Job, error) {
	answered := time.Now()
	for begun := time.Now(); !j.Over(); {
		next, err := client.AwaitClusterJob(ctx, agent, j.ID, jobWait)
		// The job ends by its own limits, also one that waits for each node in turn.
		switch late := time.Since(begun) > (maxInTurn+2)*wait+goneWithin; {
		case err == nil && !late:
			j, answered = next, time.Now()
			continue
		case ctx.Err() != nil || late || time.Since(answered) > goneWithin+jobWait:
			return j, errors.Join(err, &cluster.Error{Tool: "job " + j.ID, Kind: cluster.KindTimedOut, Said: "it goes on; thalassa cluster jobs " + j.ID + " shows it"})
		}
		_ = wake.Pause(ctx, time.Second) // its end is checked above
	}
	return j, nil
}

// failureOf is the error of a job that is over; nil: it is done.
func failureOf(j cluster.Job) error {
	switch {
	case j.State == cluster.JobDone:
		return nil
	case j.State == cluster.JobTimedOut:
		return &cluster.Error{Tool: "the cluster", Kind: cluster.KindTimedOut, Said: j.Result}
	case j.Code == "refused":
		return &lb.RefusedError{At: "check", Output: j.Result}
	case j.State == cluster.JobCanceled || j.Code == "conflict" || j.Code == "precondition_failed":
		return &lb.ConflictError{ID: "job/" + j.ID, Reason: j.Result}
	case j.Code == "not_found":
		return &lb.NotFoundError{ID: j.Object}
	}
	return &cluster.Error{Tool: "job " + j.ID, Kind: cluster.ErrorKind(j.Code), Said: j.Result}
}
