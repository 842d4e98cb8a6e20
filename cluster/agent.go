package cluster

import (
	"regexp"
	"strings"

	"thalassa/lb"
)

// An Agent is what a resource agent or fence agent says about itself.
type Agent struct {
	Name       string           `json:"agent"`   // ocf:heartbeat:IPaddr2
	Version    string           `json:"version"` // its own; empty: it does not tell
	Short      string           `json:"shortDescription,omitempty"`
	Long       string           `json:"longDescription,omitempty"`
	Parameters []AgentParameter `json:"parameters"`
	Actions    []AgentAction    `json:"actions"`
}

// An AgentParameter is a parameter that the agent takes.
type AgentParameter struct {
	Name string `json:"name"`
	// Type is string, boolean, integer, select, time or another word of the agent's.
	Type     string   `json:"type"`
	Default  string   `json:"default,omitempty"`
	Options  []string `json:"options,omitempty"` // of a select
	Required bool     `json:"required,omitempty"`
	// Unique: two resources of the agent must not have the same value. Parameters with the
	// same Group must not together.
	Unique     bool   `json:"unique,omitempty"`
	Group      string `json:"uniqueGroup,omitempty"`
	Reloadable bool   `json:"reloadable,omitempty"`
	Deprecated bool   `json:"deprecated,omitempty"`
	// Secret: the API masks its value.
	Secret bool   `json:"secret,omitempty"`
	Short  string `json:"shortDescription,omitempty"`
	Long   string `json:"longDescription,omitempty"`
}

// An AgentAction is an action that the agent has, with what it recommends.
type AgentAction struct {
	Name     string `json:"name"`
	Role     string `json:"role,omitempty"`
	Timeout  string `json:"timeout,omitempty"`
	Interval string `json:"interval,omitempty"`
	Depth    string `json:"depth,omitempty"`
}

// An AgentCheck is what an agent says of parameters, by its action validate-all.
type AgentCheck struct {
	Agent string `json:"agent"`
	Valid bool   `json:"valid"`
	// Code is the exit code of the agent, and Meaning what it means: 6, "not configured".
	Code    int    `json:"code"`
	Meaning string `json:"meaning"`
	Reason  string `json:"reason,omitempty"`
	Output  string `json:"output,omitempty"` // its beginning
	// Unchecked are the names of the parameters, in order, that the agent was not given because
	// they may be secrets: others on the node can see the arguments of programs.
	Unchecked []string `json:"unchecked,omitempty"`
}

// AgentClasses lists the classes of agents: the standards that Pacemaker knows, without service,
// which stands for lsb and systemd.
func AgentClasses() []string { return []string{"ocf", "stonith", "systemd", "lsb"} }

// maxAgentName limits the name of an agent, in bytes.
const maxAgentName = 200

// agentName is class:provider:type of an OCF agent, class:type of another. A type may be in a
// folder (external/ipmi) or an instance (getty@tty1), but it is no path and no option.
var agentName = regexp.MustCompile(`^(ocf:[A-Za-z0-9_][A-Za-z0-9_.-]*|stonith|systemd|lsb):[A-Za-z0-9_][A-Za-z0-9_.@-]*(/[A-Za-z0-9_][A-Za-z0-9_.@-]*)?$`)

// ParseAgentName checks the name of an agent. The error is an *lb.InvalidError.
func ParseAgentName(text string) (string, error) {
	if len(text) > maxAgentName || !agentName.MatchString(text) || strings.Contains(text, "..") {
		return "", &lb.InvalidError{Fields: []lb.FieldError{{
			Path: "agent", Problem: "is not the name of an agent",
			Expected: "class:provider:type of an OCF agent such as ocf:heartbeat:IPaddr2, or stonith:TYPE, systemd:TYPE or lsb:TYPE",
		}}}
	}
	return text, nil
}
