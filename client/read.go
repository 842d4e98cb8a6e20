package client

import (
	"context"
	"net/http"
	"time"
)

// A Reading is a request for a document of any type.
type Reading struct {
	Path   string        // with its query, escaped
	Accept string        // media type; empty: JSON
	Token  string        // instead of that of the Config; empty: that one
	Wait   time.Duration // that the agent is asked to wait
	Most   int64         // bytes of the answer; 0: 64 MiB
}

// A Document is an answer as the agent has sent it.
type Document struct {
	Type string // Content-Type
	Data []byte
}

// CloseIdle closes the connections of a client that no request uses.
func CloseIdle(c *Client) { c.transport.http.CloseIdleConnections() }

// Read reads a document. An error that the agent answered with is an *Error, as is a redirect: none
// is followed.
func Read(ctx context.Context, c *Client, r Reading) (Document, error) {
	header := func(h http.Header) {
		if r.Accept != "" {
			h.Set("Accept", r.Accept)
		}
		if r.Token != "" {
			h.Set("Authorization", "Bearer "+r.Token)
		}
	}
	a, err := c.transport.do(ctx, call{method: http.MethodGet, path: r.Path, wait: r.Wait, most: r.Most, conditions: []Condition{header}})
	if err != nil {
		return Document{}, err
	}
	return Document{Type: a.header.Get("Content-Type"), Data: a.body}, nil
}
