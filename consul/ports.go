package consul

import (
	"context"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"
)

// Ports returns all ports on which the agent listens, sorted and without duplicates.
// It needs agent:read (GET /v1/agent/self).
func (c *Client) Ports(ctx context.Context) ([]uint16, error) {
	var self map[string]map[string]any
	if _, err := c.api.Raw().Query("/v1/agent/self", &self, (&api.QueryOptions{}).WithContext(ctx)); err != nil {
		return nil, brief(err)
	}
	return portsOf(self["DebugConfig"]), nil
}

// portsOf returns the ports in an agent's settings. -1 stands for a disabled one. Other
// listeners are in lists of tcp://HOST:PORT.
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
