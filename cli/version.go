package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// versionLine is the answer of both version and --version.
func versionLine(root *cobra.Command) string { return "thalassa " + root.Version + "\n" }

func newVersion(env environment) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(env.Stdout, versionLine(cmd.Root()))
			return err
		},
	}
}
