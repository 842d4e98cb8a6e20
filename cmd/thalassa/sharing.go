package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"thalassa/auth/peers"
	"thalassa/consul"
	"thalassa/settings"
)

// A sharing makes sessions valid on all nodes of a cluster. The zero value is for sessions that
// hold on this node alone.
type sharing struct {
	client  *consul.Client
	carrier *peers.Carrier // nil with client
}

// begin makes the parts, if the settings want them. It starts nothing.
func (s *sharing) begin(n node, p parts) error {
	if p.server.Shared() == nil {
		return nil
	}
	var err error
	if s.client, err = consul.New(n.settings.Sharing().Store(n.log)); err != nil {
		return settings.Error{Err: fmt.Errorf("setting up sessions of the cluster: %w", err)}
	}
	s.carrier = peers.New(peers.Config{
		Sessions: p.server.Shared(), Store: keyStore{s.client}, Prefix: n.settings.Sharing().Prefix(), Node: p.share.Node,
		Ended: p.server.SessionEnded, Logger: n.log,
	})
	return nil
}

// run carries what the nodes tell each other until ctx ends, which is no error.
func (s *sharing) run(ctx context.Context) error {
	if s.carrier == nil {
		return nil
	}
	defer s.client.Close()
	return s.carrier.Run(ctx)
}

// await waits a moment for what the other nodes have ended meanwhile.
func (s *sharing) await(ctx context.Context) {
	const most = 2 * time.Second
	if s.carrier == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	s.carrier.Ready(ctx)
}

func (s *sharing) problems() []string { return s.carrier.Problems() }

// follow has later requests to Consul use the settings.
func (s *sharing) follow(cfg consul.Config) error {
	if s.client == nil {
		return nil
	}
	return s.client.Follow(cfg)
}

// keyStore is Consul's key-value store.
type keyStore struct{ client *consul.Client }

// errHidden says that Consul has left records out.
var errHidden = errors.New("consul hides keys: the agent's token needs key_prefix for session-kv-prefix, with the policy write")

// Keys implements peers.Store.
func (k keyStore) Keys(ctx context.Context, prefix string, index uint64, wait time.Duration) (peers.Keys, uint64, error) {
	list, meta, err := k.client.Keys(ctx, prefix, index, wait)
	if err == nil && meta.Filtered {
		err = errHidden
	}
	if err != nil {
		return peers.Keys{}, 0, diagnosed(err)
	}
	return peers.Keys{Names: list.Keys, Whole: list.Whole}, meta.Index, nil
}

// Read implements peers.Store.
func (k keyStore) Read(ctx context.Context, key string) (peers.Record, bool, error) {
	pair, ok, err := k.client.ReadPair(ctx, key)
	return peers.Record{Value: pair.Value, Index: pair.Index}, ok, diagnosed(err)
}

// Put implements peers.Store.
func (k keyStore) Put(ctx context.Context, key string, value []byte) error {
	return diagnosed(k.client.SetPair(ctx, key, value))
}

// Remove implements peers.Store.
func (k keyStore) Remove(ctx context.Context, key string, index uint64) error {
	return diagnosed(k.client.RemovePair(ctx, key, index))
}

// diagnosed is an error in words that are the same for the same cause.
func diagnosed(err error) error {
	if err == nil || errors.Is(err, errHidden) {
		return err
	}
	return errors.New(consul.Diagnose(err).Reason)
}
