package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"thalassa/cluster"
)

func newClusterAgents(o *onNode) *cobra.Command {
	var class string
	cmd := o.agentCommand(&cobra.Command{
		Use:   "agents [AGENT]",
		Short: "List the resource agents and fence agents of a node, or show one",
		Long: `Lists the resource agents and fence agents of a node: the one whose Thalassa agent answers.
With AGENT, shows the parameters of that resource agent or fence agent.`,
		Example: `  thalassa cluster agents --class stonith
  thalassa cluster agents ocf:heartbeat:IPaddr2
  thalassa cluster agents validate ocf:heartbeat:IPaddr2 ip=192.0.2.77`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				var a cluster.Agent
				if err := c.Get(cmd.Context(), "/cluster/agents/"+url.PathEscape(args[0]), &a); err != nil {
					return err
				}
				return o.show(a, func(w io.Writer) { showAgent(w, a) })
			}
			var list struct {
				Agents []string `json:"agents"`
			}
			query := ""
			if class != "" {
				query = "?" + url.Values{"class": {class}}.Encode()
			}
			if err := c.Get(cmd.Context(), "/cluster/agents"+query, &list); err != nil {
				return err
			}
			return o.show(list, func(w io.Writer) {
				for _, a := range list.Agents {
					row(w, a)
				}
			})
		},
	})
	cmd.Flags().StringVar(&class, "class", "", "`class` of agents: ocf, stonith, systemd or lsb (default: all)")
	cmd.AddCommand(newAgentsValidate(o))
	return cmd
}

func newAgentsValidate(o *onNode) *cobra.Command {
	return o.agentCommand(&cobra.Command{
		Use:   "validate AGENT [PARAMETER=VALUE...]",
		Short: "Have an OCF agent check parameters on a node",
		Long: `Runs the action validate-all of an OCF agent with these parameters, on the node whose
Thalassa agent answers. Nothing changes. Values that may be secret are left out, because
others on the node can see the arguments of programs; the answer names them. The exit code
is 5 if the OCF agent does not accept the parameters.`,
		Example: "  thalassa cluster agents validate ocf:heartbeat:IPaddr2 ip=192.0.2.77 cidr_netmask=24",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			var body struct {
				Params map[string]string `json:"params"`
			}
			if len(args) == 0 {
				return mistake(cmd, "expected the name of an agent such as ocf:heartbeat:IPaddr2")
			}
			var err error
			if body.Params, err = o.wizardValues(args[1:]); err != nil {
				return err
			}
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			answer, err := c.Post(cmd.Context(), "/cluster/agents/"+url.PathEscape(args[0])+"/validate", body, 0)
			if err != nil {
				return err
			}
			var said cluster.AgentCheck
			if err := json.Unmarshal(answer, &said); err != nil {
				return fmt.Errorf("reading the agent's answer: %w", err)
			}
			if err := o.show(answer, func(w io.Writer) { checkRows(w, said) }); err != nil || said.Valid {
				return err
			}
			return errNotAccepted
		},
	})
}

// checkRows show what an agent says of parameters.
func checkRows(w io.Writer, said cluster.AgentCheck) {
	row(w, said.Agent, said.Meaning, said.Reason)
	for line := range strings.SplitSeq(strings.TrimSpace(said.Output), "\n") {
		if line != "" {
			row(w, "", "", line)
		}
	}
	if len(said.Unchecked) > 0 {
		row(w, "", "", "not checked, because it may be a secret: "+strings.Join(said.Unchecked, ", "))
	}
}

func showAgent(w io.Writer, a cluster.Agent) {
	row(w, a.Name, a.Short)
	row(w, "")
	row(w, "PARAMETER", "TYPE", "DEFAULT", "IS", "DESCRIPTION")
	for _, p := range a.Parameters {
		var is []string
		for _, f := range []struct {
			holds bool
			word  string
		}{{p.Required, "required"}, {p.Unique, "unique"}, {p.Deprecated, "deprecated"}, {p.Secret, "secret"}} {
			if f.holds {
				is = append(is, f.word)
			}
		}
		row(w, p.Name, p.Type, p.Default, strings.Join(is, ", "), strings.Join(strings.Fields(p.Short), " "))
	}
}
