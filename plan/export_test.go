package plan

import "thalassa/lb"

// Ops are the operations that change a HAProxy that runs the one configuration, and
// whose spare servers have unknown addresses, into the other.
func Ops(running, wanted lb.Config) []lb.ServerOp {
	var servers []lb.ServerState
	for _, p := range running.Backends {
		servers = append(servers, states(p)...)
	}
	return Repair(wanted, servers).Ops
}
