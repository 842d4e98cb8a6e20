package bootstrap_test

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/bootstrap"
	"thalassa/internal/testkit"
)

// shipped is the example that a distribution installs.
const shipped = "totem {\n\tversion: 2\n\tcluster_name: debian\n}\nnodelist {\n\tnode {\n\t\tname: node1\n\t\tnodeid: 1\n\t\tring0_addr: 127.0.0.1\n\t}\n}\n"

// furnish gives a machine the example, which runs, with the configuration that Pacemaker makes.
func (w *world) furnish(tb testing.TB, machine int) {
	tb.Helper()
	mustNot(tb, os.WriteFile(w.path(machine, "etc/corosync.conf"), []byte(shipped), 0o644))
	mustNot(tb, os.WriteFile(w.path(machine, "cib/cib.xml"), []byte(`<cib epoch="99"><configuration><resources/><constraints/></configuration></cib>`), 0o600))
	for _, name := range []string{"run/corosync", "run/pacemaker", "run/enabled-corosync"} {
		mustNot(tb, os.WriteFile(w.path(machine, name), nil, 0o600))
	}
}

// isAsFurnished reports that a machine is not as furnish left it.
func (w *world) isAsFurnished(tb testing.TB, machine int) {
	tb.Helper()
	if got := w.read(tb, machine, "etc/corosync.conf"); got != shipped {
		tb.Errorf("corosync.conf is\n%s", got)
	}
	if got := w.read(tb, machine, "cib/cib.xml"); !strings.Contains(got, `epoch="99"`) {
		tb.Errorf("the CIB is %s", got)
	}
	for name, want := range map[string]bool{
		"etc/authkey": false, "run/corosync": true, "run/pacemaker": true, "run/enabled-corosync": true, "run/enabled-pacemaker": false,
		"cib.before-thalassa": false, "etc/corosync.conf.before-thalassa": false, "journal/journal.json": false, "journal/authkey": false,
	} {
		if w.exists(machine, name) != want {
			tb.Errorf("%s exists: %t, expected %t", name, !want, want)
		}
	}
}

func initOf(nodes int) func(context.Context, bootstrap.Config) error {
	return func(ctx context.Context, cfg bootstrap.Config) error {
		return bootstrap.Init(ctx, cfg, founding(nodes))
	}
}

func (w *world) joinOf(machine int, code string) func(context.Context, bootstrap.Config) error {
	return func(ctx context.Context, cfg bootstrap.Config) error {
		return bootstrap.Join(ctx, cfg, w.joining(machine, code))
	}
}

func syncing(ctx context.Context, cfg bootstrap.Config) error {
	return bootstrap.Sync(ctx, cfg, bootstrap.Syncing{Port: bootstrap.DefaultPort, Wait: 30 * time.Second})
}

// isComplete reports that the machines are not one cluster.
func (w *world) isComplete(tb testing.TB, machines int) {
	tb.Helper()
	first := w.read(tb, 1, "etc/corosync.conf")
	if n := len(w.conf(1).Nodes()); n != machines {
		tb.Errorf("corosync.conf has %d nodes, expected %d", n, machines)
	}
	for m := 1; m <= machines; m++ {
		if got := w.read(tb, m, "etc/corosync.conf"); got != first {
			tb.Errorf("corosync.conf of machine %d is\n%s, that of the first\n%s", m, got, first)
		}
		if w.read(tb, m, "etc/authkey") != w.read(tb, 1, "etc/authkey") {
			tb.Errorf("machine %d has another key", m)
		}
		if info, err := os.Stat(w.path(m, "etc/authkey")); err != nil || info.Mode().Perm() != 0o400 || info.Size() < 128 {
			tb.Errorf("the key of machine %d: %v %v", m, info, err)
		}
		if got, want := w.read(tb, m, "run/corosync"), strconv.FormatUint(w.conf(1).Version(), 10); strings.TrimSpace(got) != want {
			tb.Errorf("machine %d has version %s in effect, expected %s", m, got, want)
		}
		if w.exists(m, "journal/authkey") {
			tb.Errorf("machine %d has kept a copy of the key", m)
		}
		if w.exists(m, "journal/adding") {
			tb.Errorf("machine %d is adding a node", m)
		}
		s, err := w.config(m).Cluster.Now(tb.Context())
		if err != nil || len(s.Nodes) != machines {
			tb.Errorf("machine %d sees %+v, %v", m, s.Nodes, err)
		}
	}
}

