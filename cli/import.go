package cli

import "github.com/spf13/cobra"

func newImport(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Carry over what another program has configured",
		Args:  arguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newImportPyHrapi(env))
	return cmd
}
