package cli

import (
	"github.com/spf13/cobra"
)

func newConfig(env environment) *cobra.Command {
	r := &remote{env: env}
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print haproxy.cfg as last written",
		Args:  arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client()
			if err != nil {
				return err
			}
			config, err := c.HAProxyConfig(cmd.Context())
			if err != nil {
				return err
			}
			out := env.exact // byte for byte, unless somebody looks at it
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
