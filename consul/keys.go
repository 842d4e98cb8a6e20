package consul

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
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
	// Session holds the key; empty: none does.
	Session string
}

// Pairs returns the pairs whose keys begin with a prefix, at most 8 MiB of them; none is no
// error. With an index it waits for a change.
func (c *Client) Pairs(ctx context.Context, prefix string, index uint64, wait time.Duration) ([]Pair, Meta, error) {
	resp, err := c.open(ctx, "/v1/kv/"+prefix, url.Values{"recurse": {""}}, index, wait)
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
		return nil, Meta{}, statusError(resp)
	}
	var pairs []Pair
	if err := json.NewDecoder(&limitedBody{ReadCloser: resp.Body, left: maxPairs}).Decode(&pairs); err != nil {
		return nil, Meta{}, err
	}
	return pairs, m, nil
}

// Pair returns one key as all servers of Consul agree on it; false: there is none.
func (c *Client) Pair(ctx context.Context, key string) (p Pair, isThere bool, err error) {
	found, _, err := c.api.KV().Get(key, (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx))
	if err != nil {
		return p, false, fmt.Errorf("reading %s: %w", key, brief(err))
	}
	if found == nil {
		return p, false, nil
	}
	return Pair{Key: found.Key, Value: found.Value, Index: found.ModifyIndex, Session: found.Session}, true, nil
}

// ReplacePair stores a value if the key still has the index of a [Pair], or 0 for one that
// must not be there yet; false: that is not so.
func (c *Client) ReplacePair(ctx context.Context, key string, value []byte, index uint64) (isReplaced bool, err error) {
	isReplaced, _, err = c.api.KV().CAS(&api.KVPair{Key: key, Value: value, ModifyIndex: index}, writing(ctx))
	if err != nil {
		return false, fmt.Errorf("writing %s: %w", key, brief(err))
	}
	return isReplaced, nil
}

// SetPair stores a value of at most 512 KiB.
func (c *Client) SetPair(ctx context.Context, key string, value []byte) error {
	_, err := c.api.KV().Put(&api.KVPair{Key: key, Value: value}, writing(ctx))
	if err != nil {
		return fmt.Errorf("writing %s: %w", key, brief(err))
	}
	return nil
}

// RemovePair removes a key if it has not changed since it had the index of a [Pair].
func (c *Client) RemovePair(ctx context.Context, key string, index uint64) error {
	_, _, err := c.api.KV().DeleteCAS(&api.KVPair{Key: key, ModifyIndex: index}, writing(ctx))
	if err != nil {
		return fmt.Errorf("removing %s: %w", key, brief(err))
	}
	return nil
}
