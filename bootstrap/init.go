package bootstrap

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"thalassa/corosync"
)

// keyBytes is the size of a new key, as corosync-keygen makes it.
const keyBytes = 256

// A Founding is what a new cluster is to be.
type Founding struct {
	Cluster   string
	Node      string   // name of this node
	Addresses []string // of this node, one for each link
	// Nodes is how many nodes the cluster is to have, with this one. The others are invited.
	Nodes int
	// For and Port are those of the Invitation.
	For  time.Duration
	Port uint16
}

func (f Founding) first() corosync.Node { return corosync.Node{Name: f.Node, Addresses: f.Addresses} }

// An Outlook is what a command is about to do.
type Outlook struct {
	Steps []string `json:"steps"`          // sentences, in their order
	Conf  string   `json:"conf,omitempty"` // corosync.conf as it will be; empty: not known yet
}

// ForeseeInit checks everything that Init checks, and returns what it would do. It changes nothing.
func ForeseeInit(ctx context.Context, cfg Config, f Founding) (Outlook, error) {
	n, err := open(ctx, cfg)
	if err != nil {
		return Outlook{}, err
	}
	defer n.close()
	conf, err := n.checkInit(f)
	if err != nil {
		return Outlook{}, err
	}
	return Outlook{Steps: n.sentences(), Conf: string(conf.Bytes())}, nil
}

// sentences are the steps that are not done.
func (n *node) sentences() []string {
	var all []string
	if n.journal.Complete {
		return nil
	}
	for _, s := range n.asSetup().steps() {
		all = append(all, s.does)
	}
	return all
}

func (n *node) checkInit(f Founding) (corosync.Config, error) {
	conf, err := corosync.New(corosync.Settings{Cluster: f.Cluster, NoForce: needsFallback()}, f.first())
	if err != nil {
		return conf, err
	}
	if f.Nodes < 1 || f.Nodes > corosync.MaxNodes {
		return conf, &corosync.FieldError{Field: "nodes", Value: strconv.Itoa(f.Nodes), Expected: fmt.Sprintf("1 to %d", corosync.MaxNodes)}
	}
	if err := f.invitation(f.Nodes - 1).check(0); err != nil {
		return conf, err
	}
	if err := n.checkAddresses(f.Addresses); err != nil {
		return conf, err
	}
	if err := n.checkJournal(actionInit, f.Node, f.Addresses); err != nil {
		return conf, err
	}
	if n.journal.exists && n.journal.Cluster != f.Cluster {
		return conf, conflict("this node is, or was about to be, in the cluster %q; thalassa cluster leave takes that back", n.journal.Cluster)
	}
	if n.journal.Complete {
		return conf, nil
	}
	return conf, n.checkBare()
}

func (f Founding) invitation(nodes int) Invitation {
	return Invitation{Nodes: nodes, For: f.For, Port: f.Port}
}

// Init makes this node the first one of a new cluster, and then invites the others as Invite does.
// When it returns without error, all nodes are online and have quorum. After a crash, or the end of
// an invitation, the same call goes on.
func Init(ctx context.Context, cfg Config, f Founding) error {
	n, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer n.close()
	conf, err := n.checkInit(f)
	if err != nil {
		return err
	}
	if n.journal.Complete {
		n.tell(Event{Step: "node", State: "kept", Text: fmt.Sprintf("this node is the first one of the cluster %s already", f.Cluster)})
		if err := n.isThere(ctx, f.Node); err != nil {
			return err
		}
	} else if err := n.found(ctx, f, conf); err != nil {
		return err
	}
	n.warnOfFencing(ctx)
	if _, err := n.settleAdding(ctx, f.invitation(0)); err != nil {
		return err
	}
	if conf, _, _, err = n.readCluster(); err != nil {
		return err
	}
	if missing := f.Nodes - len(conf.Nodes()); missing > 0 {
		if err := n.invite(ctx, f.invitation(missing)); err != nil {
			return err
		}
		if conf, _, _, err = n.readCluster(); err != nil {
			return err
		}
	}
	for _, node := range conf.Nodes() {
		if err := n.isThere(ctx, node.Name); err != nil {
			return err
		}
	}
	return nil
}

// isThere reports which node of a cluster that is set up is not online, or has no quorum.
func (n *node) isThere(ctx context.Context, name string) error {
	err := n.awaitOnline(ctx, name, n.cfg.Silence)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return conflict("%v. If corosync and Pacemaker are stopped there, start them: systemctl start corosync pacemaker", err)
	}
	return nil
}

// found does the steps of the first node.
func (n *node) found(ctx context.Context, f Founding, conf corosync.Config) error {
	if !n.journal.exists {
		key := make([]byte, keyBytes)
		_, _ = rand.Read(key) // never fails
		if err := n.journal.put(fileKey, key); err != nil {
			return err
		}
		if err := n.journal.put(fileConf, conf.Bytes()); err != nil {
			return err
		}
		n.journal.record = record{Action: actionInit, Cluster: f.Cluster, Node: f.Node, Addresses: f.Addresses}
		n.journal.noteKey(key)
		if err := n.journal.save(); err != nil {
			return err
		}
	}
	return n.complete(ctx)
}

// complete does all steps, and notes that this node is in the cluster.
func (n *node) complete(ctx context.Context) error {
	if err := n.asSetup().run(ctx, n.asSetup().steps()); err != nil {
		return err
	}
	return n.finish()
}

// finish notes that this node is in the cluster, and removes the copy of the key.
func (n *node) finish() error {
	n.journal.Complete = true
	if err := n.journal.save(); err != nil {
		return err
	}
	if err := os.Remove(n.journal.path(fileKey)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a copy of the key: %w", err)
	}
	return n.journal.forgetID()
}
