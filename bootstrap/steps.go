package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"thalassa/internal/safefile"
	"thalassa/internal/wake"
	"thalassa/services"
)

const (
	// serviceWithin bounds the start and the stop of a service.
	serviceWithin = 5 * time.Minute
	// answerWithin bounds the time after which a corosync that has started answers.
	answerWithin = time.Minute
)

// A node is this machine, on its way into a cluster or out of it.
type node struct {
	cfg     Config
	journal *journal
}

func (n *node) tell(e Event) {
	if e.Node == "" {
		e.Node = n.journal.Node
	}
	n.cfg.Tell(e)
}

func (n *node) conf() string { return filepath.Join(n.cfg.Corosync, "corosync.conf") }
func (n *node) key() string  { return filepath.Join(n.cfg.Corosync, "authkey") }

// aside is the folder for Pacemaker's configuration from before the cluster.
func (n *node) aside() string { return n.sidecar("before") }

func (n *node) sidecar(when string) string {
	return strings.TrimRight(n.cfg.CIB, "/") + "." + when + "-thalassa"
}

// Names of the steps.
const (
	stepStop      = "stop"
	stepCIB       = "cib"
	stepKey       = "authkey"
	stepConf      = "corosync.conf"
	stepCorosync  = "corosync"
	stepPacemaker = "pacemaker"
	stepMember    = "member"
)

// steps lead from a node without a cluster to a member of one.
func (n setup) steps() []step {
	return []step{
		{stepStop, "stop corosync and Pacemaker, which run without a cluster", n.isStopped, n.stop, n.startAgain},
		{stepCIB, "set aside Pacemaker's configuration, which has no resources", n.isRecorded(stepCIB), n.setAside, n.bringBack},
		{stepKey, "write the cluster's key to " + n.key(), n.hasKey, n.writeKey, n.removeKey},
		{stepConf, "write " + n.conf(), n.hasConf, n.writeConf, n.restoreConf},
		{stepCorosync, "start corosync, now and with the machine", n.runsConf, n.startCorosync, n.end(services.Corosync)},
		{stepPacemaker, "start Pacemaker, now and with the machine", n.runs(services.Pacemaker), n.start(services.Pacemaker), n.end(services.Pacemaker)},
		{stepMember, "wait until the node is online and has quorum", n.isMember, n.awaitMember, nil},
	}
}

// isRecorded trusts the journal: the effect of the step is replaced by later ones.
func (n setup) isRecorded(string) func(context.Context) (bool, error) {
	return func(context.Context) (bool, error) { return true, nil }
}

// isStopped also holds when what runs is the new cluster.
func (n setup) isStopped(ctx context.Context) (bool, error) {
	if slices.Contains(n.journal.Done, stepStop) && slices.Contains(n.journal.Begun, stepConf) {
		return true, nil
	}
	for _, name := range services.Names() {
		if s, err := n.cfg.Services.State(ctx, name); err != nil || s.Running || len(s.Daemons) > 0 {
			return false, err
		}
	}
	return true, nil
}

func (n setup) stop(ctx context.Context) error {
	if n.journal.Before == nil {
		before := map[string]services.State{}
		for _, name := range services.Names() {
			s, err := n.cfg.Services.State(ctx, name)
			if err != nil {
				return err
			}
			before[name] = s
		}
		n.journal.Before = before
		if err := n.journal.save(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, serviceWithin)
	defer cancel()
	for { // a machine that is just booting may start one in the meantime
		if err := n.stopServices(ctx); err != nil {
			return err
		}
		if stopped, err := n.isStopped(ctx); err != nil || stopped {
			return err
		}
		if err := wake.Pause(ctx, time.Second); err != nil {
			return fmt.Errorf("somebody starts the services again and again: %w", err)
		}
	}
}

// stopServices stops Pacemaker before corosync.
func (n setup) stopServices(ctx context.Context) error {
	for _, name := range slices.Backward(services.Names()) {
		if err := n.end(name)(ctx); err != nil {
			return err
		}
	}
	return nil
}

// startAgain leaves the services as they were before.
func (n setup) startAgain(ctx context.Context) error {
	for _, name := range services.Names() {
		before, known := n.journal.Before[name]
		if !known {
			continue
		}
		set := n.cfg.Services.Disable
		if before.Enabled {
			set = n.cfg.Services.Enable
		}
		if err := set(ctx, name); err != nil {
			return err
		}
		if before.Running {
			if err := n.startService(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n setup) startService(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, serviceWithin)
	defer cancel()
	return n.cfg.Services.Start(ctx, name)
}

func (n setup) start(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		s, err := n.cfg.Services.State(ctx, name)
		if err != nil {
			return err
		}
		if !s.Running && len(s.Daemons) > 0 { // what is left of one that was killed
			if err := n.end(name)(ctx); err != nil {
				return err
			}
		}
		if err := n.cfg.Services.Enable(ctx, name); err != nil {
			return err
		}
		return n.startService(ctx, name)
	}
}

// startCorosync also stops a corosync that has another configuration in effect, as one has that the
// machine has started a moment before the file was written. It would end as soon as it meets the
// other nodes.
func (n setup) startCorosync(ctx context.Context) error {
	s, err := n.cfg.Services.State(ctx, services.Corosync)
	if err != nil {
		return err
	}
	if s.Running {
		current, err := n.cfg.isInEffect(ctx, n.conf())
		if err == nil && !current {
			err = n.stopServices(ctx)
		}
		if err != nil {
			return err
		}
	}
	return n.start(services.Corosync)(ctx)
}

// runsConf reports whether corosync runs with its file, now and with the machine.
func (n setup) runsConf(ctx context.Context) (bool, error) {
	if runs, err := n.runs(services.Corosync)(ctx); err != nil || !runs {
		return false, err
	}
	return n.cfg.isInEffect(ctx, n.conf())
}

func (n setup) end(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, serviceWithin)
		defer cancel()
		return n.cfg.Services.Stop(ctx, name)
	}
}

