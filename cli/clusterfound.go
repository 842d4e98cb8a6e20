package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/bootstrap"
	"thalassa/cluster"
)

// founding is what the commands have in common that put a node into a cluster or take it out.
type founding struct {
	*onNode

	dryRun, yes bool
}

// ofMembership are the commands that make a cluster and change which nodes it has.
func ofMembership(o *onNode) []*cobra.Command {
	return []*cobra.Command{newClusterInit(o), newClusterJoin(o), newInvite(o), newSync(o), newLeave(o), newForget(o)}
}

func (f *founding) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "preview without changes")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "skip the confirmation")
}

// hostFlags declares the flags of a command that invites nodes.
func hostFlags(cmd *cobra.Command, valid *time.Duration, port *uint16) {
	cmd.Flags().DurationVar(valid, "for", 15*time.Minute, "validity `time` of the code, 10s to 24h")
	portFlag(cmd, port)
}

func portFlag(cmd *cobra.Command, port *uint16) {
	cmd.Flags().Uint16Var(port, "port", bootstrap.DefaultPort, "TCP `port` of the inviting node")
}

// config connects the steps with this node and this command.
func (f *founding) config() (bootstrap.Config, error) {
	c, err := f.cluster()
	if err != nil {
		return bootstrap.Config{}, err
	}
	return bootstrap.Config{Cluster: c, Tools: f.tools, Tell: f.tell}, nil
}

// tell shows an event: a line, or with -o json a document on a line of its own.
func (f *founding) tell(e bootstrap.Event) {
	if f.output == "json" {
		_ = json.NewEncoder(f.env.Stdout).Encode(e) // Run reports what cannot be written
		return
	}
	if e.State == "warning" {
		fmt.Fprintf(f.env.Stderr, "thalassa: WARNING: %s\n", e.Text)
		return
	}
	fmt.Fprintf(f.env.Stdout, "%-8s  %-8s  %s\n", e.Node, e.State, e.Text)
	if e.Code != "" {
		fmt.Fprintf(f.env.Stdout, "\nOn each other node, run as root:\n\n  thalassa cluster join %s\n\n"+
			"The code is valid until %s. It gives the key of the cluster to whoever has it.\n\n", e.Code, e.Expires.Local().Format(time.DateTime))
	}
}

// agreed shows what a command is about to do, and reports whether it is to go on.
func (f *founding) agreed(verb string, outlook bootstrap.Outlook) (bool, error) {
	if f.dryRun || f.output != "json" {
		if err := f.show(outlook, func(w io.Writer) { outlookRows(w, outlook) }); err != nil {
			return false, err
		}
	}
	switch {
	case f.dryRun:
		return false, nil
	case f.yes || len(outlook.Steps) == 0:
		return true, nil
	case !isTerminal(f.env.Stdin):
		return false, usageError{fmt.Errorf("nobody can be asked whether to %s; expected --yes", verb)}
	}
	err := f.ask(verb)
	return err == nil, err
}

func outlookRows(w io.Writer, outlook bootstrap.Outlook) {
	if len(outlook.Steps) == 0 {
		row(w, "nothing to do on this node")
		return
	}
	row(w, "on this node:")
	for _, s := range outlook.Steps {
		row(w, "  "+s)
	}
	if outlook.Conf != "" {
		row(w)
		for line := range strings.Lines(outlook.Conf) {
			row(w, "  "+strings.TrimRight(line, "\n"))
		}
	}
}

// nodeFlags declares the flags about this node.
func nodeFlags(cmd *cobra.Command, name *string, addresses *[]string) {
	cmd.Flags().StringVar(name, "node", "", "`name` of this node (default: its host name)")
	cmd.Flags().StringSliceVar(addresses, "address", nil, "`address` of this node for corosync; repeatable, one for each network")
}

func nodeName(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	return bootstrap.HostName()
}

