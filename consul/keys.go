package consul

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// maxPairs limits an answer with pairs of the key-value store, in bytes.
const maxPairs = 8 << 20

// A Pair is one key of the key-value store.
type Pair struct {
	Key   string
	Value []byte
	Index uint64 `json:"ModifyIndex"`
}

// Pairs returns the pairs whose keys begin with a prefix, at most 8 MiB of them; none is no
// error. With an index it waits for a change.
func (c *Client) Pairs(ctx context.Context, prefix string, index uint64, wait time.Duration) ([]Pair, Meta, error) {
	target := c.base
	target.Path += "/v1/kv/" + prefix
	query := url.Values{"recurse": {""}}
	if index > 0 {
		query.Set("index", strconv.FormatUint(index, 10))
		query.Set("wait", strconv.FormatInt(max(1, wait.Milliseconds()), 10)+"ms")
	}
	target.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, Meta{}, err
	}
	resp, err := c.stream.Do(req)
	if err != nil {
		return nil, Meta{}, err
	}
	defer resp.Body.Close()
	m := Meta{Leader: resp.Header.Get("X-Consul-KnownLeader") == "true", Filtered: resp.Header.Get("X-Consul-Results-Filtered-By-ACLs") == "true"}
	m.Index, _ = strconv.ParseUint(resp.Header.Get("X-Consul-Index"), 10, 64) // 0, as api has it
	switch resp.StatusCode {
	case http.StatusNotFound: // no key has the prefix
		return nil, m, nil
	case http.StatusOK:
	default:
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024)) // only for people
		return nil, Meta{}, api.StatusError{Code: resp.StatusCode, Body: strings.TrimSpace(string(text))}
	}
	var pairs []Pair
	if err := json.NewDecoder(&limitedBody{ReadCloser: resp.Body, left: maxPairs}).Decode(&pairs); err != nil {
		return nil, Meta{}, err
	}
	return pairs, m, nil
}

// SetPair stores a value of at most 512 KiB.
func (c *Client) SetPair(ctx context.Context, key string, value []byte) error {
	_, err := c.api.KV().Put(&api.KVPair{Key: key, Value: value}, (&api.WriteOptions{}).WithContext(ctx))
	if err != nil {
		return fmt.Errorf("writing %s: %w", key, brief(err))
	}
	return nil
}

// RemovePair removes a key if it has not changed since it had the index of a [Pair].
func (c *Client) RemovePair(ctx context.Context, key string, index uint64) error {
	_, _, err := c.api.KV().DeleteCAS(&api.KVPair{Key: key, ModifyIndex: index}, (&api.WriteOptions{}).WithContext(ctx))
	if err != nil {
		return fmt.Errorf("removing %s: %w", key, brief(err))
	}
	return nil
}
