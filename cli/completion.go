package cli

import (
	"github.com/spf13/cobra"
)

func newCompletion(env environment) *cobra.Command {
	return &cobra.Command{
		Use:       "completion SHELL",
		Short:     "Print the completion script for bash, zsh or fish",
		Example:   "  source <(thalassa completion bash)\n  thalassa completion fish > thalassa.fish",
		Args:      arguments,
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(env.Stdout, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(env.Stdout)
			case "fish":
				return cmd.Root().GenFishCompletion(env.Stdout, true)
			}
			return mistake(cmd, "%q is not supported, expected bash, zsh or fish", args[0])
		},
	}
}
