package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswer is the default maximum size of an answer, and maxHeader that of its header.
const (
	maxAnswer = 64 << 20
	maxHeader = 64 << 10
)

// A transport sends requests to one agent.
type transport struct {
	base    string // without a trailing slash
	token   string
	timeout time.Duration
	draft   string // that requests are about; empty: none
	http    *http.Client
}

// A call is one request.
type call struct {
	method, path string
	body         any      // nil: none
	content      *content // the body where it is no JSON document
	conditions   []Condition
	wait         time.Duration // that the agent is asked to wait
	most         int64         // bytes of the answer; 0: maxAnswer
	// also is a status that is accepted beside the successful ones.
	also int
}

// A content is a body that is sent as it is.
type content struct {
	mediaType string
	data      io.Reader
	size      int64
}

// An answer is the response to a call that succeeded.
type answer struct {
	from   string // the URL
	status int
	header http.Header
	body   []byte
}

// do sends a call and reads the answer. An error that the agent answered with is
// an *Error; a failure on the way is an *unreachableError.
func (t transport) do(ctx context.Context, q call) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout+q.wait)
	defer cancel()
	req, err := t.request(ctx, q)
	if err != nil {
		return answer{}, err
	}
	res, err := t.http.Do(req)
	if err != nil {
		return answer{}, &unreachableError{err}
	}
	defer res.Body.Close()
	most := cmp.Or(q.most, maxAnswer)
	data, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	switch {
	case err != nil:
		return answer{}, &unreachableError{fmt.Errorf("reading the answer to %s %s: %w", q.method, q.path, err)}
	case int64(len(data)) > most:
		return answer{}, fmt.Errorf("the answer to %s %s is larger than %d bytes", q.method, q.path, most)
	case res.StatusCode/100 != 2 && res.StatusCode != q.also:
		return answer{}, newError(res, data)
	}
	return answer{req.URL.Redacted(), res.StatusCode, res.Header, data}, nil
}

func (t transport) request(ctx context.Context, q call) (*http.Request, error) {
	var body io.Reader = http.NoBody
	if q.body != nil {
		data, err := json.Marshal(q.body)
		if err != nil {
			return nil, fmt.Errorf("encoding the body of %s %s: %w", q.method, q.path, err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, t.base+t.inDraft(q.path), body)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	switch {
	case q.body != nil:
		req.Header.Set("Content-Type", "application/json")
	case q.content != nil:
		req.Header.Set("Content-Type", q.content.mediaType)
		req.Body, req.ContentLength = io.NopCloser(q.content.data), q.content.size
	}
	if t.token != "" {
		req.Header.Set("Authorization", "Bearer "+t.token)
	}
	for _, condition := range q.conditions {
		condition(req.Header)
	}
	return req, nil
}

// inDraft adds the draft to the query of a path.
func (t transport) inDraft(path string) string {
	switch {
	case t.draft == "":
		return path
	case strings.Contains(path, "?"):
		return path + "&draft=" + url.QueryEscape(t.draft)
	}
	return path + "?draft=" + url.QueryEscape(t.draft)
}

// get decodes the answer to a GET into v.
func (t transport) get(ctx context.Context, path string, v any) (http.Header, error) {
	a, err := t.do(ctx, call{method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	return a.header, a.decode(v)
}

// change sends a change and decodes the object into v, unless v is nil, and the outcome
// of the change.
func (t transport) change(ctx context.Context, q call, v any) (applied Applied, etag string, err error) {
	a, err := t.do(ctx, q)
	if err != nil {
		return Applied{}, "", err
	}
	if v != nil {
		if err := a.decode(v); err != nil {
			return Applied{}, "", err
		}
	}
	return applied, a.header.Get("Etag"), a.decode(&applied)
}

// changeBackend is change for a backend.
func (t transport) changeBackend(ctx context.Context, q call) (Backend, Applied, error) {
	var b Backend
	applied, tag, err := t.change(ctx, q, &b)
	b.ETag = tag
	return b, applied, err
}

// decode decodes the answer, which is JSON if it comes from an agent.
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

// unexpected is the error for an answer that no agent gives.
func (a answer) unexpected(lacking string) *Error {
	return &Error{Status: a.status, Message: fmt.Sprintf("%s answers %s", a.from, lacking)}
}
