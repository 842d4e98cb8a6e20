package client

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"thalassa/api/node"
)

// Status is the state of agent, HAProxy and discovery.
func (c *Client) Status(ctx context.Context) (node.Status, error) {
	var st node.Status
	_, err := c.transport.get(ctx, "/status", &st)
	return st, err
}

// Readiness says whether the agent is ready, or why not.
type Readiness struct {
	// Ready: HAProxy runs the requested configuration.
	Ready bool
	// Reasons say why not, one sentence each.
	Reasons []string
	// Stale are the services that Consul does not answer for, with the reasons.
	Stale []string
}

// Readiness asks whether the agent is ready. It needs no token.
func (c *Client) Readiness(ctx context.Context) (Readiness, error) {
	a, err := c.transport.do(ctx, call{method: http.MethodGet, path: "/readyz", also: http.StatusServiceUnavailable})
	if err != nil {
		return Readiness{}, err
	}
	var answered struct {
		Ready   *bool    `json:"ready"`
		Reasons []string `json:"reasons"`
		Stale   []string `json:"stale"`
	}
	if err := a.decode(&answered); err != nil {
		return Readiness{}, err
	}
	if answered.Ready == nil { // 503 of something else on the way
		return Readiness{}, &Error{Status: a.status, Message: "the answer is not from an agent: " + http.StatusText(a.status)}
	}
	return Readiness{*answered.Ready, answered.Reasons, answered.Stale}, nil
}

// Alive asks whether the agent works; nil: it does. It needs no token.
func (c *Client) Alive(ctx context.Context) error {
	a, err := c.transport.do(ctx, call{method: http.MethodGet, path: "/healthz", also: http.StatusServiceUnavailable})
	if err != nil || a.status != http.StatusServiceUnavailable {
		return err
	}
	var answered struct {
		Reasons []string `json:"reasons"`
	}
	if err := a.decode(&answered); err != nil {
		return err
	}
	return &Error{Status: a.status, Message: cmp.Or(strings.Join(answered.Reasons, "; "), http.StatusText(a.status))}
}

// Version is the agent's version.
func (c *Client) Version(ctx context.Context) (string, error) {
	var v struct {
		Version string `json:"version"`
	}
	_, err := c.transport.get(ctx, "/version", &v)
	return v.Version, err
}

// Services lists the Consul services that the agent watches, with their versions.
func (c *Client) Services(ctx context.Context) ([]node.ServiceStatus, error) {
	var list []node.ServiceStatus
	_, err := c.transport.get(ctx, "/services", &list)
	return list, err
}

// A Service is a watched service with its instances.
type Service struct {
	node.ServiceStatus
	Instances []node.Instance `json:"instances"`
}

// Service looks up a watched service.
func (c *Client) Service(ctx context.Context, name string) (Service, error) {
	var s Service
	_, err := c.transport.get(ctx, object("services", name), &s)
	return s, err
}

// Accept confirms that the instances which a service holds are gone. A
// service that holds none is a "conflict".
func (c *Client) Accept(ctx context.Context, name string) (Service, error) {
	var s Service
	a, err := c.transport.do(ctx, call{method: http.MethodPost, path: object("services", name) + "/accept"})
	if err != nil {
		return s, err
	}
	return s, a.decode(&s)
}

// Reload reloads HAProxy, so that it reads renewed files such as certificates, and returns
// HAProxy's state once the new worker serves. Files that HAProxy does not accept are "refused".
func Reload(ctx context.Context, c *Client) (node.HAProxyStatus, Applied, error) {
	var r node.Reloaded
	applied, _, err := c.transport.change(ctx, call{method: http.MethodPost, path: "/haproxy/reload"}, &r)
	return r.HAProxy, applied, err
}

// HAProxyConfig is haproxy.cfg as last written.
func (c *Client) HAProxyConfig(ctx context.Context) ([]byte, error) {
	a, err := c.transport.do(ctx, call{method: http.MethodGet, path: "/haproxy/config"})
	if err == nil && !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
		return nil, a.unexpected("no text")
	}
	return a.body, err
}

// Revisions lists accepted changes, newest first: at most limit (0: the agent's
// default) of those before a revision (0: from the newest on).
func (c *Client) Revisions(ctx context.Context, before uint64, limit int) ([]node.Revision, error) {
	q := url.Values{}
	if before > 0 {
		q.Set("before", strconv.FormatUint(before, 10))
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	var list []node.Revision
	_, err := c.transport.get(ctx, withQuery("/revisions", q), &list)
	return list, err
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
