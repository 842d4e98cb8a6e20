package consul

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"
)

// ErrNotHeld says that a session does not hold the key that it was to hold.
var ErrNotHeld = errors.New("the lock in consul is lost")

// ErrChanged says that a key has changed, so that nothing was written.
var ErrChanged = errors.New("somebody else has changed the key in consul")

// Sessions hold keys of the key-value store. Consul ends a session whose holder does not
// renew it, and removes the keys that it holds. A session also ends when Consul's agent that
// it was begun at has failed.
type Sessions struct{ client *Client }

// Sessions returns those of a client.
func (c *Client) Sessions() Sessions { return Sessions{c} }

func writing(ctx context.Context) *api.WriteOptions { return (&api.WriteOptions{}).WithContext(ctx) }

// Begin begins a session that ends when it is not renewed for ttl, which is 10 s or more. No
// other session can hold its keys before delay is over then. Consul may take twice as long.
func (s Sessions) Begin(ctx context.Context, name string, ttl, delay time.Duration) (id string, err error) {
	id, _, err = s.client.api.Session().Create(&api.SessionEntry{
		Name: name, TTL: ttl.String(), LockDelay: delay, Behavior: api.SessionBehaviorDelete,
	}, writing(ctx))
	if err != nil {
		return "", fmt.Errorf("beginning a session: %w", brief(err))
	}
	return id, nil
}

// Renew renews a session; false: it has ended.
func (s Sessions) Renew(ctx context.Context, id string) (isThere bool, err error) {
	entry, _, err := s.client.api.Session().Renew(id, writing(ctx))
	if err != nil {
		return false, fmt.Errorf("renewing a session: %w", brief(err))
	}
	return entry != nil, nil
}

// End ends a session and removes the keys that it holds.
func (s Sessions) End(ctx context.Context, id string) error {
	if _, err := s.client.api.Session().Destroy(id, writing(ctx)); err != nil {
		return fmt.Errorf("ending a session: %w", brief(err))
	}
	return nil
}

// Hold stores a value under a key that the session holds from now on; false: another session
// holds it, or has until a moment ago.
func (s Sessions) Hold(ctx context.Context, id, key string, value []byte) (isHeld bool, err error) {
	isHeld, _, err = s.client.api.KV().Acquire(&api.KVPair{Key: key, Value: value, Session: id}, writing(ctx))
	if err != nil {
		return false, fmt.Errorf("holding %s: %w", key, brief(err))
	}
	return isHeld, nil
}

// A Write is one change of the key-value store.
type Write struct {
	Key   string
	Value []byte // nil: the key is removed
	// Index is that of the Pair that is replaced, or 0 for a key that must not be there yet.
	Index uint64
	// Anyway writes whatever is there.
	Anyway bool
}

// Write makes all changes, or none of them, if the session holds a key. It returns the
// indexes of the keys that it has stored. The error is ErrNotHeld or ErrChanged where that
// is why nothing was written.
func (s Sessions) Write(ctx context.Context, id, held string, writes ...Write) (indexes map[string]uint64, err error) {
	ops := make(api.TxnOps, 0, 1+len(writes))
	ops = append(ops, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVCheckSession, Key: held, Session: id}})
	for _, w := range writes {
		op := &api.KVTxnOp{Key: w.Key, Value: w.Value, Index: w.Index}
		switch {
		case w.Value == nil && w.Anyway:
			op.Verb = api.KVDelete
		case w.Value == nil:
			op.Verb = api.KVDeleteCAS
		case w.Anyway:
			op.Verb = api.KVSet
		default:
			op.Verb = api.KVCAS
		}
		ops = append(ops, &api.TxnOp{KV: op})
	}
	done, answer, _, err := s.client.api.Txn().Txn(ops, (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("writing to the key-value store: %w", brief(err))
	}
	if !done {
		for _, e := range answer.Errors {
			if e.OpIndex == 0 {
				return nil, ErrNotHeld
			}
		}
		return nil, ErrChanged
	}
	indexes = map[string]uint64{}
	for _, r := range answer.Results {
		if r.KV != nil {
			indexes[r.KV.Key] = r.KV.ModifyIndex
		}
	}
	return indexes, nil
}
