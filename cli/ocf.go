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

// The types of resource agents.
const (
	ocfHAProxy = "haproxy"
	ocfAgent   = "agent"
)

func newOCF(env environment) *cobra.Command {
	kind := ""
	cmd := &cobra.Command{
		Use:   "ocf ACTION",
		Short: "Act as a Pacemaker resource agent, ocf:thalassa:haproxy or ocf:thalassa:agent",
		Long: `Runs one action of a resource agent. That of HAProxy has start, stop, monitor, reload,
reload-agent, validate-all and meta-data. That of the management endpoint (--type agent)
has start, stop, monitor, validate-all and meta-data. Pacemaker calls this command through
the files in thalassa in its directory of resource agents.

Parameters come from environment variables such as OCF_RESKEY_config; meta-data
describes them. Exit codes are those of the OCF resource agent API: 0 success,
1 failure, 2 not possible on this node, 3 unknown action, 5 not installed, 6 wrong
parameters, 7 not running, 190 running but degraded.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			var r ocf.Result
			switch kind {
			case ocfHAProxy:
				cfg := ocf.Config{Health: agentHealth, Logger: slog.New(slog.NewTextHandler(env.Stderr, nil))}
				r = ocf.Do(cmd.Context(), cfg, env.ocfRequest(args[0], ocf.ParameterNames()))
			case ocfAgent:
				r = ocf.DoEndpoint(cmd.Context(), env.ocfRequest(args[0], ocf.EndpointParameterNames()))
			default:
				return mistake(cmd, "--type: %q is unknown, expected %s or %s", kind, ocfHAProxy, ocfAgent)
			}
			return env.tellPacemaker(r)
		},
	}
	cmd.Flags().StringVar(&kind, "type", ocfHAProxy, "`type` of the resource agent: haproxy or agent")
	return cmd
}

// tellPacemaker writes a result where Pacemaker looks for it. The error is that of another
// code than 0.
func (env environment) tellPacemaker(r ocf.Result) error {
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
}

// ocfRequest reads the environment that Pacemaker gives to resource agents.
func (env environment) ocfRequest(action string, parameters []string) ocf.Request {
	r := ocf.Request{Action: action, Parameters: map[string]string{}, Instance: env.Getenv("OCF_RESOURCE_INSTANCE")}
	for _, name := range parameters {
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
