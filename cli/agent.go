package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"thalassa/dev"
	"thalassa/settings"
)

func newAgent(env environment) *cobra.Command {
	var s settings.Agent
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run the node agent",
		Long: `Runs the node agent of a load balancer until it is told to stop (SIGTERM, SIGINT).
HAProxy goes on then: the next agent takes it over.

Every flag is also a key of the settings file (--config). The camelCase names of
the original Thalassa are accepted.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.Load(cmd.Flags(), env.Getenv); err != nil {
				return err
			}
			return ended(cmd.Context(), env.Agent(cmd.Context(), Node{Settings: &s, Logger: s.Logger(env.Stderr)}))
		},
	}
	s.Flags(cmd.Flags())
	return cmd
}

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
