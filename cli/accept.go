package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newAccept(env environment) *cobra.Command {
	r := &remote{env: env}
	cmd := &cobra.Command{
		Use:   "accept SERVICE",
		Short: "Believe Consul that instances of a service are gone",
		Long: `Lets go of the instances that a service holds: those that Consul suddenly did not
list any more, and that are kept until that is confirmed. "thalassa status" shows
them and why. When the service holds nothing, the exit code is 4.`,
		Args:              arguments,
		ValidArgsFunction: r.complete(false, serviceNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client()
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
			_, err = fmt.Fprintf(env.Stdout, "service/%s is as Consul has it, with %s\n", s.Service, count(len(s.Instances), "instance"))
			return err
		},
	}
	r.flags(cmd)
	return cmd
}