// Three machines become a cluster with one code, and are as before when all have left.
func TestClusterOfThree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	for m := 1; m <= 3; m++ {
		w.furnish(t, m)
	}
	first := start(t.Context(), w.config(1), initOf(3))
	code := first.code(t)
	second := start(t.Context(), w.config(2), w.joinOf(2, code))
	testkit.Eventually(t, time.Minute, func() error {
		if !second.has("sync", "waiting") {
			return errors.New("the second has not joined")
		}
		return nil
	})
	third := start(t.Context(), w.config(3), w.joinOf(3, strings.ToLower(strings.ReplaceAll(code, "-", " "))))
	for i, c := range []*command{third, second, first} {
		if err := c.ends(t); err != nil {
			t.Fatalf("%d: %v\n%s", i, err, c)
		}
	}
	w.isComplete(t, 3)
	if !first.has("fencing", "warning") || !third.has("fencing", "warning") {
		t.Error("nobody warns that there is no fencing")
	}
	again := start(t.Context(), w.config(1), initOf(3))
	if err := again.ends(t); err != nil || !again.has("node", "kept") {
		t.Errorf("init again: %v\n%s", err, again)
	}
	mustNot(t, bootstrap.Leave(t.Context(), w.config(3)))
	w.isAsFurnished(t, 3)
	member := start(t.Context(), w.config(2), syncing)
	mustNot(t, forget(t, w, "lb3"))
	mustNot(t, member.ends(t))
	w.isComplete(t, 2)
	mustNot(t, bootstrap.Leave(t.Context(), w.config(2)))
	mustNot(t, forget(t, w, "lb2"))
	w.isComplete(t, 1)
	mustNot(t, bootstrap.Leave(t.Context(), w.config(1)))
	for m := 1; m <= 3; m++ {
		w.isAsFurnished(t, m)
	}
}

// founded is a world whose first machines are a cluster.
func founded(t *testing.T, machines, members int) *world {
	t.Helper()
	w := newWorld(t, machines)
	first := start(t.Context(), w.config(1), initOf(members))
	for m := 2; m <= members; m++ {
		c := start(t.Context(), w.config(m), w.joinOf(m, first.code(t)))
		if m == members {
			mustNot(t, c.ends(t))
		} else {
			testkit.Eventually(t, time.Minute, func() error {
				if !c.has("sync", "waiting") {
					return errors.New("it has not joined")
				}
				return nil
			})
		}
	}
	mustNot(t, first.ends(t))
	return w
}

func inviteOf(cfg bootstrap.Invitation) func(context.Context, bootstrap.Config) error {
	return func(ctx context.Context, c bootstrap.Config) error { return bootstrap.Invite(ctx, c, cfg) }
}

func invitation() bootstrap.Invitation {
	return bootstrap.Invitation{Nodes: 1, For: time.Minute, Port: bootstrap.DefaultPort}
}

// A member gets the new configuration by sync before another node joins, and nobody without the
// cluster's key gets it.
func TestThirdNodeNeedsSync(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 2)
	host := start(t.Context(), w.config(1), inviteOf(invitation()))
	third := start(t.Context(), w.config(3), w.joinOf(3, host.code(t)))
	testkit.Eventually(t, time.Minute, func() error {
		if !host.has("sync", "waiting") {
			return errors.New("the host does not wait for the second")
		}
		return nil
	})
	if len(w.conf(1).Nodes()) != 2 || w.exists(3, "etc/authkey") {
		t.Error("something has changed before all members were there")
	}
	stranger := w.config(2)
	stranger.Corosync, stranger.Journal = t.TempDir(), t.TempDir()
	mustNot(t, os.Chmod(stranger.Journal, 0o700))
	mustNot(t, os.WriteFile(stranger.Corosync+"/corosync.conf", []byte(w.read(t, 2, "etc/corosync.conf")), 0o600))
	mustNot(t, os.WriteFile(stranger.Corosync+"/authkey", []byte(strings.Repeat("x", 256)), 0o400))
	err := bootstrap.Sync(t.Context(), stranger, bootstrap.Syncing{Port: bootstrap.DefaultPort, Wait: 3 * time.Second})
	if err == nil || !strings.Contains(err.Error(), "the key of the cluster is another one") {
		t.Errorf("with another key: %v", err)
	}
	second := start(t.Context(), w.config(2), syncing)
	for _, c := range []*command{third, host, second} {
		if err := c.ends(t); err != nil {
			t.Fatalf("%v\n%s", err, c)
		}
	}
	w.isComplete(t, 3)
}

