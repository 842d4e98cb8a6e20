package discovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"thalassa/lb"
)

const (
	// maxBody bounds an answer that is held in memory as a whole: 10,000
	// instances take about 15 MB.
	maxBody = 32 << 20
	// maxStream bounds an answer of which one element at a time is held.
	maxStream = 512 << 20
)

// client asks one Consul. It may be used by many goroutines.
type client struct {
	api    *api.Client
	stream *http.Client
	base   url.URL
}

func newClient(s server) (*client, error) {
	e, err := parseAddress(s.address, s.tls != TLSConfig{})
	if err != nil {
		return nil, err
	}
	transport, err := s.transport(e)
	if err != nil {
		return nil, err
	}
	return newClientOver(transport, e.base, s)
}

// newClientOver makes a client that sends its requests through next.
func newClientOver(next http.RoundTripper, base url.URL, s server) (*client, error) {
	g := guard{
		next:  next,
		token: &token{path: s.tokenFile, value: s.token},
		scope: map[string]string{"dc": s.datacenter, "ns": s.namespace, "partition": s.partition},
	}
	c := &client{stream: g.client(maxStream), base: base}
	var err error
	c.api, err = api.NewClient(&api.Config{
		Address: base.Host, Scheme: base.Scheme, PathPrefix: base.Path, HttpClient: g.client(maxBody),
		// guard replaces it; were it empty, api would look into the environment.
		Token: "-",
	})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return c, nil
}

// close drops the connections that no query uses.
func (c *client) close() { c.stream.CloseIdleConnections() }

// guard is what every request passes. It says who we are and what we want to
// see, whatever api.NewClient found about that in the environment, and bounds
// the answer.
type guard struct {
	next  http.RoundTripper
	token *token
	scope map[string]string // query parameters; an empty value: none
	limit int64
}

func (g guard) client(limit int64) *http.Client {
	g.limit = limit
	return &http.Client{
		Transport: g,
		// A redirect would carry the token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// CloseIdleConnections lets http.Client reach the transport below.
func (g guard) CloseIdleConnections() {
	if t, ok := g.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper.
func (g guard) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := g.token.current()
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // as every RoundTripper has to
		}
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Header.Del("X-Consul-Token")
	if token != "" {
		req.Header.Set("X-Consul-Token", token)
	}
	query := req.URL.Query()
	for name, value := range g.scope {
		query.Del(name)
		if value != "" {
			query.Set(name, value)
		}
	}
	req.URL.RawQuery = query.Encode()
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: g.limit}
	return resp, nil
}

var (
	errTooLarge = errors.New("the answer is too large")
	errNoArray  = errors.New("the answer is no JSON array")
)

// limitedBody fails, rather than ends, when too much is read.
type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return n - 1, errTooLarge
	}
	return n, err
}

// meta is what the headers of an answer say about it.
type meta struct {
	index uint64 // to wait on
	// streamed: the agent answered from a stream of events (the default for
	// blocking queries for a single service). Such an answer does not say
	// whether ACLs filtered it nor whether there is a leader.
	streamed bool
	leader   bool // whether the server that answered knows a leader; true if streamed
	filtered bool // by ACLs; false if streamed
	// cost is the time that reading the answer cost.
	cost time.Duration
}

// options of a read: block until the index is passed, at most for wait; an
// index of 0 answers at once. Reads are stale ones: any server may answer.
func options(ctx context.Context, index uint64, wait time.Duration) *api.QueryOptions {
	q := &api.QueryOptions{AllowStale: true}
	if index > 0 {
		q.WaitIndex, q.WaitTime = index, wait
	}
	return q.WithContext(ctx)
}

// metaOf takes over what api read from the headers. (It reads whether there is a
// leader only beside X-Consul-LastContact, which is in every answer of Consul.)
func metaOf(q *api.QueryMeta, begun time.Time) meta {
	streamed := q.QueryBackend == api.QueryBackendStreaming
	return meta{
		index: q.LastIndex, streamed: streamed, leader: streamed || q.KnownLeader, filtered: q.ResultsFilteredByACLs,
		cost: max(0, time.Since(begun)-q.RequestTime),
	}
}

// service asks for the instances of a service and their checks, in every state.
func (c *client) service(ctx context.Context, name lb.Name, index uint64, wait time.Duration) ([]*api.ServiceEntry, meta, error) {
	begun := time.Now()
	entries, q, err := c.api.Health().Service(string(name), "", false, options(ctx, index, wait))
	if err != nil {
		return nil, meta{}, err
	}
	return entries, metaOf(q, begun), nil
}

// catalog asks for the names and tags of all services.
func (c *client) catalog(ctx context.Context, index uint64, wait time.Duration) (map[string][]string, meta, error) {
	begun := time.Now()
	tags, q, err := c.api.Catalog().Services(options(ctx, index, wait))
	if err != nil {
		return nil, meta{}, err
	}
	return tags, metaOf(q, begun), nil
}

// check is what matters of a health check: whose it is and how it stands.
type check struct {
	Node, CheckID, ServiceID, ServiceName, Status string
}

// checks asks for all checks in a state ("any", "critical") and hands them to
// each one by one: a catalog may hold tens of thousands with their outputs, too
// much to hold at once. api offers no such reading.
func (c *client) checks(ctx context.Context, state string, index uint64, wait time.Duration, each func(check)) (meta, error) {
	target := c.base
	target.Path += "/v1/health/state/" + state
	query := url.Values{"stale": {""}}
	if index > 0 {
		query.Set("index", strconv.FormatUint(index, 10))
		query.Set("wait", strconv.FormatInt(max(1, wait.Milliseconds()), 10)+"ms")
	}
	target.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return meta{}, err
	}
	resp, err := c.stream.Do(req)
	if err != nil {
		return meta{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024)) // of use to a reader only
		return meta{}, api.StatusError{Code: resp.StatusCode, Body: strings.TrimSpace(string(text))}
	}
	body := &countedBody{Reader: resp.Body}
	if err := scanChecks(body, each); err != nil {
		return meta{}, err
	}
	m := meta{leader: resp.Header.Get("X-Consul-KnownLeader") == "true", cost: time.Duration(body.size) * scanCost}
	m.index, _ = strconv.ParseUint(resp.Header.Get("X-Consul-Index"), 10, 64) // 0, as api has it
	return m, nil
}

// scanCost is what reading a byte costs. The time itself that it takes tells how
// busy the machine is with other things, which is no reason to learn of changes
// later still.
const scanCost = 3 * time.Nanosecond

// A countedBody counts what is read.
type countedBody struct {
	io.Reader
	size int
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.size += n
	return n, err
}

// scanChecks reads an answer about checks, to its end so that the connection can
// be used again.
func scanChecks(r io.Reader, each func(check)) error {
	s := newScanner(r)
	known := map[string]string{} // what many checks have in common is kept once
	keep := func(to *string) error {
		text, err := s.text()
		old, ok := known[string(text)]
		if !ok && err == nil {
			old = string(text)
			known[old] = old
		}
		*to = old
		return err
	}
	err := s.objects(func() error {
		var c check
		err := s.fields(func(name []byte) error {
			switch string(name) {
			case "Node":
				return keep(&c.Node)
			case "ServiceName":
				return keep(&c.ServiceName)
			case "Status":
				return keep(&c.Status)
			case "CheckID":
				return s.textTo(&c.CheckID)
			case "ServiceID":
				return s.textTo(&c.ServiceID)
			}
			return s.skip()
		})
		if err == nil {
			each(c)
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return err
}
