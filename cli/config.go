package cli

import (
	"github.com/spf13/cobra"
)

func newConfig(env environment) *cobra.Command {
	r := &remote{env: env}
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the current haproxy.cfg",
		Args:  arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			config, err := c.HAProxyConfig(cmd.Context())
			if err != nil {
				return err
			}
			out := env.exact // byte for byte, unless it goes to a terminal
			if isTerminal(out) {
				out = env.Stdout
			}
			_, err = out.Write(config)
			return err
		},
	}
	r.agentFlags(cmd)
	return cmd
}
