package discovery

import (
	"context"
	"fmt"

	"thalassa/consul"
)

// Ports returns all ports on which Consul's agent listens, sorted and without
// duplicates. The error names an invalid setting, or says that Consul does not answer
// or that the token lacks agent:read.
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
