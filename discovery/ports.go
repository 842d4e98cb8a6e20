package discovery

import (
	"context"
	"fmt"
	"thalassa/consul"
)

// Ports asks Consul's agent which ports it listens at, for any purpose: sorted, each
// once. The error tells which setting cannot be used, or that Consul does not answer;
// a token without agent:read is such an answer.
func Ports(ctx context.Context, cfg Config) ([]uint16, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("asking consul for its ports: %w", err)
	}
	c, err := consul.New(cfg.server())
	if err != nil {
		return nil, fmt.Errorf("asking consul for its ports: %w", err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	ports, err := c.Ports(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking consul for its ports: %w", err)
	}
	return ports, nil
}
