package settings

import (
	"fmt"
	"log/slog"
	"os"

	"thalassa/auth"
	"thalassa/consul"
	"thalassa/lb"
)

// sessionConns is the number of connections to Consul for sessions; one of them waits for changes.
const sessionConns = 3

// Sharing is how the agents of a cluster share the sessions of browsers.
type Sharing struct{ s *Agent }

// Sharing returns the settings of sessions that hold on all nodes.
func (s *Agent) Sharing() Sharing { return Sharing{s} }

// Config configures sessions that hold on all nodes of a cluster; nil: they hold on this
// node alone. The error names the setting.
func (t Sharing) Config(log *slog.Logger) (*auth.ShareConfig, error) {
	s := t.s
	if s.sessionKey == "" {
		return nil, nil //nolint:nilnil // documented
	}
	key, err := auth.ReadClusterKey(s.sessionKey, s.sessionPrefix)
	if err != nil {
		return nil, Error{Err: fmt.Errorf("session-key-file: %w", err)}
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
