package discovery

import (
	"context"
	"errors"
	"fmt"

	"thalassa/consul"
)

// Ping asks Consul once for its leader, and returns a sentence with the answer. The
// error names an invalid setting, or says that Consul does not answer or has no
// leader. Success does not prove that the token may read services.
func Ping(ctx context.Context, cfg Config) (string, error) {
	c, err := newClient(cfg)
	if err != nil {
		return "", err
	}
	defer c.Close()
	leader, err := c.Leader(ctx)
	if err != nil {
		return "", fmt.Errorf("asking consul: %w", err)
	}
	if leader == "" {
		return "", errors.New("consul has no leader")
	}
	return "answers at " + c.Host() + ", its leader is " + leader, nil
}

// TryQueries makes the queries that the watcher makes, once each, and returns a sentence.
// The error says that Consul refuses one of them, for example because it does not know the
// namespace or the token. Where Consul does not answer, nothing is refused.
func TryQueries(ctx context.Context, cfg Config) (string, error) {
	c, err := newClient(cfg)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := c.Leader(ctx); err != nil {
		return "not tried, as Consul does not answer", nil
	}
	entries, _, err := c.Service(ctx, string(probeService), 0, 0)
	if err == nil {
		_, _, err = c.Services(ctx, 0, 0)
	}
	if err == nil {
		_, err = c.Checks(ctx, "critical", 0, 0, func(consul.Check) {})
	}
	switch {
	case consul.IsRefused(err):
		return "", errors.New("consul refuses the agent's queries: " + consul.Diagnose(err).Reason)
	case err != nil:
		return "not answered: " + consul.Diagnose(err).Reason, nil
	case len(entries) == 0:
		return "answered, without an instance of service consul: the token may not read every service", nil
	}
	return "answered", nil
}

// newClient makes a client of Consul for one call. The caller closes it.
func newClient(cfg Config) (*consul.Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("asking consul: %w", err)
	}
	c, err := consul.New(cfg.server())
	if err != nil {
		return nil, fmt.Errorf("asking consul: %w", err)
	}
	return c, nil
}