func (n setup) runs(name string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		s, err := n.cfg.Services.State(ctx, name)
		return s.Running && s.Enabled, err
	}
}

// setAside moves the files of Pacemaker's configuration out of the way: the newest configuration
// of all nodes counts in a cluster, and this one may look newer than the cluster's. What an earlier
// attempt of the same command has got from the cluster is removed.
func (n setup) setAside(context.Context) error {
	if n.journal.Aside && !n.journal.Cleared {
		return removeFiles(n.cfg.CIB)
	}
	if err := moveFiles(n.cfg.CIB, n.aside()); err != nil {
		return err
	}
	n.journal.Aside, n.journal.Cleared = true, false
	return n.journal.save()
}

// bringBack moves the cluster's configuration out of the way, and brings back what was there. That of
// a node that has not become a member is removed.
func (n setup) bringBack(context.Context) error {
	if n.journal.Aside && !n.journal.Cleared {
		if err := n.clear(); err != nil {
			return err
		}
		n.journal.Cleared = true
		if err := n.journal.save(); err != nil {
			return err
		}
	}
	if err := moveFiles(n.aside(), n.cfg.CIB); err != nil {
		return err
	}
	if err := os.Remove(n.aside()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	n.journal.Aside, n.journal.Cleared, n.journal.Kept = false, false, ""
	return nil // the journal is saved without the step
}

// clear takes the cluster's configuration of Pacemaker away from this node.
func (n setup) clear() error {
	if !n.journal.Complete {
		return removeFiles(n.cfg.CIB)
	}
	if n.journal.Kept == "" {
		n.journal.Kept = n.kept()
		if err := n.journal.save(); err != nil {
			return err
		}
	}
	return moveFiles(n.cfg.CIB, n.journal.Kept)
}

// kept is a new folder for the cluster's configuration of Pacemaker.
func (n setup) kept() string {
	first := n.sidecar("after")
	path := first
	for i := 2; ; i++ {
		if _, err := os.Lstat(path); err != nil {
			return path
		}
		path = fmt.Sprintf("%s.%d", first, i)
	}
}

func removeFiles(dir string) error {
	files, err := regularFiles(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range files {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return safefile.Sync(dir)
}

// moveFiles moves the files of one folder into another one with the same owner and mode. It replaces
// none.
func moveFiles(from, to string) error {
	info, err := os.Stat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, info.Mode().Perm()); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := os.Lchown(to, int(stat.Uid), int(stat.Gid)); err != nil {
			return err
		}
	}
	files, err := regularFiles(from)
	if err != nil {
		return err
	}
	for _, name := range files {
		if _, err := os.Lstat(filepath.Join(to, name)); err == nil {
			return conflict("%s exists, and may be needed: move it away", filepath.Join(to, name))
		}
		if err := os.Rename(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return err
		}
	}
	return errors.Join(safefile.Sync(to), safefile.Sync(from))
}

func regularFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// isMember reports whether this node is online in a cluster with quorum.
func (n setup) isMember(ctx context.Context) (bool, error) {
	return n.isOnline(ctx, n.journal.Node) == nil, nil
}

// isOnline reports why a node is not online in a cluster with quorum, as this node sees it.
func (n *node) isOnline(ctx context.Context, name string) error {
	s, err := n.cfg.Cluster.Now(ctx)
	if err != nil {
		return err
	}
	if !s.Quorum {
		return errors.New("the cluster has no quorum")
	}
	switch found := s.NodeNamed(name); {
	case found.IsOnline():
		return nil
	case found.Name == "":
		return fmt.Errorf("node %s is not in the cluster", name)
	default:
		return fmt.Errorf("node %s is %s", name, found.State)
	}
}

func (n setup) awaitMember(ctx context.Context) error {
	return n.awaitOnline(ctx, n.journal.Node, n.cfg.Settle)
}

// awaitOnline waits until a node is online.
func (n *node) awaitOnline(ctx context.Context, name string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := n.isOnline(ctx, name)
		if err == nil {
			return nil
		}
		if wake.Pause(ctx, 250*time.Millisecond) != nil {
			return fmt.Errorf("node %s is not online after %s: %w", name, within, err)
		}
	}
}

// warnOfFencing tells when the cluster could not stop a node that hangs.
func (n *node) warnOfFencing(ctx context.Context) {
	s, err := n.cfg.Cluster.Now(ctx)
	if err == nil && s.Fencing.Works() {
		return
	}
	n.tell(Event{Step: "fencing", State: "warning", Text: "the cluster has no fencing: a node that hangs may keep the floating IP. " +
		"Next: thalassa cluster wizard fence-device"})
}
