package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

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
