package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"thalassa/settings"
)

// lastLines is how long the end of the agent waits for the reader of its log.
const lastLines = time.Second

func newAgent(env environment) *cobra.Command {
	var s settings.Agent
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run the node agent",
		Long: `Runs the node agent of a load balancer. On SIGTERM or SIGINT the agent stops; HAProxy
keeps running, and the next agent adopts it. On SIGHUP the agent reads its settings, the
template and the token files again, and reloads HAProxy, so that it reads renewed
certificates and other files. docs/cli.md says which settings can change without a
restart; the others are logged. Wrong settings change nothing. "thalassa reload" reloads
HAProxy alone. Templates and tokens need no signal.

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
			return runAgent(cmd.Context(), env, &s)
		},
	}
	s.Flags(cmd.Flags())
	cmd.SetUsageFunc(groupedUsage)
	return cmd
}

// runAgent runs the agent. Its log, and what it ended with, wait for no reader.
func runAgent(ctx context.Context, env environment, s *settings.Agent) error {
	logger, log := s.QueuedLogger(env.Stderr)
	defer log.Flush(lastLines)
	err := ended(ctx, env.Agent(ctx, Node{Settings: s, Logger: logger, Log: log}))
	if err == nil || interrupted(ctx, err) {
		return err
	}
	fmt.Fprintln(log, "thalassa:", describe(err))
	return errors.Join(errReported, err)
}
