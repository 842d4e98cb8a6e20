package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"thalassa/bootstrap"
	"thalassa/membership"
	"thalassa/pacemaker"
	"thalassa/services"
)

// newNodeService is what systemd starts for a connection to thalassa-node.socket.
func newNodeService(env environment) *cobra.Command {
	return newQuestion(env, "node-service", "Answer one question about the cluster's services on this node", "thalassa-node.socket",
		func(ctx context.Context, conn net.Conn, caller string) error {
			return services.Serve(ctx, conn, caller, services.New(services.Config{}))
		})
}

// newMembershipService is what systemd starts for a connection to thalassa-membership.socket.
func newMembershipService(env environment) *cobra.Command {
	return newQuestion(env, "membership-service", "Let this node join or leave a cluster, or invite others, for the agent", "thalassa-membership.socket",
		func(ctx context.Context, conn net.Conn, caller string) error {
			cfg := bootstrap.Config{Cluster: pacemaker.New(pacemaker.Config{Stream: env.CIBProgram})}
			return membership.Serve(ctx, conn, caller, membership.Carry(cfg))
		})
}

// newQuestion is a command that answers one question on the socket that is its standard input.
func newQuestion(env environment, use, short, unit string, answer func(ctx context.Context, conn net.Conn, caller string) error) *cobra.Command {
	caller := ""
	cmd := &cobra.Command{
		Use:    use,
		Short:  short,
		Hidden: true,
		Args:   arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, ok := env.Stdin.(*os.File)
			if !ok {
				return usageError{errors.New("standard input is no socket; systemd starts this command, see " + unit)}
			}
			conn, err := net.FileConn(in)
			if err != nil {
				return usageError{fmt.Errorf("standard input is no socket; systemd starts this command, see %s: %w", unit, err)}
			}
			return answer(cmd.Context(), conn, caller)
		},
	}
	cmd.Flags().StringVar(&caller, "user", "", "`user` who may ask, beside root")
	return cmd
}
