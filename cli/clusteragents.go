package cli

import (
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
		Long: `Lists the resource agents and fence agents that are installed on the node of an agent of
Thalassa, or shows the parameters that one of them takes.`,
		Example: `  thalassa cluster agents --class stonith
  thalassa cluster agents ocf:heartbeat:IPaddr2`,
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
	cmd.Flags().StringVar(&class, "class", "", "only those of a `class`: ocf, stonith, systemd or lsb")
	return cmd
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
