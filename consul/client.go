package consul

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/hashicorp/consul/api"
)

const (
	// maxBody bounds an answer that is held in memory as a whole: 10,000
	// instances take about 15 MB.
	maxBody = 32 << 20
	// maxStream bounds an answer of which one element at a time is held.
	maxStream = 512 << 20
)

// A Client asks one Consul. It may be used by many goroutines.
type Client struct {
	api    *api.Client
	stream *http.Client
	base   url.URL
}

// New makes a client; it connects when it is first used. The error says
// which setting cannot be used.
func New(s Config) (*Client, error) {
	e, err := parseAddress(s.Address, s.TLS != TLSConfig{})
	if err != nil {
		return nil, err
	}
	transport, err := s.transport(e)
	if err != nil {
		return nil, err
	}
	return newClient(transport, e.base, s)
}

// NewWithTransport makes a client that sends its requests through next instead
// of connections of its own.
func NewWithTransport(s Config, next http.RoundTripper) (*Client, error) {
	e, err := parseAddress(s.Address, s.TLS != TLSConfig{})
	if err != nil {
		return nil, err
	}
	return newClient(next, e.base, s)
}

func newClient(next http.RoundTripper, base url.URL, s Config) (*Client, error) {
	g := requester{
		next:  next,
		token: &token{path: s.TokenFile, value: s.Token},
		scope: map[string]string{"dc": s.Datacenter, "ns": s.Namespace, "partition": s.Partition},
	}
	c := &Client{stream: g.client(maxStream), base: base}
	var err error
	c.api, err = api.NewClient(&api.Config{
		Address: base.Host, Scheme: base.Scheme, PathPrefix: base.Path, HttpClient: g.client(maxBody),
		// requester replaces it; were it empty, api would look into the environment.
		Token: "-",
	})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return c, nil
}

// Host is where Consul is asked: host:port, or localhost for a unix socket.
func (c *Client) Host() string { return c.base.Host }

// Close drops the connections that no query uses.
func (c *Client) Close() { c.stream.CloseIdleConnections() }

// requester is what every request passes. It says who we are and what we want to
// see, whatever api.NewClient found about that in the environment, and bounds
// the answer.
type requester struct {
	next  http.RoundTripper
	token *token
	scope map[string]string // query parameters; an empty value: none
	limit int64
}

func (g requester) client(limit int64) *http.Client {
	g.limit = limit
	return &http.Client{
		Transport: g,
		// A redirect would carry the token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// CloseIdleConnections lets http.Client reach the transport below.
func (g requester) CloseIdleConnections() {
	if t, ok := g.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper.
func (g requester) RoundTrip(req *http.Request) (*http.Response, error) {
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
