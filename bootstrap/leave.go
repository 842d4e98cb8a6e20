package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"thalassa/cluster"
	"thalassa/corosync"
	"thalassa/internal/safefile"
)

// ForeseeLeave checks what Leave checks, and returns what it would do. It changes nothing.
func ForeseeLeave(ctx context.Context, cfg Config) (Outlook, error) {
	n, err := open(ctx, cfg)
	if err != nil {
		return Outlook{}, err
	}
	defer n.close()
	out := leaver{n}
	if err := out.checkLeave(ctx); err != nil {
		return Outlook{}, err
	}
	steps := []string{
		"stop Pacemaker, which moves its resources to other nodes, and then corosync",
		fmt.Sprintf("bring back %s as it was before, or remove it", n.conf()),
		"remove the cluster's key " + n.key(),
		"remove Pacemaker's configuration of the cluster, and bring back the former one",
		"leave the services as they were before",
	}
	if n.journal.Complete {
		steps[3] = fmt.Sprintf("set aside Pacemaker's configuration in %s, and bring back the former one", cmp.Or(n.journal.Kept, n.asSetup().kept()))
	}
	if out.isLast() {
		steps = append([]string{fmt.Sprintf("end the cluster %s: this is its last node", n.journal.Cluster)}, steps...)
	}
	return Outlook{Steps: steps}, nil
}

func (n leaver) checkLeave(ctx context.Context) error {
	if !n.journal.exists {
		return conflict("thalassa cluster init and join have done nothing on this node that could be taken back")
	}
	data, err := safefile.Read(n.conf(), maxConf)
	if errors.Is(err, fs.ErrNotExist) || n.journal.Leaving {
		return nil
	}
	if err != nil {
		return err
	}
	conf, err := corosync.Parse(data)
	if err != nil || !conf.HasOnlyLoopback() && conf.Cluster() != n.journal.Cluster {
		return conflict("%s is not that of the cluster %q: somebody has replaced it. Nothing has changed", n.conf(), n.journal.Cluster)
	}
	return n.keepsQuorum(ctx, conf)
}

// keepsQuorum refuses to take out a node without which the others have no quorum, and stop everything
// or are fenced. A cluster that has none loses nothing.
func (n leaver) keepsQuorum(ctx context.Context, conf corosync.Config) error {
	s, err := n.cfg.Cluster.Now(ctx)
	if err != nil || !s.Quorum {
		return nil //nolint:nilerr // a node that is not in a cluster takes nothing from it
	}
	var all, left, off []string
	for _, node := range conf.Nodes() {
		all = append(all, node.Name)
		switch {
		case node.Name == n.journal.Node:
		case s.NodeNamed(node.Name).IsOnline():
			left = append(left, node.Name)
		default:
			off = append(off, node.Name)
		}
	}
	votes := n.votes(ctx, conf)
	if len(left) == 0 || votes.Quorate(left, append(slices.Clone(left), n.journal.Node), all) {
		return nil
	}
	text := fmt.Sprintf("without this node, the cluster has no quorum: %s are left. Nothing has changed", votes.Left(left, all))
	if len(off) > 0 {
		text += ". First, on this node: thalassa cluster forget " + strings.Join(off, " ")
	}
	return conflict("%s", text)
}

// votes are how corosync counts a quorum; as the file says it, where corosync does not answer.
func (n leaver) votes(ctx context.Context, conf corosync.Config) corosync.Votes {
	if out, err := n.cfg.tool(ctx, "corosync-cmapctl"); err == nil {
		if v, ok := corosync.ParseVotes(out); ok {
			return v
		}
	}
	return conf.Votes()
}

// isLast reports whether this node is the only one of its cluster.
func (n leaver) isLast() bool {
	conf, _, _, err := n.readCluster()
	return err == nil && len(conf.Nodes()) == 1
}

// Leave takes this node out of the cluster: it takes back what Init and Join have done here, the
// last step first. The other nodes still have it in their corosync.conf until Forget. On the last
// node it ends the cluster. After a crash, the same call goes on.
func Leave(ctx context.Context, cfg Config) error {
	n, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer n.close()
	out := leaver{n}
	if err := out.checkLeave(ctx); err != nil {
		return err
	}
	name, last := n.journal.Node, out.isLast()
	if !n.journal.Leaving {
		n.journal.Leaving = true
		if err := n.journal.save(); err != nil {
			return err
		}
	}
	if err := n.asSetup().undoAll(ctx, n.asSetup().steps()); err != nil {
		return err
	}
	n.cfg.Tell(Event{Step: "node", State: "done", Node: name, Text: "the node is in no cluster"})
	if !last {
		n.cfg.Tell(Event{Step: "node", State: "warning", Node: name, Text: "the other nodes still count it for their quorum. On one of them, run now: thalassa cluster forget " + name})
	}
	return nil
}

// A Forgetting is which nodes are removed from a cluster, by one that stays.
type Forgetting struct {
	Nodes []string
	// Down: somebody has made sure that the nodes are off. Then no quorum is needed, and a node that
	// Pacemaker would fence first is removed as well.
	Down bool
	Port uint16 // where this node listens (DefaultPort)
}

