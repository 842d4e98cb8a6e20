package e2e_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	clusterstatus "thalassa/cluster"
)

// An agentCheck is what an OCF agent says of parameters by its action validate-all.
type agentCheck struct {
	code    int
	reasons []string // for people, one for each line with a reason or an error
}

// saidBy runs an agent as its author meant it, on the node, without Pacemaker.
func (a *acceptance) saidBy(agent string, params []string) agentCheck {
	a.t.Helper()
	args := []string{"OCF_ROOT=/usr/lib/ocf", "OCF_RESOURCE_INSTANCE=checked"}
	for i := 0; i < len(params); i += 2 {
		args = append(args, "OCF_RESKEY_"+params[i]+"="+params[i+1])
	}
	args = append(args, "sh", "-c", `cd /; "$0" validate-all 2>&1; echo code $?`, "/usr/lib/ocf/resource.d/heartbeat/"+agent)
	out := a.asks("env", args...)
	said := agentCheck{}
	for line := range strings.Lines(out) {
		if m := regexp.MustCompile(`(?:ocf-exit-reason:|ERROR: )(.+)`).FindStringSubmatch(line); m != nil {
			said.reasons = append(said.reasons, strings.TrimSpace(m[1]))
		}
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "code "); ok {
			code, err := strconv.Atoi(text)
			if err != nil {
				a.t.Fatalf("%s: %q", agent, line)
			}
			said.code = code
		}
	}
	return said
}

// agentsCheck has agents that are installed check parameters in the form of a primitive: the page
// says what the agent says.
func (a *acceptance) agentsCheck() {
	a.excuse("400") // a parameter that may be a secret is not given to an agent
	for _, c := range []struct {
		agent  string
		params []string // names and values
		right  bool
	}{
		{"IPaddr2", []string{"ip", "10.99.0.130"}, true},
		{"IPaddr2", []string{"ip", "10.99.0.999"}, false},
		{"IPaddr2", []string{"ip", "10.99.0.130", "cidr_netmask", "77"}, false},
		{"Filesystem", []string{"directory", "/srv"}, false},
		{"Delay", []string{"startdelay", "1"}, true},
		{"symlink", nil, false},
	} {
		said := a.saidBy(c.agent, c.params)
		if (said.code == 0) != c.right {
			a.t.Errorf("%s %q on the node: code %d, %q", c.agent, c.params, said.code, said.reasons)
		}
		a.visit("/cluster/config?kind=primitives&new=1")
		a.write("#f-agent", "ocf:heartbeat:"+c.agent)
		a.button("dialog", "Let the agent check")
		for i := 0; i < len(c.params); i += 2 {
			a.click(a.button("dialog", "Add to parameters"))
			a.write(fmt.Sprintf("#f-params-%d-name", i/2), c.params[i])
			value := "#f-params-" + strings.ReplaceAll(c.params[i], "_", "-")
			a.write(value, c.params[i+1])
		}
		a.click(a.button("dialog", "Let the agent check"))
		if c.right {
			a.reads("dialog .agent-check", "accepted", "ocf:heartbeat:"+c.agent+" accepts the parameters on this node")
			if c.agent == "Delay" { // whose parameter nobody knows, so that it may be a secret
				a.reads("dialog .agent-check", "Not checked, because it may be a secret: startdelay")
			}
			continue
		}
		a.reads("dialog .agent-check", append([]string{clusterstatus.Meaning(said.code, 0), "The agent says"}, said.reasons...)...)
		a.shot(c.agent)
	}
}
