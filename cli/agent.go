package cli

import (
	"runtime/debug"

	"github.com/spf13/cobra"

	"thalassa/settings"
)

func newAgent(env environment) *cobra.Command {
	var s settings.Agent
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run the node agent",
		Long: `Runs the node agent of a load balancer. On SIGTERM or SIGINT the agent stops; HAProxy
keeps running, and the next agent adopts it. On SIGHUP the agent reloads HAProxy, so that
it reads renewed certificates and other files, as "thalassa reload" does. Templates and
tokens need no signal.

Every flag is also a key of the settings file (--config). The camelCase flag names of
the original Thalassa also work. docs/cli.md explains each setting.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.Load(cmd.Flags(), env.Getenv); err != nil {
				return err
			}
			if env.Getenv("GOGC") == "" {
				debug.SetGCPercent(50) // on a load balancer memory costs more than the little CPU time that this takes
			}
			return ended(cmd.Context(), env.Agent(cmd.Context(), Node{Settings: &s, Logger: s.Logger(env.Stderr)}))
		},
	}
	s.Flags(cmd.Flags())
	cmd.SetUsageFunc(groupedUsage)
	return cmd
}
