package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/settings"
)

// healthTime bounds the question whether an agent works.
const healthTime = 5 * time.Second

// newHealth asks the agent that runs with the same settings, for a supervisor that
// knows these and no address.
func newHealth(env environment) *cobra.Command {
	var s settings.Agent
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask whether the agent with these settings works",
		Long: `Takes the flags of "thalassa agent" and asks the agent at the address of these settings
for GET /healthz, without a token. The exit code is 0 if the agent works, whether or not
HAProxy accepts its configuration, and 6 if it does not answer within 5 seconds. The
container image uses this command as its HEALTHCHECK.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.Load(cmd.Flags(), env.Getenv); err != nil {
				return err
			}
			address := s.Reach()
			if address == "" {
				return usageError{errors.New("port: 0 lets the system choose a port, expected the agent's")}
			}
			c, err := client.New(client.Config{Address: "http://" + address, Timeout: healthTime})
			if err != nil {
				return usageError{err}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), healthTime)
			defer cancel()
			if err := c.Alive(ctx); err != nil {
				return fmt.Errorf("asking the agent at %s: %w", address, err)
			}
			fmt.Fprintf(env.Stdout, "the agent at %s works\n", address)
			return nil
		},
	}
	s.Flags(cmd.Flags())
	cmd.SetUsageFunc(groupedUsage)
	return cmd
}