func newClusterInit(o *onNode) *cobra.Command {
	f := &founding{onNode: o}
	var w bootstrap.Founding
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make this node the first one of a new cluster, and invite others",
		Long: `Makes this node the first one of a new cluster: writes corosync.conf and the key, starts
corosync and Pacemaker, and waits until the node is online. Then it shows a code, and waits
until the other nodes have joined with it. Run it as root.

It overwrites nothing of another cluster. If a step fails, it takes back what it has done.
After a crash, run it again. thalassa cluster leave takes it back.`,
		Example: "  thalassa cluster init --name edge --address 192.0.2.1 --nodes 3",
		Args:    arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := f.config()
			if err != nil {
				return err
			}
			if len(w.Addresses) == 0 {
				return mistake(cmd, "--address: expected an address of this node that the other nodes can reach")
			}
			if w.Node, err = nodeName(w.Node); err != nil {
				return err
			}
			outlook, err := bootstrap.ForeseeInit(cmd.Context(), cfg, w)
			if err != nil {
				return err
			}
			if ok, err := f.agreed("found the cluster "+w.Cluster, outlook); !ok {
				return err
			}
			if err := bootstrap.Init(cmd.Context(), cfg, w); err != nil {
				return err
			}
			return f.next()
		},
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&w.Cluster, "name", "", "`name` of the cluster")
	cmd.Flags().IntVar(&w.Nodes, "nodes", 2, "`number` of nodes that the cluster is to have")
	nodeFlags(cmd, &w.Node, &w.Addresses)
	hostFlags(cmd, &w.For, &w.Port)
	return cmd
}

// next says how to go on.
func (f *founding) next() error {
	if f.output == "json" {
		return nil
	}
	_, err := fmt.Fprintln(f.env.Stdout, "\nThe cluster is complete. HAProxy and its floating IP: thalassa cluster apply")
	return err
}

func newClusterJoin(o *onNode) *cobra.Command {
	f := &founding{onNode: o}
	var j bootstrap.Joining
	var by *byAgent
	cmd := &cobra.Command{
		Use:   "join CODE",
		Short: "Let this node join a cluster",
		Long: `Lets this node join the cluster whose node has shown the code (thalassa cluster init or
invite). It gets corosync.conf and the key from that node, starts corosync and Pacemaker,
and waits until both nodes see it online. Run it as root.

CODE - reads the code from standard input, where no other user of the machine sees it. It
overwrites nothing of another cluster. If a step fails, it takes back what it has done, and
so does the other node. After a crash, run it again. If further nodes are to join, it stays
until they have, because this node needs a new corosync.conf then.

With --agent, the agent of another node lets that node join, if thalassa-membership.socket is
enabled there.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			code, err := f.code(args[0])
			if err != nil {
				return err
			}
			if by.isAsked(cmd) {
				if err := local(cmd, "tools", "dry-run"); err != nil {
					return err
				}
				return by.join(cmd.Context(), cluster.Joining{Code: code, Node: j.Node, Addresses: j.Addresses})
			}
			j.Code = code
			cfg, err := f.config()
			if err != nil {
				return err
			}
			if j.Node, err = nodeName(j.Node); err != nil {
				return err
			}
			if len(j.Addresses) == 0 {
				if j.Addresses, err = bootstrap.AddressTowards(cmd.Context(), j.Code); err != nil {
					return err
				}
			}
			outlook, err := bootstrap.ForeseeJoin(cmd.Context(), cfg, j)
			if err != nil {
				return err
			}
			if ok, err := f.agreed("join the cluster as "+j.Node, outlook); !ok {
				return err
			}
			return bootstrap.Join(cmd.Context(), cfg, j)
		},
	}
	f.flags(cmd)
	nodeFlags(cmd, &j.Node, &j.Addresses)
	by = f.remotely(cmd)
	return cmd
}

// code is the argument, or what standard input has.
func (f *founding) code(given string) (string, error) {
	if given != "-" {
		return given, nil
	}
	line, err := bufio.NewReader(io.LimitReader(f.env.Stdin, 4<<10)).ReadString('\n')
	if err != nil && line == "" {
		return "", usageError{fmt.Errorf("reading the code from standard input: %w", err)}
	}
	return strings.TrimSpace(line), nil
}

func newInvite(o *onNode) *cobra.Command {
	f := &founding{onNode: o}
	var i bootstrap.Invitation
	var by *byAgent
	end := false
	cmd := &cobra.Command{
		Use:   "invite",
		Short: "Show a code with which other nodes can join the cluster",
		Long: `Shows a code, and waits until other nodes have joined with it. Each node that is in the
cluster already needs the new corosync.conf: thalassa cluster sync on it gets it. All nodes
must be online. Run it as root.

With --agent, an agent of the cluster makes the code and waits, and the agents of the other
nodes get the new corosync.conf, if thalassa-membership.socket is enabled on all of them. The
command ends at once.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case end && !by.isAsked(cmd):
				return mistake(cmd, "--end: expected --agent too; without it, the invitation ends with its command")
			case end:
				return by.endInvitation(cmd.Context())
			case by.isAsked(cmd):
				if err := local(cmd, "tools", "port"); err != nil {
					return err
				}
				return by.invite(cmd.Context(), cluster.Inviting{For: i.For, Nodes: i.Nodes})
			}
			cfg, err := f.config()
			if err != nil {
				return err
			}
			return bootstrap.Invite(cmd.Context(), cfg, i)
		},
	}
	cmd.Flags().IntVar(&i.Nodes, "nodes", 1, "`number` of nodes that may join")
	cmd.Flags().BoolVar(&end, "end", false, "end the open invitation of the agent")
	hostFlags(cmd, &i.For, &i.Port)
	by = f.remotely(cmd)
	return cmd
}

