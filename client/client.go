package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DefaultAddress is where an agent listens unless told otherwise.
const DefaultAddress = "http://127.0.0.1:10000"

// maxAnswer is the size of the largest answer taken.
const maxAnswer = 64 << 20

// Config says which agent to speak to, and how. The zero value speaks to
// DefaultAddress without a token.
type Config struct {
	// Address is the agent's URL (DefaultAddress); http:// may be left out.
	Address string
	// Token is sent with every request; empty: none is.
	Token string
	// Timeout bounds a call, beside the time that it is told to wait (1 min). A
	// change may take long: HAProxy has to accept it.
	Timeout time.Duration
	// Transport carries the requests; nil: one of the client's own, which heeds
	// no proxy.
	Transport http.RoundTripper
}

// A Client speaks to one agent. All methods may be called concurrently; errors
// that the agent answered with are *Error.
type Client struct {
	base    string // without a slash at its end
	token   string
	timeout time.Duration
	http    *http.Client
}

// New makes a client; it does not connect yet. The error is about the address
// or the token.
func New(cfg Config) (*Client, error) {
	address := cfg.Address
	switch {
	case address == "":
		address = DefaultAddress
	case !strings.Contains(address, "://"):
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%q is not the address of an agent, expected a URL such as %s", cfg.Address, DefaultAddress)
	}
	if strings.ContainsFunc(cfg.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the token holds a character that an Authorization header cannot carry")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConnsPerHost: 4,
			IdleConnTimeout:     time.Minute,
		}
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		base: strings.TrimSuffix(address, "/"), token: cfg.Token, timeout: cfg.Timeout,
		http: &http.Client{Transport: cfg.Transport, CheckRedirect: stay},
	}, nil
}

// A Condition is what must hold for a change to be made; else the error's code
// is "precondition_failed".
type Condition func(http.Header)

// IfMatch demands that the object still has the entity tag it was read with.
func IfMatch(etag string) Condition {
	return func(h http.Header) { h.Set("If-Match", etag) }
}

// IfNew demands that the object does not exist yet.
func IfNew() Condition {
	return func(h http.Header) { h.Set("If-None-Match", "*") }
}

// A call is one request.
type call struct {
	method, path string
	body         any // nil: none
	conditions   []Condition
	wait         time.Duration // that the agent is told to wait
	// also is a status beside the successful ones that is an answer.
	also int
}

// An answer is what came back of a call that succeeded.
type answer struct {
	from   string // the address asked
	status int
	header http.Header
	body   []byte
}

// do sends a call and reads the answer. What the agent answered as an error is
// an *Error; a failure on the way is an *unreachableError.
func (c *Client) do(ctx context.Context, q call) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout+q.wait)
	defer cancel()
	req, err := c.request(ctx, q)
	if err != nil {
		return answer{}, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return answer{}, &unreachableError{err}
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return answer{}, &unreachableError{fmt.Errorf("reading the answer to %s %s: %w", q.method, q.path, err)}
	case len(data) > maxAnswer:
		return answer{}, fmt.Errorf("the answer to %s %s is larger than %d bytes", q.method, q.path, maxAnswer)
	case res.StatusCode/100 != 2 && res.StatusCode != q.also:
		return answer{}, newError(res, data)
	}
	return answer{req.URL.Redacted(), res.StatusCode, res.Header, data}, nil
}

func (c *Client) request(ctx context.Context, q call) (*http.Request, error) {
	var body io.Reader = http.NoBody
	if q.body != nil {
		data, err := json.Marshal(q.body)
		if err != nil {
			return nil, fmt.Errorf("encoding the body of %s %s: %w", q.method, q.path, err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, c.base+q.path, body)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	if q.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for _, condition := range q.conditions {
		condition(req.Header)
	}
	return req, nil
}

// get decodes the answer to a GET into v.
func (c *Client) get(ctx context.Context, path string, v any) (http.Header, error) {
	a, err := c.do(ctx, call{method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	return a.header, a.decode(v)
}

// decode takes the answer for JSON; what is none did not come from an agent.
func (a answer) decode(v any) error {
	err := json.Unmarshal(a.body, v)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return a.unexpected("no JSON")
	case err != nil:
		return fmt.Errorf("decoding the agent's answer: %w", err)
	}
	return nil
}

// unexpected is the error of an answer that no agent gives: it lacks what was
// expected.
func (a answer) unexpected(lacking string) *Error {
	return &Error{Status: a.status, Message: fmt.Sprintf("%s answers %s", a.from, lacking)}
}
