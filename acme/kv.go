package acme

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"thalassa/consul"
)

// poolKeys are the keys of a pool in Consul.
type poolKeys struct{ prefix, id string }

func (k poolKeys) stored() string              { return k.prefix + "stored/" + k.id + "/" }
func (k poolKeys) live() string                { return k.prefix + "live/" }
func (k poolKeys) lock(identity string) string { return k.live() + "lock/" + k.id + "/" + identity }
func (k poolKeys) answers(identity string) string {
	return k.live() + "answers/" + k.id + "/" + identity
}
func (k poolKeys) node(session string) string { return k.live() + "node/" + session }

// A kv is the way to Consul's key-value store. It owns the problems there.
type kv struct {
	Sharing

	keys     poolKeys
	sessions consul.Sessions
	logger   *slog.Logger

	mu       sync.Mutex
	problems map[string]string // sentences by what cannot be done
}

const (
	defaultTTL   = 15 * time.Second
	defaultDelay = 10 * time.Second
)

func newKV(cfg Sharing, logger *slog.Logger) *kv {
	if cfg.TTL <= 0 {
		cfg.TTL = defaultTTL
	}
	if cfg.Delay <= 0 {
		cfg.Delay = defaultDelay
	}
	return &kv{
		Sharing: cfg, keys: poolKeys{cfg.Prefix, cfg.Seal.ID()}, sessions: cfg.Consul.Sessions(), logger: logger, problems: map[string]string{},
	}
}

// problem says why this node cannot order together with the others now; empty: it can.
func (c *kv) problem() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Values(c.problems)), "; ")
}

// note keeps and logs a problem, or that it is over.
func (c *kv) note(doing string, err error) {
	text := ""
	if err != nil {
		text = doing + ": " + errorText(err)
	}
	c.mu.Lock()
	former := c.problems[doing]
	delete(c.problems, doing)
	if text != "" {
		c.problems[doing] = text
	}
	c.mu.Unlock()
	switch {
	case text != "" && former == "":
		c.logger.Warn("orders of certificates are not shared", "error", text)
	case text == "" && former != "":
		c.logger.Info("orders of certificates are shared again", "after", former)
	}
}

// diagnosed is an error of Consul in words that are the same for the same cause.
func diagnosed(err error) error {
	switch {
	case err == nil, errors.Is(err, consul.ErrNotHeld), errors.Is(err, consul.ErrChanged):
		return err
	}
	return errors.New(consul.Diagnose(err).Reason)
}

// errHidden says that Consul has left keys out.
var errHidden = errors.New("consul hides keys: the agent's token needs key_prefix for acme-kv-prefix with the policy write")

// follow calls each with the pairs below a prefix whenever they have changed.
func (c *kv) follow(ctx context.Context, prefix, doing string, each func([]consul.Pair) error) {
	list := func(ctx context.Context, index uint64, wait time.Duration) ([]consul.Pair, uint64, error) {
		pairs, meta, err := c.Consul.Pairs(ctx, prefix, index, wait)
		if err == nil && meta.Filtered {
			return nil, 0, errHidden
		}
		return pairs, meta.Index, err
	}
	consul.Follow(ctx, list, func(pairs []consul.Pair, err error) {
		switch {
		case err == nil:
			err = each(pairs)
		case !errors.Is(err, errHidden):
			err = diagnosed(err)
		}
		c.note(doing, err)
	})
}
