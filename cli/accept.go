package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newAccept(env environment) *cobra.Command {
	r := &remote{env: env}
	cmd := &cobra.Command{
		Use:   "accept SERVICE",
		Short: "Confirm that held instances of a service are gone",
		Long: `Confirms that the held instances of a service are gone. When Consul suddenly stops
listing many instances of a service, the agent holds them until the loss is confirmed.
"thalassa status" shows held instances and the reason. The exit code is 4 when the
service has no held instances.`,
		Args:              arguments,
		ValidArgsFunction: r.complete(false, serviceNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			s, err := c.Accept(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if r.output == "json" {
				return encodeLine(env.Stdout, s)
			}
			_, err = fmt.Fprintf(env.Stdout, "service/%s follows Consul again, with %s\n", s.Service, count(len(s.Instances), "instance"))
			return err
		},
	}
	r.flags(cmd)
	return cmd
}
