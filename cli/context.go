package cli

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"thalassa/lb"
)

func newContext(env environment) *cobra.Command {
	r := &remote{env: env}
	cmd := &cobra.Command{
		Use:   "context",
		Short: "List the agents of thalassa login, or switch to another one",
		Long: `Without a subcommand, lists the agents that "thalassa login" has stored. A star marks
the one that commands talk to. The flag --agent and THALASSA_AGENT override it.`,
		Args: arguments,
		RunE: func(*cobra.Command, []string) error { return listContexts(r) },
	}
	cmd.PersistentFlags().StringVarP(&r.output, "output", "o", "", "output `format`: json or table")
	cmd.AddCommand(
		&cobra.Command{
			Use: "use NAME", Short: "Switch to another agent", Args: arguments,
			RunE: func(_ *cobra.Command, args []string) error {
				return changeContexts(env, args[0], func(c *contexts) { c.Current = args[0] })
			},
		},
		&cobra.Command{
			Use: "remove NAME", Short: "Forget an agent and its token", Args: arguments,
			RunE: func(_ *cobra.Command, args []string) error {
				return changeContexts(env, args[0], func(c *contexts) { c.remove(args[0]) })
			},
		},
	)
	return cmd
}

// listContexts shows the contexts without their tokens.
func listContexts(r *remote) error {
	all, err := r.env.readContexts()
	if err != nil {
		return err
	}
	type shown struct {
		Name    string `json:"name"`
		URL     string `json:"url"`
		Pinned  bool   `json:"pinned"`
		Current bool   `json:"current"`
	}
	list := make([]shown, 0, len(all.List))
	for _, c := range all.List {
		list = append(list, shown{c.Name, c.URL, c.Pin != "", c.Name == all.Current})
	}
	return r.show(list, func(w io.Writer) {
		row(w, "", "NAME", "AGENT", "CERTIFICATE")
		for _, c := range list {
			mark, certificate := "", "signed by a CA"
			if c.Current {
				mark = "*"
			}
			switch {
			case c.Pinned:
				certificate = "pinned"
			case strings.HasPrefix(c.URL, "http://"):
				certificate = "none"
			}
			row(w, mark, c.Name, c.URL, certificate)
		}
	})
}

// changeContexts changes the contexts, one of which has the name.
func changeContexts(env environment, name string, change func(*contexts)) error {
	all, err := env.readContexts()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all.List, func(c connection) bool { return c.Name == name }) {
		return &lb.NotFoundError{ID: "context " + name}
	}
	change(&all)
	return env.writeContexts(all)
}
