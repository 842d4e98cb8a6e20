package settings

import (
	"syscall"

	"github.com/spf13/pflag"

	"thalassa/listen"
)

const (
	// ownFiles are descriptors for the agent's own work, beside its connections to Consul:
	// the database, files, sockets of HAProxy, and the start of HAProxy.
	ownFiles = 64
	// mostConnections is the maximum of connections where the limit of open files is high.
	mostConnections = 10_000
)

func connectionFlags(s *Agent, f *pflag.FlagSet) {
	f.IntVar(&s.maxConns, "max-connections", 0, "maximum `number` of connections to the API; 0: from open files")
	f.IntVar(&s.maxPerAddress, "max-connections-per-address", 256, "maximum `number` of connections to the API from one address")
	f.IntVar(&s.maxWebsockets, "max-websockets-per-caller", 256, "maximum `number` of websockets from one address, and with one token")
}

func (c *checker) checkConnections() {
	s := c.settings
	if s.maxConns < 0 || s.maxConns == 1 {
		c.bad("max-connections: %d is too few, expected 2 or more, or 0 for the limit of open files", s.maxConns)
	}
	if s.maxPerAddress < 1 {
		c.bad("max-connections-per-address: %d is too few, expected 1 or more", s.maxPerAddress)
	}
	if s.maxWebsockets < 1 {
		c.bad("max-websockets-per-caller: %d is too few, expected 1 or more", s.maxWebsockets)
	}
}

// Gate limits the connections to the API, so that file descriptors remain for the agent's own work.
func (s *Agent) Gate() listen.GateConfig {
	most := roomForConnections(s.consulMaxConns)
	if s.maxConns > 0 {
		most = min(most, s.maxConns)
	}
	return listen.GateConfig{Most: most, PerAddress: s.maxPerAddress}
}

// roomForConnections is how many connections may be open under the limit of open files,
// beside those to Consul.
func roomForConnections(toConsul int) int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<20 {
		return mostConnections
	}
	files := int(limit.Cur) //nolint:gosec // bounded
	return min(mostConnections, max(files-ownFiles-toConsul, files/4))
}
