package main

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/cluster"
	"thalassa/pacemaker"
)

// onNode is what the commands about the cluster have in common: they run on one
// of its nodes, with Pacemaker's own tools.
type onNode struct {
	remote // for its output

	tools  string
	wait   time.Duration
	dryRun bool
}

func newCluster(env environment) *cobra.Command {
	o := &onNode{remote: remote{env: env}}
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Set up and steer HAProxy and its floating IP in a Pacemaker cluster",
		Long: `Sets up and steers HAProxy and its floating IP in a Pacemaker cluster. These commands
run on a node of the cluster, as root or in the group haclient. Each waits until the
cluster has reached the final state, and shows it.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := cmd.PersistentFlags()
	f.StringVarP(&o.output, "output", "o", "", "`form` of the output: json, or a table")
	f.StringVar(&o.tools, "tools", "", "`folder` of Pacemaker's tools; default: where Linux keeps programs")
	cmd.AddCommand(
		newClusterPlan(o, false), newClusterPlan(o, true), newClusterStatus(o), newRollout(o),
		newAction(o, cluster.Move, "move NODE", "Bring the floating IP to a node"),
		newAction(o, cluster.Standby, "standby NODE", "Take everything off a node"),
		newAction(o, cluster.Online, "online NODE", "Let a node take part again"),
		newAction(o, cluster.StartMaintenance, "maintenance", "Keep Pacemaker's hands off the cluster, a node or a resource (--off: end that)"),
		newAction(o, cluster.Cleanup, "cleanup", "Forget failures, so that Pacemaker tries again"),
	)
	return cmd
}

func (o *onNode) cluster() (*pacemaker.Cluster, error) {
	if o.output != "" && o.output != "json" && o.output != "table" {
		return nil, usageError{fmt.Errorf("--output: %q is not known, expected json or table", o.output)}
	}
	return pacemaker.New(pacemaker.Config{Tools: o.tools, Stream: streamProgram()}), nil
}

// waitFlags declares the flags of a command that changes something.
func (o *onNode) waitFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.DurationVar(&o.wait, "wait", 2*time.Minute, "greatest `time` to wait for the final state")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would happen, and change nothing")
}

// describing is a description as flags and file have it.
type describing struct {
	pacemaker.Description

	file                  string
	addresses, parameters []string
}

func (d *describing) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&d.file, "file", "f", "", "`file` of the description (YAML: the names of these flags as keys); flags win over it")
	f.StringVar(&d.Name, "name", "haproxy", "`name` of the HAProxy resource; the others are called after it")
	f.StringVar(&d.Agent, "resource-agent", "ocf:thalassa:haproxy", "HAProxy's resource `agent`")
	f.StringSliceVar(&d.parameters, "parameter", nil, "`name=value` of the resource agent's; may be given more than once")
	f.StringVar(&d.Topology, "topology", pacemaker.Clone, "clone: HAProxy on every node; group: only where the floating IP is")
	f.StringVar(&d.Order, "order", pacemaker.Optional, "optional: a floating IP stays while HAProxy is started again beside it; mandatory: it goes down and up too")
	f.StringSliceVar(&d.addresses, "ip", nil, "floating `address` with the length of its network's prefix, e.g. 192.0.2.10/24; IPv6 too; more than one stay together")
	f.StringVar(&d.Interface, "interface", "", "network `interface` for them; default: the one that has their network")
	f.StringSliceVar(&d.Prefer, "prefer", nil, "`nodes` where the floating IPs start, the best first; they do not go back by themselves")
	f.DurationVar(&d.Monitor, "monitor", 500*time.Millisecond, "`time` between shallow looks at HAProxy")
	f.DurationVar(&d.DeepMonitor, "deep-monitor", 10*time.Second, "`time` between looks of depth 10")
	f.DurationVar(&d.AddressMonitor, "address-monitor", 5*time.Second, "`time` between looks at the floating IPs")
	f.DurationVar(&d.Start, "start-timeout", time.Minute, "greatest `time` that HAProxy takes to start")
	f.DurationVar(&d.Stop, "stop-timeout", time.Minute, "greatest `time` that it takes to stop; a node that takes longer is fenced")
	f.IntVar(&d.Stickiness, "stickiness", 100, "`score` for staying where it is")
	f.IntVar(&d.Threshold, "migration-threshold", 3, "`number` of failures that drive a resource off a node")
	f.DurationVar(&d.FailureTimeout, "failure-timeout", time.Minute, "`time` after which a failure is forgotten")
}

func (d *describing) description(cmd *cobra.Command) (pacemaker.Description, error) {
	if d.file != "" {
		if err := loadFile(cmd.Flags(), d.file); err != nil {
			return d.Description, err
		}
	}
	out := d.Description
	out.Parameters = map[string]string{}
	for _, p := range d.parameters {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			return out, mistake(cmd, "--parameter: %q is not of the form name=value", p)
		}
		out.Parameters[name] = value
	}
	for _, text := range d.addresses {
		a, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return out, mistake(cmd, "--ip: %q is not an address with the length of its prefix, e.g. 192.0.2.10/24", text)
		}
		out.Addresses = append(out.Addresses, a)
	}
	return out, nil
}

func newClusterPlan(o *onNode, apply bool) *cobra.Command {
	var d describing
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what apply would change, and what the cluster would do then",
		Args:  arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.cluster()
			if err != nil {
				return err
			}
			description, err := d.description(cmd)
			if err != nil {
				return err
			}
			p, err := c.Plan(cmd.Context(), description)
			if err != nil {
				return err
			}
			if !apply || o.dryRun {
				return o.showPlan(p, nil)
			}
			return o.apply(cmd, c, p)
		},
	}
	d.flags(cmd)
	if apply {
		cmd.Use, cmd.Short = "apply", "Write HAProxy and its floating IPs into the cluster's configuration"
		cmd.Long = `Writes HAProxy and its floating IPs into the cluster's configuration, after Pacemaker has
checked it and has simulated what it would do; then waits for that. Applied twice, the
second time changes nothing. Resources that something else has made are left alone.`
		cmd.Example = "  thalassa cluster apply --ip 192.0.2.10/24 --ip 2001:db8::10/64 --prefer lb1"
		o.waitFlags(cmd)
	}
	return cmd
}

func (o *onNode) apply(cmd *cobra.Command, c *pacemaker.Cluster, p pacemaker.Plan) error {
	if o.output != "json" {
		if err := o.showPlan(p, nil); err != nil {
			return err
		}
	}
	v, err := c.Apply(cmd.Context(), p, o.wait)
	if o.output == "json" {
		if shown := o.showPlan(p, &v); shown != nil {
			return shown
		}
	} else if v.Nodes != nil {
		fmt.Fprintln(o.env.stdout)
		if shown := o.showCluster(v); shown != nil {
			return shown
		}
	}
	return err
}

// showPlan shows a plan and, as JSON only, the state after it.
func (o *onNode) showPlan(p pacemaker.Plan, after *cluster.Status) error {
	document := struct {
		pacemaker.Plan
		Cluster *cluster.Status `json:"cluster,omitempty"`
	}{p, after}
	for _, w := range p.Warnings {
		fmt.Fprintln(o.env.stderr, "thalassa: WARNING:", w)
	}
	return o.show(document, func(w io.Writer) {
		if len(p.Changes) == 0 {
			row(w, "nothing to change")
		}
		for _, c := range p.Changes {
			row(w, c)
		}
		textRows(w, p.Consequences)
	})
}

// textRows are the sentences about what the cluster does.
func textRows(w io.Writer, c cluster.Consequences) {
	for _, line := range c.Text {
		row(w, line)
	}
	if len(c.Text) == 0 {
		row(w, "the cluster will start, stop and move nothing")
	}
}
