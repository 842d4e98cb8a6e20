package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/lb"
)

// deployHelp is the long description of `thalassa deploy`.
const deployHelp = `Switches a backend to another version of its service, and returns when new requests go
to that version. When the version has no healthy instance, nothing changes and the exit
code is 4. VERSION may name several versions with weights: 1.0.0=90,1.1.0=10.

With --canary the agent gives the version its traffic in steps; each step lasts --every.
In each step the agent watches HAProxy's counters of the version's members. The backend
goes back to the previous version, with exit code 4, when

  - a condition of --abort-on is met after at least --min-requests requests,
  - the version has no healthy instance left, or
  - the command is interrupted with Ctrl-C, or the agent does not hear of it for a minute.

With --detach the command ends after the first step, and the agent continues alone.
"thalassa canary" shows the canary, and pauses, resumes, finishes or ends it.

Conditions are separated by commas:

  5xx>P%       responses with a status of 500 or more, in percent of the requests
  errors>P%    requests without a connection or without a complete response, in percent
  rtime>TIME   mean response time, up to the response headers, e.g. 500ms

A deploy or another change of the backend ends the canary: the backend stays as it was
changed, and the exit code is 4.

With --drain the command then waits until former members have no request or connection
in progress. They get no new requests after the deploy. When the time is over, the
command prints what is left and ends with exit code 6; the deploy stays in effect.`

// A deployment is `thalassa deploy`.
type deployment struct {
	*remote
	request client.DeployRequest
	steps   canaryFlags
	within  time.Duration // for the last connections to former members; 0: they are not waited for
}

func newDeploy(env environment) *cobra.Command {
	d := &deployment{remote: &remote{env: env}}
	cmd := &cobra.Command{
		Use:   "deploy BACKEND VERSION",
		Short: "Switch a backend to another version, at once or in steps",
		Long:  deployHelp,
		Example: `  thalassa deploy live 1.1.0 --wait 30s
  thalassa deploy live 1.0.0=90,1.1.0=10
  thalassa deploy live 1.1.0 --canary 5,25,50,100 --every 1m --abort-on "5xx>1%,rtime>500ms"`,
		Args:              arguments,
		ValidArgsFunction: d.complete(false, dynamicKeys, versionsOf),
		RunE:              func(cmd *cobra.Command, args []string) error { return d.run(cmd, args[0], args[1]) },
	}
	d.flags(cmd)
	f := cmd.Flags()
	f.DurationVar(&d.request.Wait, "wait", 0, "maximum `time` to wait for a healthy instance, e.g. 30s")
	f.StringVar(&d.request.Service, "service", "", "Consul `service` to switch to (default: the present one)")
	f.BoolVar(&d.request.Force, "force", false, "deploy even without a healthy instance")
	f.DurationVar(&d.within, "drain", 0, "maximum `time` to wait for the last connections to former members")
	d.steps.flags(f)
	return cmd
}

// run deploys a version, or several with their weights, to a backend.
func (d *deployment) run(cmd *cobra.Command, backend, version string) error {
	if err := parseTarget(cmd, version, &d.request); err != nil {
		return err
	}
	isCanary, err := d.steps.parse(cmd, d.request)
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("drain") && d.within <= 0 {
		return mistake(cmd, "--drain: %s is too short, expected more than 0s", d.within)
	}
	c, err := d.client(cmd.Context())
	if err != nil {
		return err
	}
	if isCanary {
		err = d.canary(cmd.Context(), c, backend, d.steps.request(d.request))
	} else {
		err = d.deploy(cmd.Context(), c, backend, d.request)
	}
	if err != nil || d.within == 0 {
		return err
	}
	return d.drain(cmd.Context(), c, client.Drain{Backend: backend, Deployed: deployedVersions(d.request), Within: d.within})
}

// parseTarget reads one version, or several with their weights.
func parseTarget(cmd *cobra.Command, text string, d *client.DeployRequest) error {
	if !strings.Contains(text, "=") {
		d.Version = text
		return nil
	}
	var err error
	if d.Versions, err = lb.ParseSplit(text); err != nil {
		return mistake(cmd, "VERSION: %w", err)
	}
	return nil
}

// drain waits for the last connections to former members, and tells of them.
func (r *remote) drain(ctx context.Context, c *client.Client, d client.Drain) error {
	d.Report = func(state client.Drained) error {
		if r.output == "json" {
			return encodeLine(r.env.Stdout, state)
		}
		_, err := fmt.Fprintln(r.env.Stdout, state)
		return err
	}
	done, err := d.Run(ctx, c)
	if err != nil {
		return err
	}
	return d.Report(done)
}

// deployedVersions are those that get the traffic by a deploy.
func deployedVersions(d client.DeployRequest) []lb.Version {
	if len(d.Versions) > 0 {
		return d.Versions.Active()
	}
	return []lb.Version{lb.Version(d.Version)}
}

// deploy carries out a deploy in one step.
func (r *remote) deploy(ctx context.Context, c *client.Client, key string, d client.DeployRequest) error {
	b, applied, err := c.Deploy(ctx, key, d)
	if err != nil {
		return err
	}
	return r.showApplied(deployed(b.ID, b.Name, b.Selection(), len(b.Members)), changedBackend{b, applied}, applied)
}

func deployed(id, service, selection string, members int) string {
	return fmt.Sprintf("%s is at %s %s with %s", id, service, selection, count(members, "member"))
}