// ForeseeForget checks what Forget checks, and returns what it would do. It changes nothing.
func ForeseeForget(ctx context.Context, cfg Config, f Forgetting) (Outlook, error) {
	n, err := open(ctx, cfg)
	if err != nil {
		return Outlook{}, err
	}
	defer n.close()
	f, conf, err := leaver{n}.checkForget(ctx, f)
	if err != nil {
		return Outlook{}, err
	}
	var steps []string
	if f.Down {
		steps = append(steps, "rely on your word that "+strings.Join(f.Nodes, ", ")+" is off: if it runs, both sides may run the same resources")
	}
	next, err := f.without(conf)
	if err != nil {
		return Outlook{}, err
	}
	if next.Version() != conf.Version() {
		steps = append(steps, "write corosync.conf without "+strings.Join(f.Nodes, ", ")+" on all nodes, and let corosync read it")
	}
	steps = append(steps, "remove "+strings.Join(f.Nodes, ", ")+" from what Pacemaker knows")
	return Outlook{Steps: steps, Conf: string(next.Bytes())}, nil
}

// Forget removes nodes that have left, or are off for good, from the configuration of corosync and
// Pacemaker on all other nodes. After a crash, the same call goes on: nodes that are not known are
// passed over while one of them is.
func Forget(ctx context.Context, cfg Config, f Forgetting) error {
	n, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer n.close()
	f, _, err = leaver{n}.checkForget(ctx, f)
	if err != nil {
		return err
	}
	return n.serveNodes(ctx, Invitation{For: defaultFor, Port: f.Port}, func(h *host, ctx context.Context) error {
		ctx, cancel := context.WithDeadline(ctx, h.code.Expires)
		defer cancel()
		if err := h.spreadWithout(ctx, f); err != nil {
			return err
		}
		if err := h.awaitOnline(ctx, h.self, h.cfg.Settle); err != nil { // Pacemaker changes nothing without quorum
			return err
		}
		for _, name := range f.Nodes {
			if err := h.forget(ctx, name); err != nil {
				return err
			}
			h.tell(Event{Step: "node", State: "done", Node: name, Text: "the node is not in the cluster"})
		}
		return nil
	})
}

// spreadWithout has all nodes use the configuration without some. An earlier run may have only written
// it, or have ended before all of them used it.
func (h *host) spreadWithout(ctx context.Context, f Forgetting) error {
	conf, _, _, err := h.readCluster()
	if err != nil {
		return err
	}
	version, err := h.cfg.inEffect(ctx)
	if err != nil {
		return err
	}
	next, err := f.without(conf)
	if err != nil {
		return err
	}
	if next.Version() == version {
		return spreading{h}.repeat(ctx)
	}
	_, err = spreading{h}.spread(ctx, func(now corosync.Config, _ []byte) (corosync.Config, error) { return f.without(now) }, f.Nodes...)
	return err
}

// without is a configuration without the nodes, as far as it has them.
func (f Forgetting) without(conf corosync.Config) (corosync.Config, error) {
	there := slices.DeleteFunc(slices.Clone(f.Nodes), func(name string) bool {
		_, ok := conf.Node(name)
		return !ok
	})
	if len(there) == 0 {
		return conf, nil
	}
	return conf.Remove(there...)
}

// A leaver is a node that takes itself or another one out of the cluster.
type leaver struct{ *node }

// checkForget checks that nodes can be forgotten, and returns what is left to do, and the
// configuration with the nodes.
func (n leaver) checkForget(ctx context.Context, f Forgetting) (left Forgetting, conf corosync.Config, err error) {
	conf, self, _, err := n.readCluster()
	if err != nil {
		return f, conf, err
	}
	s, err := n.cfg.Cluster.Now(ctx)
	if err != nil {
		return f, conf, err
	}
	if len(f.Nodes) == 0 {
		return f, conf, &corosync.FieldError{Field: "node", Value: "", Expected: "a node of this cluster"}
	}
	left = f
	left.Nodes = nil
	for i, name := range f.Nodes {
		if name == self.Name {
			return f, conf, conflict("node %s is this one; thalassa cluster leave takes it out", name)
		}
		if slices.Contains(f.Nodes[:i], name) {
			return f, conf, &corosync.FieldError{Field: "node", Value: name, Expected: "each node once"}
		}
		state := s.NodeNamed(name).State
		if _, inConf := conf.Node(name); state == "" && !inConf {
			continue
		}
		if err := f.isGone(name, state); err != nil {
			return f, conf, err
		}
		left.Nodes = append(left.Nodes, name)
	}
	switch {
	case len(left.Nodes) == 0:
		return f, conf, &corosync.FieldError{Field: "node", Value: f.Nodes[0], Expected: "another node of this cluster"}
	case !s.Quorum && !f.Down:
		return f, conf, conflict("this part of the cluster has no quorum, and other nodes may run without this one. Make sure that %s is off, and add --down", strings.Join(left.Nodes, ", "))
	}
	return left, conf, left.checkOthers(conf, self.Name, s)
}

// isGone reports why a node cannot be forgotten: it is there, or may have resources.
func (f Forgetting) isGone(name, state string) error {
	switch {
	case state == "" || state == "offline" || f.Down && state == "unclean":
		return nil
	case state == "unclean":
		return conflict("node %s is unclean: it may have resources until it was fenced. If it is off, confirm that with --down", name)
	}
	return conflict("node %s is %s, expected one that is offline; thalassa cluster leave on it takes it out", name, state)
}

// checkOthers reports which nodes that stay could not get the new configuration.
func (f Forgetting) checkOthers(conf corosync.Config, self string, s cluster.Status) error {
	var off []string
	for _, node := range conf.Nodes() {
		if node.Name != self && !slices.Contains(f.Nodes, node.Name) && !s.NodeNamed(node.Name).IsOnline() {
			off = append(off, node.Name)
		}
	}
	if len(off) > 0 {
		return conflict("%s is not online, and needs the new corosync.conf too. Start it, or forget it at the same time: thalassa cluster forget %s",
			strings.Join(off, ", "), strings.Join(slices.Concat(f.Nodes, off), " "))
	}
	return nil
}
