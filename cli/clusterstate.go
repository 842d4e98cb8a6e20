package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/cluster"
	"thalassa/pacemaker"
)

// errClusterTrouble ends a look at a cluster that has problems.
var errClusterTrouble = errors.New("the cluster has problems")

func newClusterStatus(o *onNode) *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show nodes, resources, failures and the floating IP",
		Long: `Shows nodes, resources, failures and the node that has the floating IP. The exit code is
6 when something failed, no node has the floating IP although nobody stopped it, or there
is no quorum. With -f the command shows every change until Ctrl-C; with -o json it prints
a line for each.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.cluster()
			if err != nil {
				return err
			}
			if follow {
				return ended(cmd.Context(), o.follow(cmd.Context(), c))
			}
			v, err := c.Now(cmd.Context())
			if err != nil {
				return o.explained(cmd.Context(), err)
			}
			if err := o.showCluster(v); err != nil {
				return err
			}
			if v.State == cluster.StateErrors || v.State == cluster.StateNoQuorum {
				return fmt.Errorf("%w: %s", errClusterTrouble, strings.Join(v.Reasons, "; "))
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "changes as they happen, until Ctrl-C")
	return cmd
}

// explained adds to the error of a cluster that is down who has shut it down, if the agent of this
// node knows.
func (o *onNode) explained(ctx context.Context, err error) error {
	if !cluster.IsKind(err, cluster.KindNotConnected) {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	agent, failed := (&remote{env: o.env}).client(limited)
	if failed != nil {
		return err
	}
	v, failed := client.ClusterStatus(limited, agent)
	if failed != nil || v.ShutDown == nil {
		return err
	}
	return fmt.Errorf(`%s; "thalassa cluster startup" starts it: %w`, v.ShutDown.Sentence(), err)
}

// follow shows the cluster whenever it has changed, until ctx ends.
func (o *onNode) follow(ctx context.Context, c *pacemaker.Cluster) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watcher := pacemaker.NewWatcher(c)
	ran := make(chan error, 1)
	go func() { ran <- watcher.Run(ctx) }()
	for {
		next := watcher.Changed()
		if v := watcher.View(); v.State != "" {
			if err := o.showChange(v); err != nil {
				return err
			}
		}
		select {
		case <-next:
		case <-ctx.Done():
			return <-ran
		}
	}
}

func (o *onNode) showChange(v cluster.Status) error {
	if o.output == "json" {
		return encodeLine(o.env.Stdout, v)
	}
	fmt.Fprintf(o.env.Stdout, "-- %s, CIB %s\n", time.Now().Format(time.DateTime), v.Epoch)
	return o.showCluster(v)
}

// showCluster prints the state of the cluster.
func (o *onNode) showCluster(v cluster.Status) error {
	return o.show(v, func(w io.Writer) { clusterTable(w, v) })
}

func clusterTable(w io.Writer, v cluster.Status) {
	devices := slices.DeleteFunc(slices.Clone(v.Fencing.Devices), func(d string) bool { return slices.Contains(v.Fencing.Idle, d) })
	if v.Fencing.Watchdog {
		devices = append(devices, "watchdog")
	}
	quorum, fencing := "quorum", "fencing by "+strings.Join(devices, ", ")
	if !v.Quorum {
		quorum = "NO QUORUM"
	}
	if !v.Fencing.Works() {
		fencing = "NO FENCING"
	}
	row(w, "cluster", fmt.Sprintf("%s, Pacemaker %s, DC %s, %s, %s", orDash(v.Name), orDash(v.Version), orDash(v.DC), quorum, fencing))
	row(w, "state", v.State)
	for _, r := range v.Reasons {
		row(w, "", r)
	}
	for _, ip := range v.FloatingIPs {
		row(w, "floating IP", fmt.Sprintf("%s on %s", ip.Address, orDash(strings.Join(ip.Nodes, ", "))))
	}
	row(w)
	row(w, "NODE", "STATE", "RUNS")
	for _, n := range v.Nodes {
		row(w, n.Name, n.State, orDash(strings.Join(n.Resources, ", ")))
	}
	row(w)
	row(w, "RESOURCE", "STATE", "ON")
	for _, r := range v.Resources {
		row(w, r.ID, r.State, orDash(strings.Join(r.Nodes(), ", ")))
		for _, why := range r.Why {
			row(w, "", "", why)
		}
	}
	fencingTable(w, v.FenceHistory)
	if len(v.Failures) == 0 {
		return
	}
	row(w)
	row(w, "FAILED", "OF", "ON", "CODE", "WHEN", "WHY")
	for _, f := range v.Failures {
		row(w, f.Operation, f.Resource, f.Node, fmt.Sprintf("%d %s", f.Code, f.Meaning), f.Time.Local().Format(time.DateTime), orDash(f.Reason))
	}
}

// shownFencings is how many of the latest fencing actions are shown.
const shownFencings = 5

// fencingTable prints the latest fencing actions.
func fencingTable(w io.Writer, history []cluster.FenceEvent) {
	if len(history) == 0 {
		return
	}
	row(w)
	row(w, "FENCING", "OF", "RESULT", "WHEN", "WHY")
	for _, f := range history[:min(len(history), shownFencings)] {
		when := "-"
		if !f.Time.IsZero() {
			when = f.Time.Local().Format(time.DateTime)
		}
		row(w, f.Action, f.Node, f.Status, when, orDash(f.Reason))
	}
}

// newAction is a command that does one thing to the cluster.
func newAction(o *onNode, kind, use, short string) *cobra.Command {
	a := cluster.Action{Kind: kind}
	off, force, yes := false, false, false
	object := strings.Fields(use + " none")[1]
	cmd := &cobra.Command{
		Use: use, Short: short, Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				*map[string]*string{"RESOURCE": &a.Resource, "TICKET": &a.Ticket, "NODE": &a.Node}[object] = args[0]
			}
			if len(args) > 1 {
				a.Node = args[1]
			}
			if off {
				a.Kind = cluster.EndMaintenance
			}
			a.Wait = o.wait
			return o.act(cmd.Context(), a, permission{force: force, yes: yes})
		},
	}
	o.waitFlags(cmd)
	f := cmd.Flags()
	f.BoolVar(&yes, "yes", false, "skip the confirmation")
	f.BoolVar(&force, "force", false, "action even if Pacemaker cannot predict its consequences in time")
	if slices.Contains([]string{cluster.Move, cluster.StartMaintenance, cluster.Cleanup, cluster.Refresh}, kind) {
		all := "all"
		if kind == cluster.Move {
			all = "every floating IP of HAProxy"
		}
		f.StringVar(&a.Resource, "resource", "", "`name` of the resource (default: "+all+")")
	}
	if slices.Contains([]string{cluster.StartMaintenance, cluster.Cleanup, cluster.Refresh, cluster.Clear}, kind) {
		f.StringVar(&a.Node, "node", "", "`name` of a node (default: all)")
	}
	if kind == cluster.StartMaintenance {
		f.BoolVar(&off, "off", false, "end of the maintenance")
	}
	return cmd
}

// newTicket has the commands about tickets.
func newTicket(o *onNode) *cobra.Command {
	cmd := &cobra.Command{
		Use: "ticket", Short: "Grant, revoke and pause tickets of this site", Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newAction(o, cluster.Grant, "grant TICKET", "Grant a ticket to this site"),
		newAction(o, cluster.Revoke, "revoke TICKET", "Take a ticket from this site"),
		newAction(o, cluster.Standby, "standby TICKET", "Stop or demote what depends on a ticket"),
		newAction(o, cluster.Activate, "activate TICKET", "End the standby of a ticket"),
	)
	return cmd
}

// permission is what an action may do without being asked.
type permission struct {
	force bool // without a prediction if that takes too long
	yes   bool // without a question
}

// errDeclined ends an action that somebody does not want after its prediction.
var errDeclined = errors.New("nothing was changed")

// confirm asks for an answer to the prediction where somebody can give one. What cannot be
// undone needs --yes elsewhere.
func (o *onNode) confirm(a cluster.Action, p permission) error {
	switch {
	case p.yes:
		return nil
	case isTerminal(o.env.Stdin):
		return o.ask(a.Kind + " " + a.Object())
	case a.Kind == cluster.Fence || a.Kind == cluster.ClearState:
		return usageError{fmt.Errorf("%s needs --yes where nobody can be asked", a.Kind)}
	}
	return nil
}

// ask asks at the terminal whether to go on; errDeclined: no.
func (o *onNode) ask(what string) error {
	fmt.Fprintf(o.env.Stderr, "%s? [y/N] ", what)
	answer, err := bufio.NewReader(o.env.Stdin).ReadString('\n')
	if err == nil && slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))) {
		return nil
	}
	return errDeclined
}

// act shows what the cluster will do, does it and shows the final state.
func (o *onNode) act(ctx context.Context, a cluster.Action, p permission) error {
	c, err := o.cluster()
	if err != nil {
		return err
	}
	seen, err := c.Predict(ctx, a)
	switch late := cluster.IsKind(err, cluster.KindTimedOut); {
	case late && p.force && !o.dryRun:
		fmt.Fprintln(o.env.Stderr, "thalassa: WARNING: continuing without a prediction:", err)
		seen.Text = nil
	case late && !o.dryRun:
		return fmt.Errorf("%w. Nothing has changed; --force continues without a prediction", err)
	case err != nil:
		return err
	}
	if o.dryRun {
		return o.show(seen, func(w io.Writer) { textRows(w, seen) })
	}
	if o.output != "json" {
		for _, line := range seen.Text {
			fmt.Fprintln(o.env.Stdout, line)
		}
	}
	if err := o.confirm(a, p); err != nil {
		return err
	}
	v, _, err := o.carryOut(ctx, c, a, func() (cluster.Status, error) { return c.Do(ctx, a) })
	if v.Nodes != nil {
		if shown := o.showCluster(v); shown != nil {
			return shown
		}
	}
	return err
}
