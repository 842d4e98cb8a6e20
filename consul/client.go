package consul

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/hashicorp/consul/api"
)

const (
	// maxBody limits an answer that is read into memory: 10,000 instances have about
	// 15 MB.
	maxBody = 32 << 20
	// maxStream limits an answer that is read element by element.
	maxStream = 512 << 20
)

// A Client is a client of one Consul. It is safe for concurrent use.
type Client struct {
	api    *api.Client
	stream *http.Client
	base   url.URL
	scope  map[string]string // query parameters of every request
	link   *atomic.Pointer[link]
}

// A link is how requests reach Consul, and the token that they show.
type link struct {
	next  http.RoundTripper
	token *token
}

func newLink(next http.RoundTripper, s Config) *link {
	return &link{next: next, token: &token{path: s.TokenFile, value: s.Token}}
}

// New returns a client, which connects when it is first used. The error names an
// invalid setting.
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

// NewWithTransport returns a client that sends its requests to next.
func NewWithTransport(s Config, next http.RoundTripper) (*Client, error) {
	e, err := parseAddress(s.Address, s.TLS != TLSConfig{})
	if err != nil {
		return nil, err
	}
	return newClient(next, e.base, s)
}

func newClient(next http.RoundTripper, base url.URL, s Config) (*Client, error) {
	g := requester{
		link:  &atomic.Pointer[link]{},
		scope: map[string]string{"dc": s.Datacenter, "ns": s.Namespace, "partition": s.Partition},
	}
	g.link.Store(newLink(next, s))
	c := &Client{stream: g.client(maxStream), base: base, scope: g.scope, link: g.link}
	var err error
	c.api, err = api.NewClient(&api.Config{
		Address: base.Host, Scheme: base.Scheme, PathPrefix: base.Path, HttpClient: g.client(maxBody),
		// requester replaces it. If it were empty, api would read the environment.
		Token: "-",
	})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return c, nil
}

// Follow has later requests use the token and the TLS settings of s, whose files are read
// now. All other settings must be those of New. Requests under way end as they began. The
// error names an invalid setting; nothing has changed then.
func (c *Client) Follow(s Config) error {
	e, err := parseAddress(s.Address, s.TLS != TLSConfig{})
	if err != nil {
		return err
	}
	transport, err := s.transport(e)
	if err != nil {
		return err
	}
	next := newLink(transport, s)
	if _, err := next.token.current(); err != nil {
		return err
	}
	former := c.link.Swap(next)
	former.closeIdle()
	return nil
}

// Host returns the address of Consul: host:port, or localhost for a unix socket.
func (c *Client) Host() string { return c.base.Host }

// Close closes idle connections.
func (c *Client) Close() { c.stream.CloseIdleConnections() }

// requester sends every request. It sets the token and the scope, whatever
// api.NewClient found in the environment, and limits the size of the answer.
type requester struct {
	link  *atomic.Pointer[link]
	scope map[string]string // query parameters; an empty value: none
	limit int64
}

func (g requester) client(limit int64) *http.Client {
	g.limit = limit
	return &http.Client{
		Transport: g,
		// A redirect would send the token to another server.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// CloseIdleConnections implements what http.Client.CloseIdleConnections calls.
func (g requester) CloseIdleConnections() { g.link.Load().closeIdle() }

func (l *link) closeIdle() {
	if t, ok := l.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper.
func (g requester) RoundTrip(req *http.Request) (*http.Response, error) {
	link := g.link.Load()
	token, err := link.token.current()
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // required of a RoundTripper
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
	resp, err := link.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: g.limit}
	return resp, nil
}

var (
	errTooLarge = errors.New("the answer is too large")
	errNoArray  = errors.New("the answer is not a JSON array")
)

// limitedBody returns an error, not EOF, if the body is too large.
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
