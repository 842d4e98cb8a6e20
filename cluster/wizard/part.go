package wizard

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
)

// A parameter of an agent, and the field that its value is from.
type parameter struct{ name, value, field string }

// A part is a primitive that a wizard makes.
type part struct {
	id, agent  string
	idField    string // from which the id is
	agentField string // from which the agent is
	params     []parameter
	monitor    string // interval; empty: what the agent recommends
	// deep adds a monitor of depth 10.
	deep bool
}

// primitive adds a primitive, with the operations that its agent recommends.
func (m *maker) primitive(p part) {
	m.isFree(p.idField, p.id)
	a, ok := m.Agents[p.agent]
	if !ok {
		m.fe.Add(p.agentField, strconv.Quote(p.agent)+" is not installed on this node", "an agent that thalassa cluster agents lists")
		return
	}
	params := map[string]string{}
	for _, q := range p.params {
		if q.value == "" {
			continue
		}
		params[q.name] = q.value
		m.checkUnique(a, q)
	}
	fields := map[string]any{"agent": p.agent, "ops": operations(a, p)}
	if len(params) > 0 {
		fields["params"] = params
	}
	m.put(config.Primitives, p.id, fields)
}

// operations are the ones that an agent recommends. Fence devices are neither started nor
// stopped by their agents.
func operations(a cluster.Agent, p part) []map[string]any {
	out := []map[string]any{}
	find := func(name, depth string) (cluster.AgentAction, bool) {
		i := slices.IndexFunc(a.Actions, func(x cluster.AgentAction) bool {
			return x.Name == name && x.Role == "" && cmp.Or(x.Depth, "0") == depth
		})
		if i < 0 {
			return cluster.AgentAction{}, false
		}
		return a.Actions[i], true
	}
	if !strings.HasPrefix(a.Name, "stonith:") {
		for _, name := range []string{"start", "stop"} {
			if x, ok := find(name, "0"); ok && isTime(x.Timeout) {
				out = append(out, map[string]any{"name": name, "interval": "0s", "timeout": x.Timeout})
			}
		}
	}
	monitor := func(depth, interval string) map[string]any {
		x, _ := find("monitor", depth)
		for _, text := range []string{x.Interval, "10s"} {
			if interval == "" && isTime(text) {
				interval = text
			}
		}
		op := map[string]any{"name": "monitor", "interval": interval, "timeout": "20s"}
		if isTime(x.Timeout) {
			op["timeout"] = x.Timeout
		}
		return op
	}
	out = append(out, monitor("0", p.monitor))
	if _, has := find("monitor", "10"); p.deep && has {
		op := monitor("10", "")
		op["params"] = map[string]string{"OCF_CHECK_LEVEL": "10"}
		out = append(out, op)
	}
	return out
}

// checkUnique reports a value that another resource of the agent has, and that only one may
// have. Addresses are checked where they are read.
func (m *maker) checkUnique(a cluster.Agent, q parameter) {
	i := slices.IndexFunc(a.Parameters, func(p cluster.AgentParameter) bool { return p.Name == q.name && p.Unique && p.Group == "" })
	if i < 0 || config.IsAddress(a.Name) {
		return
	}
	for _, e := range config.Elements(m.Configuration, config.Primitives) {
		if config.AgentOf(m.Configuration, e) == a.Name && config.ParametersOf(m.Configuration, e)[q.name] == q.value {
			m.fe.Add(q.field, "is the same as of "+e.Attr("id"), "a value that no other resource of "+a.Name+" has")
		}
	}
}

// checkParameters compares values for parameters with what the agent says of them. An error has
// no value: it may be a secret.
func (m *maker) checkParameters(a cluster.Agent, given map[string]string, isOther func(name string) bool) {
	var names []string
	for _, p := range a.Parameters {
		if !p.Deprecated {
			names = append(names, p.Name)
		}
		value, has := given[p.Name]
		field := parameterPrefix + p.Name
		switch {
		case !has:
			if p.Required && !p.Deprecated && p.Default == "" && !isOther(p.Name) {
				m.fe.Add(field, "is missing", cmp.Or(strings.Join(strings.Fields(p.Short), " "), "a "+p.Type))
			}
		case p.Type == "boolean" && !cibxml.IsTrue(value) && !cibxml.IsFalse(value):
			m.fe.Add(field, "is not a boolean", "true or false")
		case p.Type == "integer" && !isInteger(value):
			m.fe.Add(field, "is not an integer", "a number such as 1")
		case p.Type == "select" && len(p.Options) > 0 && !slices.Contains(p.Options, value):
			m.fe.Add(field, "is not one of the choices", strings.Join(p.Options, " or "))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		known := slices.ContainsFunc(a.Parameters, func(p cluster.AgentParameter) bool { return p.Name == name })
		if !known && !isOther(name) {
			m.fe.Add(parameterPrefix+name, "is not a parameter of "+a.Name, "one of "+strings.Join(names, ", "))
		}
	}
}

func isInteger(text string) bool {
	_, err := strconv.Atoi(text)
	return err == nil
}
