package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"thalassa/api/node"
	"thalassa/lb"
)

// A Frontend is where clients connect.
type Frontend struct {
	ID        string        `json:"id,omitempty"`    // "frontend/KEY"
	Kind      string        `json:"_type,omitempty"` // "frontend"
	Key       string        `json:"key,omitempty"`
	Name      string        `json:"name,omitempty"` // the key again
	Bind      string        `json:"bind"`           // comma-separated host:port
	Backend   string        `json:"backend"`
	Mode      string        `json:"mode"`
	Keepalive string        `json:"keepalive"`
	Rules     []Rule        `json:"rules"`
	Natives   []string      `json:"natives"`
	Register  *Registration `json:"register,omitempty"`
	// AcceptProxy are the sources that must send a header of the PROXY protocol.
	AcceptProxy []string `json:"acceptProxy,omitempty"`
	// ETag is the state of the definition, for IfMatch; lists do not have it.
	ETag string `json:"-"`
}

// A Rule sends matching requests to a backend.
type Rule = node.Rule

// A Registration announces a frontend in Consul.
type Registration = node.Registration

// A Backend is what requests are balanced over.
type Backend struct {
	ID      string `json:"id,omitempty"`    // "backend/KEY"
	Kind    string `json:"_type,omitempty"` // "backend"
	Key     string `json:"key,omitempty"`
	Type    string `json:"type"`              // "dynamic" or "static"
	Name    string `json:"name,omitempty"`    // the Consul service; dynamic only
	Version string `json:"version,omitempty"` // of that service; dynamic only
	// Versions divide the traffic, and there is no Version then.
	Versions node.Versions `json:"versions,omitempty"`
	Balance  string        `json:"balance"`
	// HashStable: a hash chooses the same member on every load balancer.
	HashStable bool     `json:"hashStable,omitempty"`
	Host       string   `json:"host,omitempty"`
	Health     *Health  `json:"health,omitempty"`
	Mode       string   `json:"mode"`
	Natives    []string `json:"natives"`
	Members    []Member `json:"members"`
	Protocol   string   `json:"protocol,omitempty"`  // of HTTP to members: "h2"; empty: HTTP/1.1
	SendProxy  string   `json:"sendProxy,omitempty"` // header of the PROXY protocol; empty: none
	// TLS to members; nil: none.
	TLS *node.MemberTLS `json:"tls,omitempty"`
	// Unused are the first 200 instances and members that get no requests; only
	// BackendWithUnused has them.
	Unused []UnusedInstance `json:"unused,omitzero"`
	// ETag is the state of the definition, for IfMatch; members do not change
	// it, and lists do not have it.
	ETag string `json:"-"`
}

// Selection is the versions of the backend as a text: "1.0.0", or
// "1.0.0=90,1.1.0=10".
func (b Backend) Selection() string {
	if len(b.Versions) > 0 {
		return lb.Split(b.Versions).String()
	}
	return b.Version
}

// Health is an HTTP check of members.
type Health struct {
	Method      string `json:"method,omitempty"`
	URI         string `json:"uri,omitempty"`
	HTTPVersion string `json:"httpVersion,omitempty"`
	Interval    int64  `json:"interval,omitempty"` // milliseconds
}

// A Member is one server of a backend. Only MembersWithStats asks for its Stats; nil:
// HAProxy does not have the member yet.
type Member = node.Member

// Applied is the outcome of a change.
type Applied = node.Applied

// Frontends lists all frontends, by key.
func (c *Client) Frontends(ctx context.Context) ([]Frontend, error) {
	var list []Frontend
	_, err := c.transport.get(ctx, "/frontends", &list)
	return list, err
}

// Frontend looks up a frontend.
func (c *Client) Frontend(ctx context.Context, key string) (Frontend, error) {
	var f Frontend
	header, err := c.transport.get(ctx, object("frontends", key), &f)
	f.ETag = header.Get("Etag")
	return f, err
}

// PutFrontend creates or replaces a frontend. The document is any value that encodes
// to its JSON: a Frontend, a node.Frontend, a json.RawMessage.
func (c *Client) PutFrontend(ctx context.Context, key string, document any, conditions ...Condition) (Frontend, Applied, error) {
	var f Frontend
	applied, tag, err := c.transport.change(ctx, call{method: http.MethodPut, path: object("frontends", key), body: document, conditions: conditions}, &f)
	f.ETag = tag
	return f, applied, err
}

// DeleteFrontend removes a frontend.
func (c *Client) DeleteFrontend(ctx context.Context, key string, conditions ...Condition) (Applied, error) {
	applied, _, err := c.transport.change(ctx, call{method: http.MethodDelete, path: object("frontends", key), conditions: conditions}, nil)
	return applied, err
}

