package ocf

// EndpointParameterNames lists the parameters of ocf:thalassa:agent.
func EndpointParameterNames() []string { return namesOf(endpointParameters()) }

// endpointParameters returns all parameters of ocf:thalassa:agent.
func endpointParameters() []parameter {
	return []parameter{
		{"ip", "string", "", false, "Floating IP of the management endpoint", aboutEndpointIP},
		{"port", "integer", "10000", false, "Port of the thalassa agents", aboutEndpointPort},
		{"restart_time", "time", "5s", false, "Time in which a restarted agent is back", aboutRestartTime},
		{"state", "string", "", false, "File that says that the resource has started", aboutState},
	}
}

const (
	aboutEndpointIP = `The address at which clients reach the agents. Another resource has it (IPaddr2), colocated with this one. Required.`

	aboutEndpointPort = `The setting port of the agents. It is the same on all nodes.`

	aboutRestartTime = `An agent that refuses connections, or says that it does not work, has failed after this time. An upgrade restarts it in
about two seconds. An agent that takes a connection and does not answer has failed at the timeout of the monitor.`

	aboutState = `The default is /run/thalassa-agent-RESOURCE.state. It must be gone after a restart of the node.`
)

const endpointLong = `Says whether the thalassa agent of this node answers, so that a floating IP for management is only where one does. The resource
never starts or stops an agent: systemd does.

Run it as a clone on all nodes, and colocate the floating IP with it. "thalassa cluster apply --manage-ip" does both. Give it a
migration-threshold of 1: then the first failure moves the address.

On the node with the address, the monitor asks the agent at it. Elsewhere it asks at the loopback, where only an agent answers that
listens on all addresses. It asks GET /healthz, over TLS or without, and needs no token. No question leaves the node, so that the agent
of another node never answers in its place.`

const endpointActions = `</parameters>
<actions>
<action name="start" timeout="20s"/>
<action name="stop" timeout="20s"/>
<action name="monitor" timeout="10s" interval="2s" depth="0"/>
<action name="validate-all" timeout="20s"/>
<action name="meta-data" timeout="5s"/>
</actions>
</resource-agent>
`

// EndpointMetadata describes ocf:thalassa:agent, for Pacemaker and for its users.
func EndpointMetadata() string {
	return describe("agent", endpointLong, "Whether the Thalassa agent of the node answers", endpointParameters(), endpointActions, "ip")
}
