package cli

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/cluster"
	"thalassa/ocf"
	"thalassa/pacemaker"
	"thalassa/settings"
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
		Short: "Set up and operate HAProxy and its floating IP in a Pacemaker cluster",
		Long: `Sets up and operates HAProxy and its floating IP in a Pacemaker cluster. Run these
commands on a node of the cluster, as root or as a member of the group haclient. Each
command that changes something waits for the final state of the cluster and shows it.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := cmd.PersistentFlags()
	f.StringVarP(&o.output, "output", "o", "", "output `format`: json or table")
	f.StringVar(&o.tools, "tools", "", "`directory` of Pacemaker's tools (default: the standard directories)")
	cmd.AddCommand(
		newClusterHistory(o), newClusterExplain(o), newClusterAgents(o), newClusterPlan(o, false), newClusterPlan(o, true), newDestroy(o), newClusterStatus(o), newRollout(o),
		newClusterConfig(o), newClusterDraft(o), newClusterWizard(o), newClusterSimulate(o),
		newAction(o, cluster.Move, "move NODE", "Move the floating IP to a node"),
		newAction(o, cluster.Standby, "standby NODE", "Put a node in standby: all resources leave it"),
		newAction(o, cluster.Online, "online NODE", "Put a node back online"),
		newAction(o, cluster.StartMaintenance, "maintenance", "Start or end maintenance of the cluster, a node or a resource"),
		newAction(o, cluster.Cleanup, "cleanup", "Clear failures, so that Pacemaker tries again"),
		newAction(o, cluster.Refresh, "refresh", "Forget what is known of resources, and probe them again"),
		newAction(o, cluster.Start, "start RESOURCE", "Start a resource, or what a tag names"),
		newAction(o, cluster.Stop, "stop RESOURCE", "Stop a resource, or what a tag names"),
		newAction(o, cluster.Restart, "restart RESOURCE", "Stop a resource and start it again"),
		newAction(o, cluster.Promote, "promote RESOURCE", "Let a promotable clone have promoted instances"),
		newAction(o, cluster.Demote, "demote RESOURCE", "Demote all instances of a promotable clone"),
		newAction(o, cluster.Manage, "manage RESOURCE", "Let Pacemaker start and stop a resource again"),
		newAction(o, cluster.Unmanage, "unmanage RESOURCE", "Keep Pacemaker from starting and stopping a resource"),
		newAction(o, cluster.KeepOff, "ban RESOURCE NODE", "Keep a resource off a node by a constraint"),
		newAction(o, cluster.Clear, "clear RESOURCE", "Remove the constraints of bans and moves of a resource"),
		newAction(o, cluster.Fence, "fence NODE", "Turn a node off or restart it by force"),
		newAction(o, cluster.ClearState, "confirm-down NODE", "Confirm that a node that the cluster has lost is down"),
		newOfNodes(o, cluster.Startup, "startup [NODE]", "Start the cluster on all nodes"),
		newOfNodes(o, cluster.Shutdown, "shutdown [NODE]", "Stop the cluster on all nodes"),
		newTicket(o), newJobs(o), newClusterRun(o),
	)
	cmd.AddCommand(ofMembership(o)...)
	return cmd
}

func (o *onNode) cluster() (*pacemaker.Cluster, error) {
	if o.output != "" && o.output != "json" && o.output != "table" {
		return nil, usageError{fmt.Errorf("--output: %q is not known, expected json or table", o.output)}
	}
	other, name := pacemaker.OtherCIB(o.env.Getenv)
	if name != "" {
		fmt.Fprintln(o.env.Stderr, "thalassa: this is "+name+", not the running cluster")
	}
	return pacemaker.New(pacemaker.Config{
		Tools: o.tools, Stream: o.env.CIBProgram, OtherCIB: other, AsUser: os.Geteuid() != 0, CheckParameters: ocf.CheckParameters, Defaults: ocf.Defaults(),
	}), nil
}

// waitFlags declares the flags of a command that changes something.
func (o *onNode) waitFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.DurationVar(&o.wait, "wait", 2*time.Minute, "maximum `time` to wait for the final state, up to 10m")
	f.BoolVar(&o.dryRun, "dry-run", false, "preview without changes")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if o.wait > maxJobWait {
			return mistake(cmd, "--wait: %s is too long, expected up to %s", o.wait, maxJobWait)
		}
		return positive(cmd, "wait")
	}
}

// positive refuses durations of flags that are not above 0.
func positive(cmd *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if given, err := cmd.Flags().GetDuration(name); err != nil || given <= 0 {
			return mistake(cmd, "--%s: %s is too short, expected more than 0s", name, given)
		}
	}
	return nil
}

// describing is a description as flags and file have it.
type describing struct {
	pacemaker.Description

	file                  string
	addresses, parameters []string
	manage                string
	stickiness, threshold int
	failureTimeout        time.Duration
}

func (d *describing) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&d.file, "file", "f", "", "description `file` in YAML; flags override it")
	f.StringVar(&d.Name, "name", "haproxy", "`name` of the HAProxy resource, and prefix of the others")
	f.StringVar(&d.Agent, "resource-agent", "ocf:thalassa:haproxy", "resource `agent` of HAProxy")
	f.StringSliceVar(&d.parameters, "parameter", nil, "parameter of the resource agent, as `name=value`; repeatable")
	f.StringVar(&d.Topology, "topology", pacemaker.Clone, "`topology`: clone (HAProxy on every node) or group (beside the floating IP)")
	f.StringVar(&d.Order, "order", pacemaker.Optional, "`order` of HAProxy and floating IP: optional or mandatory")
	f.StringSliceVar(&d.addresses, "ip", nil, "floating `address` with prefix length, e.g. 192.0.2.10/24; repeatable")
	f.StringVar(&d.Interface, "interface", "", "network `interface` of the floating IPs (default: by their network)")
	f.StringVar(&d.manage, "manage-ip", "", "floating `address` of the agents with prefix length; empty: none")
	f.IntVar(&d.ManagePort, "manage-port", 10000, "`port` of the agents, for --manage-ip")
	f.StringSliceVar(&d.Prefer, "prefer", nil, "preferred `nodes` of the floating IPs at start, best first")
	f.StringSliceVar(&d.Nodes, "nodes", nil, "`nodes` that may run HAProxy and have the floating IPs (default: all)")
	f.StringSliceVar(&d.Watch, "watch-network", nil, "`interface` or address without which a node has no floating IP; repeatable")
	f.DurationVar(&d.Monitor, "monitor", 500*time.Millisecond, "`interval` of HAProxy's shallow monitor")
	f.DurationVar(&d.MonitorTimeout, "monitor-timeout", 10*time.Second, "`timeout` of HAProxy's shallow monitor")
	f.DurationVar(&d.DeepMonitor, "deep-monitor", 10*time.Second, "`interval` of HAProxy's deep monitor (depth 10)")
	f.DurationVar(&d.AddressMonitor, "address-monitor", 5*time.Second, "`interval` of the floating IPs' monitor")
	f.DurationVar(&d.Start, "start-timeout", time.Minute, "`timeout` of HAProxy's start")
	f.DurationVar(&d.Stop, "stop-timeout", time.Minute, "`timeout` of HAProxy's stop, after which the node is fenced")
	f.IntVar(&d.stickiness, "stickiness", 100, "`score` of resource stickiness")
	f.IntVar(&d.threshold, "migration-threshold", 3, "`number` of failures after which a resource leaves a node; 0: never")
	f.DurationVar(&d.failureTimeout, "failure-timeout", time.Minute, "`time` after which a failure expires; 0: never")
}

func (d *describing) description(cmd *cobra.Command) (pacemaker.Description, error) {
	if d.file != "" {
		if err := settings.LoadFile(cmd.Flags(), d.file); err != nil {
			return d.Description, err
		}
	}
	// In a Description, 0 is the default of these. Nobody who gives a 0 means that.
	if err := positive(cmd, "monitor", "monitor-timeout", "deep-monitor", "address-monitor", "start-timeout", "stop-timeout"); err != nil {
		return d.Description, err
	}
	out := d.Description
	out.Stickiness, out.Threshold, out.FailureTimeout = &d.stickiness, &d.threshold, &d.failureTimeout
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
			return out, mistake(cmd, "--ip: %q is not an address with a prefix length, e.g. 192.0.2.10/24", text)
		}
		out.Addresses = append(out.Addresses, a)
	}
	if d.manage != "" {
		a, err := netip.ParsePrefix(strings.TrimSpace(d.manage))
		if err != nil {
			return out, mistake(cmd, "--manage-ip: %q is not an address with a prefix length, e.g. 192.0.2.20/24", d.manage)
		}
		out.Manage = a
	}
	if d.ManagePort == 0 { // in a Description, that is the default
		return out, mistake(cmd, "--manage-port: 0 is no port, expected 1 to 65535")
	}
	return out, nil
}

// textRows are the sentences about what the cluster does.
func textRows(w io.Writer, c cluster.Consequences) {
	for _, line := range c.Lines() {
		row(w, line)
	}
}
