package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/ocf"
)

// ocfError ends the resource agent with a code of its own.
type ocfError struct{ ocf.Result }

func (e ocfError) Error() string { return e.Code.String() + ": " + e.Reason }

// Unwrap says that Pacemaker has been told.
func (e ocfError) Unwrap() error { return errReported }

func newOCF(env environment) *cobra.Command {
	return &cobra.Command{
		Use:   "ocf ACTION",
		Short: "Act as the Pacemaker resource agent ocf:thalassa:haproxy",
		Long: `Runs one action of the resource agent: start, stop, monitor, reload, reload-agent,
validate-all or meta-data. Pacemaker calls this command through the file
thalassa/haproxy in its directory of resource agents.

Parameters come from environment variables such as OCF_RESKEY_config; meta-data
describes them. Exit codes are those of the OCF resource agent API: 0 success,
1 failure, 2 not possible on this node, 3 unknown action, 5 not installed, 6 wrong
parameters, 7 not running, 190 running but degraded.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			r := ocf.Do(cmd.Context(), ocf.Config{Health: agentHealth, Logger: slog.New(slog.NewTextHandler(env.Stderr, nil))}, env.ocfRequest(args[0]))
			if _, err := fmt.Fprint(env.Stdout, r.Output); err != nil {
				return err
			}
			switch r.Code {
			case ocf.OK:
				if r.Reason != "" { // a success that is none for everybody
					fmt.Fprintln(env.Stderr, "ocf-exit-reason:"+r.Reason)
				}
				return nil
			case ocf.NotRunning: // is no failure by itself
				fmt.Fprintln(env.Stderr, r.Reason)
			default:
				fmt.Fprintln(env.Stderr, "ocf-exit-reason:"+r.Reason) // Pacemaker shows this
			}
			return ocfError{r}
		},
	}
}

// ocfRequest reads the environment that Pacemaker gives to resource agents.
func (env environment) ocfRequest(action string) ocf.Request {
	r := ocf.Request{Action: action, Parameters: map[string]string{}}
	for _, name := range ocf.ParameterNames() {
		r.Parameters[name] = env.Getenv("OCF_RESKEY_" + name)
	}
	r.Level, _ = strconv.Atoi(env.Getenv("OCF_CHECK_LEVEL")) // 0 when there is none
	if ms, err := strconv.Atoi(env.Getenv("OCF_RESKEY_CRM_meta_timeout")); err == nil {
		r.Timeout = time.Duration(ms) * time.Millisecond
	}
	return r
}

// agentHealth asks an agent what is wrong with it.
func agentHealth(ctx context.Context, url string) ([]string, error) {
	c, err := client.New(client.Config{Address: url, Transport: &http.Transport{DisableKeepAlives: true}})
	if err != nil {
		return nil, err
	}
	r, err := c.Readiness(ctx)
	if err != nil {
		return nil, err
	}
	wrong := r.Reasons
	for _, stale := range r.Stale {
		wrong = append(wrong, "Consul does not answer for "+stale)
	}
	return wrong, nil
}
