package cli

import (
	"github.com/spf13/cobra"

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