func newSync(o *onNode) *cobra.Command {
	f := &founding{onNode: o}
	var s bootstrap.Syncing
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Get the new corosync.conf from the node that invites or forgets",
		Long: `Gets the new corosync.conf while another node runs thalassa cluster invite or forget, and
stays until that ends. Both nodes prove that they have the key of the cluster. Run it as
root.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := positive(cmd, "wait"); err != nil {
				return err
			}
			cfg, err := f.config()
			if err != nil {
				return err
			}
			return bootstrap.Sync(cmd.Context(), cfg, s)
		},
	}
	cmd.Flags().DurationVar(&s.Wait, "wait", 30*time.Second, "maximum `time` to look for such a node")
	portFlag(cmd, &s.Port)
	return cmd
}

func newLeave(o *onNode) *cobra.Command {
	f := &founding{onNode: o}
	var by *byAgent
	cmd := &cobra.Command{
		Use:   "leave [NODE]",
		Short: "Take this node, or another one, out of its cluster",
		Long: `Takes back what thalassa cluster init or join has done on this node: stops Pacemaker and
corosync, and brings back the files as they were. Pacemaker moves its resources to other
nodes first. On the last node, this ends the cluster. Run it as root.

The other nodes still know the node: run thalassa cluster forget on one of them.

With NODE, an agent of the cluster has that node leave, and all others forget it, if
thalassa-membership.socket is enabled on all of them. A node that is off is forgotten.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return by.leave(cmd.Context(), args[0])
			}
			if by.isAsked(cmd) {
				return mistake(cmd, "expected NODE with --agent: the agent of a node that stays has another one leave")
			}
			return f.change(cmd.Context(), "leave the cluster", bootstrap.ForeseeLeave, bootstrap.Leave)
		},
	}
	f.flags(cmd)
	by = f.remotely(cmd)
	return cmd
}

// change shows what it would do, asks, and does it.
func (f *founding) change(ctx context.Context, verb string, foresee func(context.Context, bootstrap.Config) (bootstrap.Outlook, error), do func(context.Context, bootstrap.Config) error) error {
	cfg, err := f.config()
	if err != nil {
		return err
	}
	outlook, err := foresee(ctx, cfg)
	if err != nil {
		return err
	}
	if ok, err := f.agreed(verb, outlook); !ok {
		return err
	}
	return do(ctx, cfg)
}

func newForget(o *onNode) *cobra.Command {
	f := &founding{onNode: o}
	var of bootstrap.Forgetting
	var by *byAgent
	cmd := &cobra.Command{
		Use:   "forget NODE...",
		Short: "Remove nodes that have left from the configuration of the others",
		Long: `Removes nodes that are offline from corosync.conf on all other nodes and from Pacemaker's
configuration. Run it as root, on one node. Each further node needs the new corosync.conf:
thalassa cluster sync on it gets it. Nodes that are off for good go together.

Without quorum, or for a node that was not fenced, it needs --down: your word that the nodes
are off. If one of them runs, both sides may run the same resources.

With --agent, an agent of the cluster does it, and the agents of the other nodes get the new
corosync.conf, if thalassa-membership.socket is enabled on all nodes that stay.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if by.isAsked(cmd) {
				if err := local(cmd, "tools", "port"); err != nil {
					return err
				}
				return by.forget(cmd.Context(), args, of.Down)
			}
			of.Nodes = args
			return f.change(cmd.Context(), "forget "+strings.Join(args, ", "),
				func(ctx context.Context, cfg bootstrap.Config) (bootstrap.Outlook, error) {
					return bootstrap.ForeseeForget(ctx, cfg, of)
				},
				func(ctx context.Context, cfg bootstrap.Config) error {
					return bootstrap.Forget(ctx, cfg, of)
				})
		},
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&of.Down, "down", false, "confirm that the nodes are off, also without quorum")
	portFlag(cmd, &of.Port)
	by = f.remotely(cmd)
	return cmd
}
