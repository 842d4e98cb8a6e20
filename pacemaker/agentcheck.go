package pacemaker

import (
	"context"
	"encoding/xml"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

const (
	// checkedWithin limits how long the tool lets an agent check parameters.
	checkedWithin = "8s"
	// maxChecked limits how many parameters are checked at once, and maxCheckedValue each of
	// them, in bytes.
	maxChecked      = 100
	maxCheckedValue = 4096
	// maxSaid limits what is kept of an agent's output, in bytes.
	maxSaid = 2048
)

// parameterName is the name of a parameter of an agent.
var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,99}$`)

// Check has an OCF agent check parameters on this node, by its action validate-all. The agent runs
// with the rights of this program, and changes nothing. Parameters are arguments of a program,
// which others on the node can see: what may be a secret is left out, and named in Unchecked.
// Errors: *lb.InvalidError, *lb.NotFoundError if the agent is not installed, *cluster.Error.
func (a *Agents) Check(ctx context.Context, name string, params map[string]string) (cluster.AgentCheck, error) {
	out := cluster.AgentCheck{Agent: name}
	if err := checkable(params); err != nil {
		return out, err
	}
	agent, err := a.Agent(ctx, name)
	if err != nil {
		return out, err
	}
	parts := strings.Split(name, ":")
	canCheck := slices.ContainsFunc(agent.Actions, func(x cluster.AgentAction) bool { return x.Name == "validate-all" })
	if len(parts) != 3 || !canCheck {
		return out, &lb.InvalidError{Fields: []lb.FieldError{{Path: "agent", Problem: "has no action validate-all", Expected: "an OCF agent that has it"}}}
	}
	args := []string{"--validate", "--class", parts[0], "--provider", parts[1], "--agent", parts[2], "--timeout", checkedWithin}
	shown := cibxml.ShownPairs("instance_attributes", maps.Clone(params))
	for _, p := range slices.Sorted(maps.Keys(params)) {
		isSecret := slices.ContainsFunc(agent.Parameters, func(x cluster.AgentParameter) bool { return x.Name == p && x.Secret })
		if shown[p] == cibxml.Masked || isSecret && params[p] != "" {
			out.Unchecked = append(out.Unchecked, p)
			continue
		}
		args = append(args, "--option", p+"="+params[p])
	}
	data, err := a.cluster.run(ctx, call{tool: "crm_resource", args: args, answers: true, within: agentWithin})
	if err != nil {
		return out, err
	}
	return readCheck(out, data)
}

// checkable reports parameters that no agent is given.
func checkable(params map[string]string) error {
	var fe lb.FieldErrors
	if len(params) > maxChecked {
		fe.Add("params", fmt.Sprintf("has %d parameters", len(params)), fmt.Sprintf("%d at most", maxChecked))
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		value, field := params[name], "params."+name
		switch {
		case fe.Full():
			return fe.Err()
		case !parameterName.MatchString(name):
			fe.Add(field, "is not the name of a parameter", "letters, digits, _ and -")
		case len(value) > maxCheckedValue || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7F }):
			fe.Add(field, "has a control character, or is too long", fmt.Sprintf("text on one line of %d bytes at most", maxCheckedValue))
		}
	}
	return fe.Err()
}

// checkXML is the answer of crm_resource --validate.
type checkXML struct {
	Status *struct {
		Code      int    `xml:"code,attr"`
		Execution int    `xml:"execution_code,attr"`
		Ended     string `xml:"execution_message,attr"`
		Reason    string `xml:"reason,attr"`
	} `xml:"resource-agent-action>agent-status"`
	Output []string `xml:"resource-agent-action>command>output"`
	Errors []string `xml:"status>errors>error"`
}

func readCheck(out cluster.AgentCheck, data []byte) (cluster.AgentCheck, error) {
	var doc checkXML
	if err := xml.Unmarshal(data, &doc); err != nil || doc.Status == nil {
		said := toolMessage("crm_resource", strings.Join(doc.Errors, "\n"))
		return out, &cluster.Error{Tool: "crm_resource", Kind: cluster.KindFailed, Said: "it did not run the agent: " + said}
	}
	if doc.Status.Execution != 0 {
		return out, &cluster.Error{Tool: out.Agent, Kind: cluster.KindFailed, Said: doc.Status.Ended + ": " + doc.Status.Reason}
	}
	out.Valid, out.Code, out.Meaning = doc.Status.Code == 0, doc.Status.Code, cluster.Meaning(doc.Status.Code, 0)
	out.Reason = cibxml.MaskText(strings.TrimSpace(doc.Status.Reason))
	text := cibxml.MaskText(strings.TrimSpace(strings.Join(doc.Output, "\n")))
	out.Output = strings.ToValidUTF8(text[:min(len(text), maxSaid)], "")
	return out, nil
}
