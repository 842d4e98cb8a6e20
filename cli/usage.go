package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"thalassa/settings"
)

// groupedUsage prints the usage of a command that has the settings of the agent,
// under the headings of their groups.
func groupedUsage(cmd *cobra.Command) error {
	out := cmd.OutOrStderr()
	fmt.Fprintf(out, "Usage:\n  %s\n", cmd.UseLine())
	ordered := pflag.NewFlagSet("", pflag.ContinueOnError)
	ordered.SortFlags = false
	headings := map[int]string{} // by the number of the flag below it
	add := func(heading string, flags ...*pflag.Flag) {
		for _, f := range flags {
			if f == nil || f.Hidden || ordered.Lookup(f.Name) != nil {
				continue
			}
			if heading != "" {
				headings[len(allFlags(ordered))] = heading
				heading = ""
			}
			ordered.AddFlag(f)
		}
	}
	for _, g := range settings.Groups() {
		flags := make([]*pflag.Flag, 0, len(g.Settings))
		for _, s := range g.Settings {
			flags = append(flags, cmd.Flags().Lookup(s.Name))
		}
		add(g.Title, flags...)
	}
	add("Other", allFlags(cmd.Flags())...)
	for i, line := range strings.Split(strings.TrimSuffix(ordered.FlagUsages(), "\n"), "\n") {
		if heading, begins := headings[i]; begins {
			fmt.Fprintf(out, "\n%s:\n", heading)
		}
		fmt.Fprintln(out, line)
	}
	return nil
}

// allFlags are the flags of a set in its order.
func allFlags(f *pflag.FlagSet) []*pflag.Flag {
	var list []*pflag.Flag
	f.VisitAll(func(one *pflag.Flag) { list = append(list, one) })
	return list
}
