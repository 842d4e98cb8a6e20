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
	cfg, err := cfg.withDefaults()
	if err != nil {
		return "", fmt.Errorf("asking consul: %w", err)
	}
	c, err := consul.New(cfg.server())
	if err != nil {
		return "", fmt.Errorf("asking consul: %w", err)
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
