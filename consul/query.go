package consul

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// Meta has the metadata of an answer.
type Meta struct {
	Index uint64 // for the next blocking query
	// Streamed: the agent answered from a stream of events (the default for blocking
	// queries for a single service). Such an answer does not show whether ACLs have
	// filtered it, or whether there is a leader.
	Streamed bool
	Leader   bool // the answering server knows a leader; true if streamed
	Filtered bool // by ACLs; false if streamed
	// Cost is the CPU time for reading the answer.
	Cost time.Duration
}

// queryOptions returns the options of a read that blocks until the index is passed, at
// most for wait. With index 0 it answers at once. Any server may answer a stale read.
func queryOptions(ctx context.Context, index uint64, wait time.Duration) *api.QueryOptions {
	q := &api.QueryOptions{AllowStale: true}
	if index > 0 {
		q.WaitIndex, q.WaitTime = index, wait
	}
	return q.WithContext(ctx)
}

// parseMeta converts the metadata that api has read from the headers. (api only reads
// X-Consul-KnownLeader with X-Consul-LastContact, which every answer has.)
func parseMeta(q *api.QueryMeta, begun time.Time) Meta {
	streamed := q.QueryBackend == api.QueryBackendStreaming
	return Meta{
		Index: q.LastIndex, Streamed: streamed, Leader: streamed || q.KnownLeader, Filtered: q.ResultsFilteredByACLs,
		Cost: max(0, time.Since(begun)-q.RequestTime),
	}
}

// Service returns the instances of a service with their checks, in every state.
func (c *Client) Service(ctx context.Context, name string, index uint64, wait time.Duration) ([]*Entry, Meta, error) {
	begun := time.Now()
	var entries []*Entry
	q, err := c.api.Raw().Query("/v1/health/service/"+name, &entries, queryOptions(ctx, index, wait))
	if err != nil {
		return nil, Meta{}, err
	}
	return entries, parseMeta(q, begun), nil
}

// Services returns the names and tags of all services.
func (c *Client) Services(ctx context.Context, index uint64, wait time.Duration) (map[string][]string, Meta, error) {
	begun := time.Now()
	tags, q, err := c.api.Catalog().Services(queryOptions(ctx, index, wait))
	if err != nil {
		return nil, Meta{}, err
	}
	return tags, parseMeta(q, begun), nil
}

// open sends a query whose answer is read here, because package api would read it whole.
// With an index it waits for a change.
func (c *Client) open(ctx context.Context, path string, query url.Values, index uint64, wait time.Duration) (*http.Response, error) {
	target := c.base
	target.Path += path
	if index > 0 {
		query.Set("index", strconv.FormatUint(index, 10))
		query.Set("wait", strconv.FormatInt(max(1, wait.Milliseconds()), 10)+"ms")
	}
	target.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	return c.stream.Do(req)
}

// statusError is the error of an answer that is none.
func statusError(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024)) // only for people
	return api.StatusError{Code: resp.StatusCode, Body: strings.TrimSpace(string(text))}
}

// Checks reads all checks in a state ("any", "critical") and passes them to each one by
// one. A catalog may contain tens of thousands with their outputs, too much for memory.
// Package api cannot do that.
func (c *Client) Checks(ctx context.Context, state string, index uint64, wait time.Duration, each func(Check)) (Meta, error) {
	resp, err := c.open(ctx, "/v1/health/state/"+state, url.Values{"stale": {""}}, index, wait)
	if err != nil {
		return Meta{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Meta{}, statusError(resp)
	}
	body := &countedBody{Reader: resp.Body}
	if err := scanChecks(body, each); err != nil {
		return Meta{}, err
	}
	m := Meta{Leader: resp.Header.Get("X-Consul-KnownLeader") == "true", Cost: time.Duration(body.size) * scanCost}
	m.Index, _ = strconv.ParseUint(resp.Header.Get("X-Consul-Index"), 10, 64) // 0, as api has it
	return m, nil
}

// scanCost is the CPU time for reading a byte. The measured time would depend on how
// busy the machine is, and delay changes on a busy machine even more.
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

// scanChecks reads an answer with checks. It reads to the end, so that the connection
// can be used again.
func scanChecks(r io.Reader, each func(Check)) error {
	s := newScanner(r)
	known := map[string]string{} // stores common strings once
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
		var c Check
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
