package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
)

// ClusterJobs are what was asked of the cluster, newest first: at most limit (0: the agent's
// default) of those in a state (empty: any).
func ClusterJobs(ctx context.Context, c *Client, state cluster.JobState, limit int) ([]cluster.Job, error) {
	q := url.Values{}
	if state != "" {
		q.Set("state", string(state))
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	var out []cluster.Job
	_, err := c.transport.get(ctx, withQuery("/cluster/jobs", q), &out)
	return out, err
}

// ClusterJob is one job.
func ClusterJob(ctx context.Context, c *Client, id string) (cluster.Job, error) {
	var out cluster.Job
	_, err := c.transport.get(ctx, "/cluster/jobs/"+url.PathEscape(id), &out)
	return out, err
}

// CancelClusterJob cancels a job that runs.
func CancelClusterJob(ctx context.Context, c *Client, id string) (cluster.Job, error) {
	var out cluster.Job
	_, _, err := c.transport.change(ctx, call{method: http.MethodPost, path: "/cluster/jobs/" + url.PathEscape(id) + "/cancel"}, &out)
	return out, err
}

// BeginClusterAction asks for an action on the cluster, and returns its job when that has
// begun. The same key again, a random text of 8 to 200 letters, is the same job.
func BeginClusterAction(ctx context.Context, c *Client, a cluster.Action, key string) (cluster.Job, error) {
	return beginJob(ctx, c, "/cluster/actions/"+url.PathEscape(a.Kind), actionBody(a), key, nil)
}

// actionBody is an action as the API takes it.
func actionBody(a cluster.Action) map[string]any {
	body := map[string]any{}
	for name, value := range map[string]string{"node": a.Node, "resource": a.Resource, "ticket": a.Ticket} {
		if value != "" {
			body[name] = value
		}
	}
	if len(a.Nodes) > 0 {
		body["nodes"] = a.Nodes
	}
	if a.Down {
		body["down"] = true
	}
	if a.Wait > 0 {
		body["wait"] = a.Wait.String()
	}
	return body
}

// beginJob asks for a job under a condition, and returns it when it has begun.
func beginJob(ctx context.Context, c *Client, path string, body any, key string, ifMatch []string) (cluster.Job, error) {
	asked := func(h http.Header) {
		if len(ifMatch) > 0 {
			h.Set("If-Match", strings.Join(ifMatch, ", "))
		}
		h.Set("Idempotency-Key", key)
		h.Set("Prefer", "respond-async")
	}
	var out cluster.Job
	answer, err := c.transport.do(ctx, call{method: http.MethodPost, path: path, body: body, conditions: []Condition{asked}, wait: settleTime})
	if err != nil {
		return out, err
	}
	return out, answer.decode(&out)
}

// BeginClusterHAProxy is BeginClusterAction for an action on the HAProxy of the cluster as a whole:
// cluster.Apply, Rollout or Destroy.
func BeginClusterHAProxy(ctx context.Context, c *Client, a cluster.Action, key string) (cluster.Job, error) {
	body := map[string]any{}
	switch a.Kind {
	case cluster.Apply:
		if a.HAProxy != nil {
			d, err := a.HAProxy.Document()
			if err != nil {
				return cluster.Job{}, err
			}
			body["description"] = d
		}
		body["force"] = a.Force
	case cluster.Rollout:
		body["resource"], body["restart"] = a.Resource, a.Restart
		if a.Validate > 0 {
			body["validate"] = a.Validate.String()
		}
	default:
		body["name"] = a.Resource
	}
	if a.Wait > 0 {
		body["wait"] = a.Wait.String()
	}
	return beginJob(ctx, c, "/cluster/haproxy/"+url.PathEscape(a.Kind), body, key, a.IfMatch)
}

// AwaitClusterJob is ClusterJob when the job is over, or has not ended for a while.
func AwaitClusterJob(ctx context.Context, c *Client, id string, wait time.Duration) (cluster.Job, error) {
	var out cluster.Job
	query := url.Values{"wait": {wait.String()}}
	a, err := c.transport.do(ctx, call{method: http.MethodGet, path: withQuery("/cluster/jobs/"+url.PathEscape(id), query), wait: wait})
	if err != nil {
		return out, err
	}
	return out, a.decode(&out)
}

// ClusterStatus is the status of the cluster as the agent sees it.
func ClusterStatus(ctx context.Context, c *Client) (cluster.Status, error) {
	var out cluster.Status
	_, err := c.transport.get(ctx, "/cluster", &out)
	return out, err
}

// PredictClusterAction is what an action on the cluster would do.
func PredictClusterAction(ctx context.Context, c *Client, a cluster.Action) (cluster.Consequences, error) {
	body := actionBody(a)
	delete(body, "wait")
	var out cluster.Consequences
	answer, err := c.transport.do(ctx, call{method: http.MethodPost, path: "/cluster/simulate/" + url.PathEscape(a.Kind), body: body, wait: settleTime})
	if err != nil {
		return out, err
	}
	return out, answer.decode(&out)
}