// Backends lists all backends with their members, by key.
func (c *Client) Backends(ctx context.Context) ([]Backend, error) {
	var list []Backend
	_, err := c.transport.get(ctx, "/backends", &list)
	return list, err
}

// Backend looks up a backend with its members.
func (c *Client) Backend(ctx context.Context, key string) (Backend, error) {
	var b Backend
	header, err := c.transport.get(ctx, object("backends", key), &b)
	b.ETag = header.Get("Etag")
	return b, err
}

// An UnusedInstance is an instance or a member that a backend sends no requests to.
type UnusedInstance = node.UnusedInstance

// BackendWithUnused looks up a backend with its members, and with what it sends no
// requests to.
func (c *Client) BackendWithUnused(ctx context.Context, key string) (Backend, error) {
	var b Backend
	header, err := c.transport.get(ctx, object("backends", key)+"?unused=1", &b)
	b.ETag = header.Get("Etag")
	return b, err
}

// Members lists the present members of a backend.
func (c *Client) Members(ctx context.Context, key string) ([]Member, error) {
	var list []Member
	_, err := c.transport.get(ctx, object("backends", key)+"/members", &list)
	return list, err
}

// MembersWithStats lists the present members of a backend with HAProxy's statistics of each. The
// counters begin at 0 with each of HAProxy's workers.
func (c *Client) MembersWithStats(ctx context.Context, key string) ([]Member, error) {
	var list []Member
	_, err := c.transport.get(ctx, object("backends", key)+"/members?stats=1", &list)
	return list, err
}

// A DrainingMember is a former member of a backend that still has connections.
type DrainingMember struct {
	Member
	// Connections with a request under way; in mode tcp, all.
	Connections int `json:"connections"`
	// Replaced says that a worker of HAProxy that a reload has replaced still has it
	// in use: a client that keeps its connection open may send it one more request.
	Replaced bool `json:"replaced"`
}

// Leaving lists the former members of a backend that still have connections.
func (c *Client) Leaving(ctx context.Context, key string) ([]DrainingMember, error) {
	var list []DrainingMember
	_, err := c.transport.get(ctx, object("backends", key)+"/members?leaving=1", &list)
	return list, err
}

// PutBackend creates or replaces a backend. The document is any value that encodes to
// its JSON: a Backend, a node.Backend, a json.RawMessage, or one of them in a Put.
func (c *Client) PutBackend(ctx context.Context, key string, document any, conditions ...Condition) (Backend, Applied, error) {
	q := call{method: http.MethodPut, path: object("backends", key), body: document, conditions: conditions}
	if p, ok := document.(Put); ok {
		q.wait = max(p.Wait, 0)
	}
	return c.transport.changeBackend(ctx, q)
}

// DeleteBackend removes a backend. While a frontend routes to it the error's
// code is "conflict" and By names the frontends.
func (c *Client) DeleteBackend(ctx context.Context, key string, conditions ...Condition) (Applied, error) {
	applied, _, err := c.transport.change(ctx, call{method: http.MethodDelete, path: object("backends", key), conditions: conditions}, nil)
	return applied, err
}

// A DeployRequest is an A/B switch, or a split of traffic.
type DeployRequest struct {
	Service string // another Consul service; empty: the one the backend has
	Version string // to point at; empty: Versions say it
	// Versions divide the traffic.
	Versions lb.Split
	Force    bool // even when no instance of them is healthy
	// Wait is how long healthy instances may take to appear, 10 minutes at most.
	Wait time.Duration
}

// Deploy points a dynamic backend at another version, or divides its traffic
// between versions, and returns when that is in effect. A version without a
// healthy instance is a "conflict" unless forced.
func (c *Client) Deploy(ctx context.Context, key string, d DeployRequest, conditions ...Condition) (Backend, Applied, error) {
	body := struct {
		Name     string        `json:"name,omitempty"`
		Version  string        `json:"version,omitempty"`
		Versions node.Versions `json:"versions,omitempty"`
		Force    bool          `json:"force,omitempty"`
		Wait     string        `json:"wait,omitempty"`
	}{d.Service, d.Version, node.Versions(d.Versions), d.Force, ""}
	if d.Wait != 0 {
		body.Wait = d.Wait.String()
	}
	return c.transport.changeBackend(ctx, call{method: http.MethodPost, path: object("backends", key), body: body, conditions: conditions, wait: max(d.Wait, 0)})
}

func object(kind, key string) string { return "/" + kind + "/" + url.PathEscape(key) }
