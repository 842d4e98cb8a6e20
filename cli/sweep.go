package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"thalassa/dev"
)

// newSweep is the janitor of `thalassa dev`.
func newSweep(env environment) *cobra.Command {
	return &cobra.Command{
		Use:    "sweep DIR",
		Short:  "Wait for the end of standard input, then clear a demo's folder away",
		Hidden: true,
		Args:   arguments,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := dev.Sweep(env.Stdin, args[0], devPrefix); err != nil {
				return fmt.Errorf("clearing away: %w", err)
			}
			return nil
		},
	}
}
