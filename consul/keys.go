package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// maxPairs limits an answer with pairs of the key-value store, in bytes.
	maxPairs = 8 << 20
	// maxKeyList limits an answer with names of keys, in bytes.
	maxKeyList = 1 << 20
	// maxPair limits an answer with one pair, in bytes: a value of 512 KiB in base64.
	maxPair = 1 << 20
)

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

// A KeyList has the names of keys, sorted.
type KeyList struct {
	Keys []string
	// Whole says that these are all. There were more than 1 MiB of them otherwise.
	Whole bool
}

// Keys returns the keys that begin with a prefix, and have no slash after it; none is no
// error. With an index it waits for a change of any key that begins with the prefix.
func (c *Client) Keys(ctx context.Context, prefix string, index uint64, wait time.Duration) (KeyList, Meta, error) {
	resp, err := c.open(ctx, "/v1/kv/"+prefix, url.Values{"keys": {""}, "separator": {"/"}}, index, wait)
	if err != nil {
		return KeyList{}, Meta{}, err
	}
	defer resp.Body.Close()
	m := Meta{Leader: resp.Header.Get("X-Consul-KnownLeader") == "true", Filtered: resp.Header.Get("X-Consul-Results-Filtered-By-ACLs") == "true"}
	m.Index, _ = strconv.ParseUint(resp.Header.Get("X-Consul-Index"), 10, 64) // 0, as api has it
	switch resp.StatusCode {
	case http.StatusNotFound: // no key has the prefix
		return KeyList{Whole: true}, m, nil
	case http.StatusOK:
	default:
		return KeyList{}, Meta{}, statusError(resp)
	}
	list := KeyList{Whole: true}
	body := json.NewDecoder(&limitedBody{ReadCloser: resp.Body, left: maxKeyList})
	if _, err = body.Token(); err != nil {
		return KeyList{}, Meta{}, err
	}
	for body.More() {
		var key string
		if err = body.Decode(&key); err != nil {
			break
		}
		if !strings.HasSuffix(key, "/") {
			list.Keys = append(list.Keys, key)
		}
	}
	if err == nil {
		_, err = body.Token()
	}
	if errors.Is(err, errTooLarge) {
		list.Whole, err = false, nil
	}
	return list, m, err
}

// ReadPair returns the pair of a key as one server of Consul has it; false: there is none. The
// value of one that is larger than any that Consul takes by default is empty.
func (c *Client) ReadPair(ctx context.Context, key string) (Pair, bool, error) {
	resp, err := c.open(ctx, "/v1/kv/"+key, url.Values{}, 0, 0)
	if err != nil {
		return Pair{}, false, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNotFound:
		return Pair{}, false, nil
	case http.StatusOK:
	default:
		return Pair{}, false, statusError(resp)
	}
	var pairs []Pair
	switch err := json.NewDecoder(&limitedBody{ReadCloser: resp.Body, left: maxPair}).Decode(&pairs); {
	case errors.Is(err, errTooLarge):
		return Pair{Key: key}, true, nil
	case err != nil:
		return Pair{}, false, err
	case len(pairs) != 1:
		return Pair{}, false, fmt.Errorf("reading %s: consul has answered with %d keys, expected one", key, len(pairs))
	}
	return pairs[0], true, nil
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