// Nothing of another cluster is touched.
func TestForeign(t *testing.T) {
	t.Parallel()
	const foreign = "totem {\n cluster_name: theirs\n}\nnodelist {\n node {\n  ring0_addr: 198.51.100.1\n  nodeid: 1\n }\n}\n"
	for what, files := range map[string]map[string]string{
		"corosync.conf": {"etc/corosync.conf": foreign},
		"broken":        {"etc/corosync.conf": "no corosync.conf"},
		"key":           {"etc/corosync.conf": shipped, "etc/authkey": "key"},
		"resources":     {"etc/corosync.conf": shipped, "cib/cib.xml": `<cib><configuration><resources><primitive id="a"/></resources></configuration></cib>`},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2)
			for name, text := range files {
				mustNot(t, os.WriteFile(w.path(1, name), []byte(text), 0o600))
			}
			err := bootstrap.Init(t.Context(), w.config(1), founding(1))
			if !errors.As(err, new(*bootstrap.ConflictError)) || !strings.Contains(err.Error(), "Nothing has changed") {
				t.Errorf("init: %v", err)
			}
			for name, text := range files {
				if got := w.read(t, 1, name); got != text {
					t.Errorf("%s is %q", name, got)
				}
			}
			if w.exists(1, "run/corosync") || w.exists(1, "journal/journal.json") {
				t.Error("something was done")
			}
			if err := bootstrap.Leave(t.Context(), w.config(1)); !errors.As(err, new(*bootstrap.ConflictError)) {
				t.Errorf("leave: %v", err)
			}
		})
	}
}

// When a step fails, the machine is as before, and the step is named.
func TestFailedStep(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"corosync", "pacemaker"} {
		w := newWorld(t, 1)
		w.furnish(t, 1)
		mustNot(t, os.WriteFile(w.path(1, "run/broken"), []byte(broken), 0o600))
		c := start(t.Context(), w.config(1), func(ctx context.Context, cfg bootstrap.Config) error {
			before := cfg.BeforeStep
			cfg.BeforeStep = func(step string) {
				if step == "undo stop" { // the example starts as it did before
					_ = os.Remove(w.path(1, "run/broken"))
				}
				if before != nil {
					before(step)
				}
			}
			return bootstrap.Init(ctx, cfg, founding(1))
		})
		err := c.ends(t)
		if err == nil || !strings.Contains(err.Error(), "step "+broken) || !c.has("corosync.conf", "undone") {
			t.Errorf("%s: %v\n%s", broken, err, c)
		}
		w.isAsFurnished(t, 1)
	}
}

// The one who joins fails: both sides are as before.
func TestJoinFails(t *testing.T) {
	t.Parallel()
	w := founded(t, 2, 1)
	before := w.conf(1).Nodes()
	mustNot(t, os.WriteFile(w.path(2, "run/broken"), []byte("pacemaker"), 0o600))
	host := start(t.Context(), w.config(1), inviteOf(invitation()))
	err := start(t.Context(), w.config(2), w.joinOf(2, host.code(t))).ends(t)
	if err == nil || !strings.Contains(err.Error(), "pacemaker does not start") {
		t.Errorf("join: %v", err)
	}
	testkit.Eventually(t, time.Minute, func() error {
		if !host.has("node", "undone") {
			return errors.New("the node is still in the cluster")
		}
		return nil
	})
	if n := w.conf(1).Nodes(); len(n) != len(before) || w.exists(1, "journal/adding") {
		t.Errorf("nodes %v", n)
	}
	if w.exists(2, "etc/corosync.conf") || w.exists(2, "etc/authkey") || w.exists(2, "run/corosync") || w.exists(2, "journal/journal.json") {
		t.Error("something is left on the machine that did not join")
	}
	mustNot(t, os.Remove(w.path(2, "run/broken")))
	mustNot(t, start(t.Context(), w.config(2), w.joinOf(2, host.code(t))).ends(t)) // the code was not used up
	mustNot(t, host.ends(t))
	w.isComplete(t, 2)
}
