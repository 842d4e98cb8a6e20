package apitest

import (
	"context"
	"maps"
	"slices"
	"strings"

	"thalassa/cluster"
	"thalassa/lb"
)

// ClusterAgents are the agents of a node: those of the example cluster and a fence agent.
type ClusterAgents struct{}

func agents() []cluster.Agent {
	actions := []cluster.AgentAction{{Name: "start", Timeout: "20s"}, {Name: "stop", Timeout: "20s"}, {Name: "monitor", Interval: "10s", Timeout: "20s"}, {Name: "validate-all", Timeout: "5s"}}
	return []cluster.Agent{
		{Name: "ocf:heartbeat:IPaddr2", Version: "1.0", Short: "Manages virtual addresses", Long: "It can add an IP alias, or remove one.", Actions: actions, Parameters: []cluster.AgentParameter{
			{Name: "ip", Type: "string", Required: true, Unique: true, Short: "IPv4 or IPv6 address"},
			{Name: "cidr_netmask", Type: "string", Short: "CIDR netmask"},
			{Name: "nic", Type: "string", Short: "Network interface", Long: "The interface that has the address."},
			{Name: "lvs_support", Type: "boolean", Default: "false", Short: "Enable support for LVS DR"},
		}},
		{Name: "ocf:pacemaker:Dummy", Version: "1.1", Short: "Example stateless resource agent", Actions: actions, Parameters: []cluster.AgentParameter{
			{Name: "fake", Type: "string", Default: "dummy", Short: "Value for testing"},
			{Name: "passwd", Type: "string", Secret: true, Short: "Password"},
		}},
		{Name: "stonith:external/ipmi", Short: "Fence device with IPMI", Actions: []cluster.AgentAction{{Name: "reboot"}, {Name: "monitor", Interval: "60s"}}, Parameters: []cluster.AgentParameter{
			{Name: "hostname", Type: "string", Required: true, Short: "Name of the node"},
			{Name: "passwd", Type: "string", Required: true, Secret: true, Short: "Password"},
			{Name: "interface", Type: "select", Options: []string{"lan", "lanplus"}, Default: "lan", Short: "Interface"},
		}},
	}
}

// List has those of a class.
func (ClusterAgents) List(_ context.Context, class string) ([]string, error) {
	var out []string
	for _, a := range agents() {
		if strings.HasPrefix(a.Name, class) {
			out = append(out, a.Name)
		}
	}
	return out, nil
}

// Agent is one of them.
func (ClusterAgents) Agent(_ context.Context, name string) (cluster.Agent, error) {
	i := slices.IndexFunc(agents(), func(a cluster.Agent) bool { return a.Name == name })
	if i < 0 {
		return cluster.Agent{}, &lb.NotFoundError{ID: "agent/" + name}
	}
	return agents()[i], nil
}

// Check finds the value 192.0.2.66 invalid, and does not look at what is called passwd.
func (c ClusterAgents) Check(ctx context.Context, name string, params map[string]string) (cluster.AgentCheck, error) {
	isBad := slices.Contains(slices.Collect(maps.Values(params)), "192.0.2.66")
	if _, err := c.Agent(ctx, name); err != nil {
		return cluster.AgentCheck{}, err
	}
	out := cluster.AgentCheck{Agent: name, Valid: true, Meaning: "ok"}
	if isBad {
		out.Valid, out.Code, out.Meaning, out.Reason = false, 6, "not configured", "findif failed for ip"
	}
	if _, ok := params["passwd"]; ok {
		out.Unchecked = []string{"passwd"}
	}
	return out, nil
}
