package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"thalassa/cluster/cibxml"
	"thalassa/corosync"
	"thalassa/internal/safefile"
)

// maxCIB bounds the stored configuration of Pacemaker that is looked at.
const maxCIB = 64 << 20

// ErrNotRoot is the cause of an error about a user who may not set up a cluster.
var ErrNotRoot = errors.New("expected to run as root")

// open begins the work on this node.
func open(ctx context.Context, cfg Config) (*node, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	j, err := openJournal(ctx, cfg.Journal)
	if err != nil {
		return nil, err
	}
	return &node{cfg: cfg, journal: j}, nil
}

func (n *node) close() { n.journal.close() }

// checkAddresses reports which address is not one of this machine.
func (n *node) checkAddresses(addresses []string) error {
	own, err := n.cfg.Addresses()
	if err != nil {
		return err
	}
	for _, text := range addresses {
		if err := corosync.CheckAddress("address", text); err != nil {
			return err
		}
		if !slices.Contains(own, netip.MustParseAddr(text)) {
			return &corosync.FieldError{Field: "address", Value: text, Expected: "an address of this machine"}
		}
	}
	return nil
}

// checkBare reports what of a cluster there is on this node already. What an earlier run has begun
// does not count.
func (n *node) checkBare() error {
	if err := n.checkConf(); err != nil {
		return err
	}
	switch now, err := safefile.Read(n.key(), maxKey); {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(n.key()); err == nil { // a symbolic link
			return foreignKey(n.key())
		}
	case err != nil, !slices.Contains(n.journal.Begun, stepKey), !n.journal.hasHad(now):
		return foreignKey(n.key())
	}
	if slices.Contains(n.journal.Begun, stepCIB) {
		return nil
	}
	return n.checkCIB()
}

func (n *node) checkConf() error {
	data, err := safefile.Read(n.conf(), maxConf)
	if errors.Is(err, fs.ErrNotExist) || err == nil && n.isOurs(data) {
		return nil
	}
	if err != nil {
		return conflict("%s cannot be read: %v. Nothing has changed", n.conf(), err)
	}
	conf, err := corosync.Parse(data)
	if err != nil {
		return conflict("%s is not one that the package of corosync installs, and cannot be read: %v. Nothing has changed", n.conf(), err)
	}
	if conf.HasOnlyLoopback() {
		return nil // the example of the package
	}
	return conflict("%s is that of the cluster %q with %s. Nothing has changed: no cluster is overwritten", n.conf(), conf.Cluster(), count(len(conf.Nodes()), "node"))
}

// isOurs reports whether a corosync.conf is of the cluster of the journal.
func (n *node) isOurs(data []byte) bool {
	if !n.journal.exists || !slices.Contains(n.journal.Begun, stepConf) {
		return false
	}
	conf, err := corosync.Parse(data)
	return err == nil && conf.Cluster() == n.journal.Cluster && !conf.HasOnlyLoopback()
}

// checkCIB reports whether Pacemaker's stored configuration has something that somebody has made.
func (n *node) checkCIB() error {
	path := filepath.Join(n.cfg.CIB, "cib.xml")
	data, err := safefile.Read(path, maxCIB)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	root, err := cibxml.Parse(data)
	if err != nil {
		return conflict("%s cannot be read: %v. Nothing has changed", path, err)
	}
	for _, section := range []string{"resources", "constraints"} {
		if e := root.Child("configuration", section); e != nil && len(e.Children) > 0 {
			return conflict("%s has %s of an earlier cluster. Nothing has changed. If nobody needs them, remove the files in %s", path, section, n.cfg.CIB)
		}
	}
	return nil
}

// needsFallback reports whether this machine does not let corosync have large buffers of sockets, as
// in a container: SO_RCVBUFFORCE needs a capability outside of it.
func needsFallback() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written to it
	return errors.Is(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<16), unix.EPERM)
}

// checkJournal reports why the journal does not allow something: it is about another one.
func (n *node) checkJournal(action, name string, addresses []string) error {
	j := n.journal
	switch {
	case !j.exists:
		return nil
	case j.Leaving:
		return conflict("this node is leaving the cluster %q; thalassa cluster leave ends that", j.Cluster)
	case j.Action != action && j.Complete:
		return conflict("this node is in the cluster %q already; thalassa cluster leave takes it out", j.Cluster)
	case j.Action != action:
		return conflict("an earlier thalassa cluster %s has not ended on this node: run it again, or take it back with thalassa cluster leave", j.Action)
	case j.Node != name || !slices.Equal(j.Addresses, addresses):
		return conflict("this node is, or was about to be, node %s with the address %s of the cluster; thalassa cluster leave takes that back",
			j.Node, strings.Join(j.Addresses, ", "))
	}
	return nil
}

// check reports why nothing can be done on this node: corosync is not installed, or the caller is not
// root.
func (c Config) check() error {
	if errors.Is(unix.Access(c.Corosync, unix.W_OK), unix.EACCES) {
		return fmt.Errorf("%w: it cannot write to %s", ErrNotRoot, c.Corosync)
	}
	return c.checkPrograms()
}

// CheckIdle reports why nothing can be done on this node now: corosync is not installed, the caller is
// not root, or another command is at work, such as an invitation. It changes nothing.
func CheckIdle(ctx context.Context, cfg Config) error {
	n, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	n.close()
	return nil
}

// InCluster reports whether this node is in a cluster, or on its way into one or out of it. The
// cluster need not run, nor be one that Thalassa has made.
func InCluster(ctx context.Context, cfg Config) (bool, error) {
	n, err := open(ctx, cfg)
	if err != nil {
		return false, err
	}
	defer n.close()
	if n.journal.exists {
		return true, nil
	}
	data, err := safefile.Read(n.conf(), maxConf)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	conf, err := corosync.Parse(data)
	return err != nil || !conf.HasOnlyLoopback(), nil // what cannot be read is not the example
}
