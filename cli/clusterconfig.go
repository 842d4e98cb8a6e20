package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"thalassa/client"
)

// maxClusterObject bounds the document of an object, in bytes.
const maxClusterObject = 1 << 20

// agentCommand declares the flags of a command about the cluster that asks an agent.
func (o *onNode) agentCommand(cmd *cobra.Command) *cobra.Command {
	o.agentFlags(cmd)
	return cmd
}

// console is the cluster of an agent.
func (o *onNode) console(cmd *cobra.Command) (client.Cluster, error) {
	c, err := o.client(cmd.Context())
	if err != nil {
		return client.Cluster{}, err
	}
	return client.NewCluster(c), nil
}

func newClusterConfig(o *onNode) *cobra.Command {
	var how client.ClusterChange
	cmd := o.agentCommand(&cobra.Command{
		Use:   "config",
		Short: "Show and change the objects of the cluster's configuration",
		Long: `Shows and changes the objects of the cluster's configuration through an agent: resources,
constraints, properties, alerts and all others. Pacemaker checks each change, and the
command waits for the final state. With --draft, a draft is shown and changed instead.`,
		Example: `  thalassa cluster config list primitives
  thalassa cluster config show
  thalassa cluster config get primitives vip --xml
  echo '{"agent": "ocf:pacemaker:Dummy"}' | thalassa cluster config put primitives web -
  thalassa cluster config delete primitives web --cascade`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	})
	o.draftFlag(cmd)
	cmd.AddCommand(newConfigShow(o), newConfigList(o), newConfigGet(o), newConfigPut(o, &how), newConfigDelete(o, &how), newConfigDiff(o))
	return cmd
}

// change declares the flags of a command that changes an object.
func changeObjectFlags(cmd *cobra.Command, how *client.ClusterChange) {
	cmd.Flags().BoolVar(&how.DryRun, "dry-run", false, "preview without changes")
	cmd.Flags().DurationVar(&how.Wait, "wait", 0, "maximum `time` to wait for the final state (default 2m)")
}

func newConfigShow(o *onNode) *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use: "show", Short: "Show the whole configuration as text, without secrets",
		Long: `Shows the whole configuration without secrets: in the syntax of crmsh, the crm shell, as
"crm configure show" prints it, as XML or as JSON.`,
		Example: `  thalassa cluster config show
  thalassa cluster config show --format xml --draft week-31`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains([]string{"crm", "xml", "json"}, form) {
				return mistake(cmd, "--format: %q is not known, expected crm, xml or json", form)
			}
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			if form == "json" || o.output == "json" {
				var all json.RawMessage
				if err := c.Get(cmd.Context(), client.ClusterObjectPath("", ""), &all); err != nil {
					return err
				}
				return o.show(all, nil)
			}
			text, err := c.Text(cmd.Context(), client.ClusterConfigText(form))
			if err != nil {
				return err
			}
			_, err = o.env.Stdout.Write(text)
			return err
		},
	}
	cmd.Flags().StringVar(&form, "format", "crm", "`format`: crm (the syntax of crmsh), xml or json")
	return cmd
}

func newConfigList(o *onNode) *cobra.Command {
	return &cobra.Command{
		Use: "list [KIND]", Short: "List the objects, or those of a kind", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			all := map[string][]map[string]any{}
			if len(args) == 0 {
				err = c.Get(cmd.Context(), client.ClusterObjectPath("", ""), &all)
			} else {
				var list []map[string]any
				err = c.Get(cmd.Context(), client.ClusterObjectPath(args[0], ""), &list)
				all[args[0]] = list
			}
			if err != nil {
				return err
			}
			return o.show(all, func(w io.Writer) {
				row(w, "KIND", "ID", "IS")
				for _, kind := range slices.Sorted(maps.Keys(all)) {
					for _, object := range all[kind] {
						row(w, kind, fmt.Sprint(object["id"]), orDash(gist(object)))
					}
				}
			})
		},
	}
}

