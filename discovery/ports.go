package discovery

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"
)

// Ports asks Consul's agent which ports it listens at, for any purpose: sorted, each
// once. The error tells which setting cannot be used, or that Consul does not answer;
// a token without agent:read is such an answer.
func Ports(ctx context.Context, cfg Config) ([]uint16, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("asking consul for its ports: %w", err)
	}
	c, err := newClient(cfg.server())
	if err != nil {
		return nil, fmt.Errorf("asking consul for its ports: %w", err)
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	var self map[string]map[string]any
	if _, err := c.api.Raw().Query("/v1/agent/self", &self, (&api.QueryOptions{}).WithContext(ctx)); err != nil {
		return nil, fmt.Errorf("asking consul for its ports: %w", brief(err))
	}
	return portsOf(self["DebugConfig"]), nil
}

// portsOf finds the ports in an agent's settings; -1 where something is off. Further
// listeners stand in lists of tcp://HOST:PORT.
func portsOf(settings map[string]any) []uint16 {
	ports := map[uint16]bool{}
	for _, name := range []string{"DNSPort", "GRPCPort", "GRPCTLSPort", "HTTPPort", "HTTPSPort", "SerfPortLAN", "SerfPortWAN", "ServerPort"} {
		if n, ok := settings[name].(float64); ok && n > 0 && n <= 65535 {
			ports[uint16(n)] = true
		}
	}
	for _, name := range []string{"DNSAddrs", "GRPCAddrs", "GRPCTLSAddrs", "HTTPAddrs", "HTTPSAddrs"} {
		addresses, _ := settings[name].([]any)
		for _, a := range addresses {
			text, _ := a.(string)
			_, address, _ := strings.Cut(text, "://")
			if _, port, err := net.SplitHostPort(address); err == nil {
				if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
					ports[uint16(n)] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(ports))
}
