package agent

import (
	"fmt"

	"thalassa/lb"
	"thalassa/plan"
)

// limitServers is a configuration of at most limit server lines (0: any number). If it has
// more, backends get no spare ones beyond those in now. The error for one that has too many
// members is an *lb.RefusedError that names the limit and the largest backend.
func limitServers(limit int, now plan.Slots, config lb.Config) (lb.Config, error) {
	if limit <= 0 || serverLines(config) <= limit {
		return config, nil
	}
	config = plan.DropSpares(now, config)
	lines := serverLines(config)
	if lines <= limit {
		return config, nil
	}
	var largest lb.ResolvedBackend
	for _, p := range config.Backends {
		if linesOf(p) > linesOf(largest) {
			largest = p
		}
	}
	return config, &lb.RefusedError{At: "render", Output: fmt.Sprintf(
		"%d server lines are more than haproxy-max-servers (%d); the largest backend is %s with %d", lines, limit, largest.Key, linesOf(largest))}
}

// serverLines is the number of server lines of a configuration, spare ones included.
func serverLines(c lb.Config) int {
	n := 0
	for _, p := range c.Backends {
		n += linesOf(p)
	}
	return n
}

func linesOf(p lb.ResolvedBackend) int { return max(len(p.Members), len(p.Slots)) }