// gist says in a few words what an object is.
func gist(object map[string]any) string {
	var words []string
	for _, field := range []string{"agent", "template", "uname", "member", "rsc", "with-rsc", "first", "then", "node", "score", "kind", "ticket", "path", "target", "devices"} {
		if value, ok := object[field].(string); ok {
			words = append(words, field+"="+value)
		}
	}
	for _, field := range []string{"members", "objects", "roles"} {
		if list, ok := object[field].([]any); ok {
			words = append(words, field+"="+strings.Trim(fmt.Sprint(list), "[]"))
		}
	}
	return strings.Join(words, " ")
}

func newConfigGet(o *onNode) *cobra.Command {
	var asXML bool
	cmd := &cobra.Command{
		Use: "get KIND ID", Short: "Show an object as JSON or XML, as put accepts it", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			if asXML {
				text, err := c.XML(cmd.Context(), args[0], args[1])
				if err != nil {
					return err
				}
				_, err = o.env.Stdout.Write(text)
				return err
			}
			var object json.RawMessage
			if err := c.Get(cmd.Context(), client.ClusterObjectPath(args[0], args[1]), &object); err != nil {
				return err
			}
			return o.show(object, nil)
		},
	}
	cmd.Flags().BoolVar(&asXML, "xml", false, "as XML")
	return cmd
}

func newConfigPut(o *onNode, how *client.ClusterChange) *cobra.Command {
	cmd := &cobra.Command{
		Use: "put KIND ID FILE", Short: "Make or replace an object from a file of JSON or XML (-: standard input)", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			document, err := readDocument(o.env.Stdin, args[2])
			if err != nil {
				return err
			}
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			answer, err := c.Put(cmd.Context(), args[0], args[1], document, *how)
			if err != nil {
				return err
			}
			return o.showOutcome(answer)
		},
	}
	changeObjectFlags(cmd, how)
	return cmd
}

// readDocument reads a file, or in for "-".
func readDocument(in io.Reader, file string) ([]byte, error) {
	if file != "-" {
		data, err := readBounded(file, maxClusterObject)
		if err != nil {
			return nil, usageError{err}
		}
		return data, nil
	}
	data, err := io.ReadAll(io.LimitReader(in, maxClusterObject+1))
	if err == nil && len(data) > maxClusterObject {
		err = usageError{fmt.Errorf("standard input has more than %d bytes", maxClusterObject)}
	}
	return data, err
}

func newConfigDelete(o *onNode, how *client.ClusterChange) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete KIND ID", Short: "Remove an object", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			answer, err := c.Delete(cmd.Context(), args[0], args[1], *how)
			if err != nil {
				return err
			}
			return o.showOutcome(answer)
		},
	}
	changeObjectFlags(cmd, how)
	cmd.Flags().BoolVar(&how.Cascade, "cascade", false, "with the constraints and entries that name it")
	return cmd
}

func newConfigDiff(o *onNode) *cobra.Command {
	return &cobra.Command{
		Use: "diff DRAFT", Short: "Show what a draft changes, and what the cluster would do", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error { return o.diff(cmd, args[0]) },
	}
}

// outcome is what a change of the configuration is answered with, in a draft or without.
type outcome struct {
	Changes    []string                `json:"changes"`
	Warnings   []string                `json:"warnings"`
	Simulation struct{ Text []string } `json:"simulation"`
	Draft      *consoleDraft           `json:"draft"`
}

func (o *onNode) showOutcome(answer json.RawMessage) error {
	var out outcome
	if err := json.Unmarshal(answer, &out); err != nil {
		return fmt.Errorf("reading the agent's answer: %w", err)
	}
	for _, w := range out.Warnings {
		fmt.Fprintln(o.env.Stderr, "thalassa: WARNING:", w)
	}
	return o.show(answer, func(w io.Writer) {
		if out.Draft != nil {
			row(w, "draft "+out.Draft.ID+" changes "+orDash(strings.Join(out.Draft.Objects, ", ")))
			return
		}
		if len(out.Changes) == 0 {
			row(w, "nothing to change")
		}
		for _, line := range slices.Concat(out.Changes, out.Simulation.Text) {
			row(w, line)
		}
	})
}
