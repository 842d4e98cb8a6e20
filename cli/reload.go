package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	nodeapi "thalassa/api/node"
	"thalassa/client"
)

// reloaded is the answer to a reload, as the agent gives it.
type reloaded struct {
	nodeapi.Reloaded
	client.Applied
}

func newReload(env environment) *cobra.Command {
	r := &remote{env: env}
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Reload HAProxy, so that it reads renewed files",
		Long: `Reloads HAProxy, so that it reads files again that haproxy.cfg names: certificates, maps,
error files. The command returns when the new worker serves. The health of servers is
kept. If HAProxy does not accept a file, the previous worker keeps serving and the exit
code is 5.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			h, applied, err := client.Reload(cmd.Context(), c)
			if err != nil {
				return err
			}
			err = r.show(reloaded{nodeapi.Reloaded{HAProxy: h}, applied}, func(w io.Writer) {
				switch {
				case !applied.Applied:
					row(w, "haproxy not reloaded")
				case applied.Path == "none":
					row(w, "nothing to reload: "+haproxyLine(h))
				default:
					row(w, fmt.Sprintf("haproxy reloaded after %.0f ms, worker %d serves", applied.DurationMS, h.WorkerPID))
				}
			})
			if err == nil && !applied.Applied {
				return fmt.Errorf("%w: %s", errNotReady, applied.Reason)
			}
			return err
		},
	}
	r.flags(cmd)
	return cmd
}
