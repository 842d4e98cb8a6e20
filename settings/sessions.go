package settings

import (
	"fmt"
	"log/slog"
	"os"

	"thalassa/acme"
	"thalassa/auth"
	"thalassa/consul"
	"thalassa/lb"
)

// sessionConns is the number of connections to Consul for sessions; one of them waits for changes.
const sessionConns = 3

// orderConns is the number of connections to Consul for orders: two wait for changes.
const orderConns = 8

// Sharing is how the agents of a cluster share the sessions of browsers.
type Sharing struct{ s *Agent }

// Sharing returns the settings of sessions that hold on all nodes.
func (s *Agent) Sharing() Sharing { return Sharing{s} }

// key is the key that the agents share, for one purpose. The error names the setting.
func (t Sharing) key(purpose string) (*auth.ClusterKey, error) {
	key, err := auth.ReadClusterKey(t.s.sessionKey, purpose)
	if err != nil {
		return nil, Error{Err: fmt.Errorf("session-key-file: %w", err)}
	}
	return key, nil
}

// Config configures sessions that hold on all nodes of a cluster; nil: they hold on this
// node alone. The error names the setting.
func (t Sharing) Config(log *slog.Logger) (*auth.ShareConfig, error) {
	s := t.s
	if s.sessionKey == "" {
		return nil, nil //nolint:nilnil // documented
	}
	key, err := t.key(s.sessionPrefix)
	if err != nil {
		return nil, err
	}
	node, err := os.Hostname()
	if err == nil && !auth.IsNodeName(node) {
		err = fmt.Errorf("%q is not a name of at most 64 characters", node)
	}
	if err != nil {
		return nil, Error{Err: fmt.Errorf("session-key-file: the name of this host tells the nodes apart: %w", err)}
	}
	return &auth.ShareConfig{Node: node, Key: key, Path: s.SharedSessions(), Logger: log}, nil
}

// alone is why each node orders certificates on its own; empty: they order together.
func (t Sharing) alone() string {
	switch {
	case t.s.sessionKey == "":
		return "without session-key-file each node orders on its own"
	case t.s.acme.prefix == "":
		return "acme-kv-prefix is empty, so each node orders on its own"
	}
	return ""
}

// Orders is how the agents of a cluster order certificates together; nil: each does on its
// own. The error names the setting.
func (t Sharing) Orders(log *slog.Logger) (*acme.Sharing, error) {
	if t.alone() != "" {
		return nil, nil //nolint:nilnil // documented
	}
	// The purpose has a line of its own, which no prefix of sessions has.
	key, err := t.key("orders of certificates\n" + t.s.acme.prefix)
	if err != nil {
		return nil, err
	}
	client, err := consul.New(t.OrderStore(log))
	if err != nil {
		return nil, Error{Err: fmt.Errorf("setting up orders of the cluster: %w", err)}
	}
	node, err := os.Hostname()
	if err != nil {
		node = "unknown"
	}
	return &acme.Sharing{Consul: client, Seal: key, Prefix: t.s.acme.prefix, Node: node}, nil
}

// History is the key that seals what the agents tell each other of the cluster's history;
// nil: they tell nothing. The error names the setting.
func (t Sharing) History() (*auth.ClusterKey, error) {
	if t.s.sessionKey == "" {
		return nil, nil //nolint:nilnil // documented
	}
	return t.key("history of the cluster\n")
}

// OrderStore configures the client of the Consul that holds the cluster's orders.
func (t Sharing) OrderStore(log *slog.Logger) consul.Config {
	cfg := t.Store(log)
	cfg.MaxConns = orderConns
	return cfg
}

// VerifyKey checks the file of the key that the cluster's agents share, as for a
// program that runs as that user. The error names the setting.
func (t Sharing) VerifyKey(as auth.Reader) error {
	if t.s.sessionKey == "" {
		return nil
	}
	if err := auth.VerifyClusterKey(t.s.sessionKey, as); err != nil {
		return fmt.Errorf("session-key-file: %w", err)
	}
	return nil
}

// KeyFile is the file of the key that the cluster's agents share; empty: there is none.
func (t Sharing) KeyFile() string { return t.s.sessionKey }

// Prefix is the beginning of the keys in Consul that hold the cluster's sessions.
func (t Sharing) Prefix() string { return t.s.sessionPrefix }

// Store configures the client of the Consul that holds the cluster's sessions.
func (t Sharing) Store(log *slog.Logger) consul.Config {
	d := t.s.Discovery(lb.Snapshot{}, log)
	return consul.Config{
		Address: d.Address, Token: d.Token, TokenFile: d.TokenFile, Datacenter: d.Datacenter, Namespace: d.Namespace, Partition: d.Partition,
		TLS: d.TLS, MaxConns: sessionConns,
	}
}
