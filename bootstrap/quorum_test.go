package bootstrap_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"thalassa/bootstrap"
	"thalassa/internal/testkit"
)

// forgetOf is the removal of nodes, by the first machine or another one.
func forgetOf(f bootstrap.Forgetting) func(context.Context, bootstrap.Config) error {
	f.Port = bootstrap.DefaultPort
	return func(ctx context.Context, cfg bootstrap.Config) error { return bootstrap.Forget(ctx, cfg, f) }
}

func forget(t *testing.T, w *world, names ...string) error {
	t.Helper()
	return start(t.Context(), w.config(1), forgetOf(bootstrap.Forgetting{Nodes: names})).ends(t)
}

// stopped stops what runs on a machine.
func (w *world) stopped(tb testing.TB, machine int) {
	tb.Helper()
	for _, name := range []string{"run/corosync", "run/pacemaker"} {
		mustNot(tb, os.Remove(w.path(machine, name)))
	}
}

func isConflict(t *testing.T, err error, words string) {
	t.Helper()
	if !errors.As(err, new(*bootstrap.ConflictError)) || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v, expected a conflict with %q", err, words)
	}
}

// A node without which the others have no quorum does not leave, and is told what is due first.
func TestLeaveKeepsQuorum(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 3)
	mustNot(t, bootstrap.Leave(t.Context(), w.config(3)))
	isConflict(t, bootstrap.Leave(t.Context(), w.config(2)), "thalassa cluster forget lb3")
	if !w.exists(2, "run/corosync") {
		t.Error("something was stopped")
	}
	member := start(t.Context(), w.config(2), syncing)
	mustNot(t, forget(t, w, "lb3"))
	mustNot(t, member.ends(t))
	mustNot(t, bootstrap.Leave(t.Context(), w.config(2)))
	mustNot(t, forget(t, w, "lb2"))
	w.isComplete(t, 1)
}

// A quorum is of votes, not of nodes: those that corosync has in effect, or those of its file.
func TestLeaveKeepsVotes(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 3)
	for m := range 3 {
		w.rewrite(t, m+1, "name: lb1", "name: lb1\n        quorum_votes: 3")
	}
	isConflict(t, bootstrap.Leave(t.Context(), w.config(1)), "2 of 3 nodes with 2 of 5 votes are left")
	mustNot(t, bootstrap.Leave(t.Context(), w.config(3)))
	mustNot(t, bootstrap.Leave(t.Context(), w.config(2))) // 3 of 5 votes are left
	w = founded(t, 2, 2)
	mustNot(t, os.WriteFile(w.path(1, "run/votes"), []byte(`nodelist.node.0.ring0_addr (str) = 192.0.2.1
nodelist.node.0.name (str) = lb1
nodelist.node.1.ring0_addr (str) = 192.0.2.2
nodelist.node.1.name (str) = lb2
quorum.two_node (u8) = 0
`), 0o600))
	isConflict(t, bootstrap.Leave(t.Context(), w.config(1)), "1 of 2 nodes are left")
}

// A part without quorum forgets nodes that somebody says are off, all at once.
func TestForgetWithoutQuorum(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 3)
	w.stopped(t, 2)
	w.stopped(t, 3)
	isConflict(t, forget(t, w, "lb2", "lb3"), "add --down")
	isConflict(t, start(t.Context(), w.config(1), forgetOf(bootstrap.Forgetting{Nodes: []string{"lb2"}, Down: true})).ends(t), "thalassa cluster forget lb2 lb3")
	f := bootstrap.Forgetting{Nodes: []string{"lb2", "lb3"}, Down: true}
	outlook, err := bootstrap.ForeseeForget(t.Context(), w.config(1), f)
	if err != nil || !strings.Contains(outlook.Steps[0], "your word that lb2, lb3 is off") {
		t.Errorf("outlook %v, %v", outlook.Steps, err)
	}
	mustNot(t, start(t.Context(), w.config(1), forgetOf(f)).ends(t))
	w.isComplete(t, 1)
}

// Two nodes that are off are forgotten together, also with quorum.
func TestForgetTwo(t *testing.T) {
	t.Parallel()
	w := founded(t, 4, 4)
	mustNot(t, bootstrap.Leave(t.Context(), w.config(4)))
	w.stopped(t, 3)
	isConflict(t, start(t.Context(), w.config(1), forgetOf(bootstrap.Forgetting{Nodes: []string{"lb4"}, Down: true})).ends(t), "forget lb4 lb3")
	member := start(t.Context(), w.config(2), syncing)
	mustNot(t, start(t.Context(), w.config(1), forgetOf(bootstrap.Forgetting{Nodes: []string{"lb4", "lb3"}, Down: true})).ends(t))
	mustNot(t, member.ends(t))
	w.isComplete(t, 2)
	for _, names := range [][]string{{"lb1"}, {"lb2"}, {"lb9"}, nil} {
		if err := forget(t, w, names...); err == nil {
			t.Errorf("forgotten: %v", names)
		}
	}
}

// An earlier run may have ended after one of its nodes. The same command goes on with the rest.
func TestForgetTheRest(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 3)
	mustNot(t, bootstrap.Leave(t.Context(), w.config(3)))
	member := start(t.Context(), w.config(2), syncing)
	mustNot(t, forget(t, w, "lb3"))
	mustNot(t, member.ends(t))
	w.stopped(t, 2)
	both := bootstrap.Forgetting{Nodes: []string{"lb3", "lb2"}, Down: true}
	outlook, err := bootstrap.ForeseeForget(t.Context(), w.config(1), both)
	if text := strings.Join(outlook.Steps, "; "); err != nil || !strings.Contains(text, "without lb2") || strings.Contains(text, "lb3") {
		t.Errorf("outlook %s, %v", text, err)
	}
	mustNot(t, start(t.Context(), w.config(1), forgetOf(both)).ends(t))
	w.isComplete(t, 1)
	if err := forget(t, w, "lb3", "lb2"); err == nil || !strings.Contains(err.Error(), "another node of this cluster") {
		t.Errorf("none is known: %v", err)
	}
}

// An earlier run may have ended before all nodes used the new configuration. The next one asks them.
func TestForgetAsksTheOthers(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 3)
	mustNot(t, bootstrap.Leave(t.Context(), w.config(3)))
	next, err := w.conf(1).Remove("lb3")
	mustNot(t, err)
	mustNot(t, os.WriteFile(w.path(1, "etc/corosync.conf"), next.Bytes(), 0o600))
	mustNot(t, os.WriteFile(w.path(1, "run/corosync"), fmt.Append(nil, next.Version()), 0o600))
	member := start(t.Context(), w.config(2), syncing)
	mustNot(t, forget(t, w, "lb3"))
	mustNot(t, member.ends(t))
	w.isComplete(t, 2)
}

// rewrite changes corosync.conf of a machine as another tool does.
func (w *world) rewrite(tb testing.TB, machine int, pairs ...string) {
	tb.Helper()
	text := strings.NewReplacer(pairs...).Replace(w.read(tb, machine, "etc/corosync.conf"))
	mustNot(tb, os.WriteFile(w.path(machine, "etc/corosync.conf"), []byte(text), 0o600))
}

// A cluster whose file does not name each node, once, gets no other nodes: they would be missed.
func TestNamesAreNeeded(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 2)
	file := w.read(t, 1, "etc/corosync.conf")
	for _, name := range []string{"", "        name: LB1\n"} {
		mustNot(t, os.WriteFile(w.path(1, "etc/corosync.conf"), []byte(strings.Replace(file, "        name: lb2\n", name, 1)), 0o600))
		err := start(t.Context(), w.config(1), inviteOf(invitation())).ends(t)
		isConflict(t, err, "nodelist.node.name")
	}
}

// waits waits until the host waits for sync on a member.
func (c *command) waits(tb testing.TB) {
	tb.Helper()
	testkit.Eventually(tb, time.Minute, func() error {
		if !c.has("sync", "waiting") {
			return errors.New("the host does not wait for a member")
		}
		return nil
	})
}

// What another tool changes while an invitation waits stays.
func TestOtherToolChangesTheFile(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 2)
	host := start(t.Context(), w.config(1), inviteOf(invitation()))
	third := start(t.Context(), w.config(3), w.joinOf(3, host.code(t)))
	host.waits(t)
	for m := 1; m <= 2; m++ {
		w.rewrite(t, m, "token: 1000", "token: 3000", "config_version: 2", "config_version: 3")
		mustNot(t, os.WriteFile(w.path(m, "run/corosync"), []byte("3"), 0o600))
	}
	second := start(t.Context(), w.config(2), syncing)
	for _, c := range []*command{third, host, second} {
		if err := c.ends(t); err != nil {
			t.Fatalf("%v\n%s", err, c)
		}
	}
	w.isComplete(t, 3)
	if !strings.Contains(w.read(t, 1, "etc/corosync.conf"), "token: 3000") || w.conf(1).Version() != 4 {
		t.Errorf("the change is lost:\n%s", w.read(t, 1, "etc/corosync.conf"))
	}
}

// A member with another file than the inviting node, of the same version, keeps it.
func TestMemberHasAnotherFile(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 2)
	w.rewrite(t, 2, "token: 1000", "token: 3000")
	theirs := w.read(t, 2, "etc/corosync.conf")
	ctx, cancel := context.WithCancel(t.Context())
	host := start(ctx, w.config(1), inviteOf(invitation()))
	second := start(t.Context(), w.config(2), syncing)
	isConflict(t, start(t.Context(), w.config(3), w.joinOf(3, host.code(t))).ends(t), "is another one than on the inviting node")
	cancel()
	_, _ = host.ends(t), second.ends(t)
	if w.read(t, 2, "etc/corosync.conf") != theirs || len(w.conf(1).Nodes()) != 2 {
		t.Error("something has changed")
	}
}

// When corosync does not read the new file, all nodes have the former one again, each time.
func TestReloadFails(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 2)
	before := w.read(t, 1, "etc/corosync.conf")
	tool := w.path(1, "sbin/corosync-cfgtool")
	mustNot(t, os.Rename(tool, tool+".works"))
	mustNot(t, testkit.WriteProgram(tool, []byte("#!/bin/sh\necho no reload\nexit 1\n")))
	i := invitation()
	host := start(t.Context(), w.config(1), inviteOf(i))
	second := start(t.Context(), w.config(2), syncing)
	for range 2 {
		isConflict(t, start(t.Context(), w.config(3), w.joinOf(3, host.code(t))).ends(t), "no reload")
		for m := 1; m <= 2; m++ {
			if got := w.read(t, m, "etc/corosync.conf"); got != before {
				t.Errorf("machine %d has\n%s", m, got)
			}
		}
	}
	mustNot(t, os.Rename(tool+".works", tool))
	for _, c := range []*command{start(t.Context(), w.config(3), w.joinOf(3, host.code(t))), host, second} {
		if err := c.ends(t); err != nil {
			t.Fatalf("%v\n%s", err, c)
		}
	}
	w.isComplete(t, 3)
	if _, ok := w.conf(2).Node("lb3"); !ok || w.conf(2).Version() != 3 {
		t.Errorf("version %d", w.conf(2).Version())
	}
}

// Each time that a node leaves, the cluster's configuration is kept in a folder of its own. That of a
// node that has failed to join is not kept.
func TestKeptConfigurations(t *testing.T) {
	t.Parallel()
	w := founded(t, 2, 1)
	w.furnish(t, 2)
	host := start(t.Context(), w.config(1), inviteOf(invitation()))
	w.killed(t, killedHere{Do: "join", Machine: 2, Step: "member", Code: host.code(t)})
	mustNot(t, bootstrap.Leave(t.Context(), w.config(2)))
	w.isAsFurnished(t, 2)
	if w.exists(2, "cib.after-thalassa") {
		t.Error("the configuration of a failed join is kept")
	}
	for i, name := range []string{"cib.after-thalassa", "cib.after-thalassa.2", "cib.after-thalassa.3"} {
		if i == 2 { // an attempt that has failed comes between
			mustNot(t, os.WriteFile(w.path(2, "run/broken"), []byte("pacemaker"), 0o600))
			one := founding(1)
			one.Node, one.Addresses = "lb2", []string{address(2)}
			if err := bootstrap.Init(t.Context(), w.config(2), one); err == nil {
				t.Error("Pacemaker does not start, and init has worked")
			}
			mustNot(t, os.Remove(w.path(2, "run/broken")))
		}
		one := founding(1)
		one.Node, one.Addresses = "lb2", []string{address(2)}
		mustNot(t, bootstrap.Init(t.Context(), w.config(2), one))
		outlook, err := bootstrap.ForeseeLeave(t.Context(), w.config(2))
		if text := strings.Join(outlook.Steps, "\n"); err != nil || !strings.Contains(text, name+",") {
			t.Errorf("%v: %s", err, text)
		}
		mustNot(t, bootstrap.Leave(t.Context(), w.config(2)))
		if got := w.read(t, 2, name+"/cib.xml"); !strings.Contains(got, `cluster="edge"`) {
			t.Errorf("%s has %s", name, got)
		}
	}
}

// The command before may be killed, and the kernel take a moment to end it.
func TestNextCommandWaitsForAKilledOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cfg := w.config(1)
	reached := make(chan struct{})
	cfg.BeforeStep = func(step string) {
		if step == "cib" {
			close(reached)
			cancel()
			<-time.After(time.Second) // it still has the lock
		}
	}
	first := start(ctx, cfg, initOf(1))
	<-reached
	mustNot(t, bootstrap.Init(t.Context(), w.config(1), founding(1)))
	if err := first.ends(t); !errors.Is(err, context.Canceled) {
		t.Errorf("the first one: %v", err)
	}
	w.isComplete(t, 1)
}

// A command that has nothing to do on its node fails while the cluster does not work.
func TestAgainWhileStopped(t *testing.T) {
	t.Parallel()
	w := founded(t, 2, 2)
	again := func(m int, run func(context.Context, bootstrap.Config) error) error {
		cfg := w.config(m)
		cfg.Silence = time.Second
		return run(t.Context(), cfg)
	}
	ctx, cancel := context.WithCancel(t.Context())
	host := start(ctx, w.config(1), inviteOf(invitation()))
	code := host.code(t)
	mustNot(t, again(2, w.joinOf(2, code)))
	w.stopped(t, 2)
	isConflict(t, again(2, w.joinOf(2, code)), "node lb2 is not online")
	isConflict(t, again(1, initOf(2)), "right now") // the invitation goes on
	cancel()
	_ = host.ends(t)
	isConflict(t, again(1, initOf(2)), "node lb2 is not online")
	w.stopped(t, 1)
	isConflict(t, again(1, initOf(2)), "node lb1 is not online")
}

// A member may need a moment until it uses what it has read.
func TestMemberIsSlow(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 2)
	late := `#!/bin/sh
all=$(dirname "$0")/../..
version() { sed -n 's/.*config_version: //p' "$all/$1/etc/corosync.conf" >"$all/$1/run/corosync"; }
version n1
(sleep 1; version n2) >/dev/null 2>&1 &
`
	mustNot(t, testkit.WriteProgram(w.path(1, "sbin/corosync-cfgtool"), []byte(late)))
	host := start(t.Context(), w.config(1), inviteOf(invitation()))
	second := start(t.Context(), w.config(2), syncing)
	for _, c := range []*command{start(t.Context(), w.config(3), w.joinOf(3, host.code(t))), host, second} {
		if err := c.ends(t); err != nil {
			t.Fatalf("%v\n%s", err, c)
		}
	}
	w.isComplete(t, 3)
}

// Pacemaker may bring back a node that it was told to forget.
func TestForgetReadsBack(t *testing.T) {
	t.Parallel()
	w := founded(t, 2, 2)
	mustNot(t, bootstrap.Leave(t.Context(), w.config(2)))
	tool := w.read(t, 1, "sbin/crm_node")
	twice := strings.Replace(tool, "\nif", "\n[ \"$1\" = --list ] || [ -e \"$HERE/once\" ] || { touch \"$HERE/once\"; exit 0; }\nif", 1)
	mustNot(t, testkit.WriteProgram(w.path(1, "sbin/crm_node"), []byte(twice)))
	mustNot(t, forget(t, w, "lb2"))
	w.isComplete(t, 1)
	if !w.exists(1, "once") {
		t.Error("the stand-in was not asked")
	}
}

// The controllers of Pacemaker bring back a node that only its configuration has forgotten. crm_node
// up to 2.1.6 does not wait for their answer, and one that has much to do does not read the question.
func TestForgetAsksControllersAgain(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 3)
	mustNot(t, bootstrap.Leave(t.Context(), w.config(3)))
	for _, file := range []string{w.path(1, "run/busy"), w.path(1, "peers/lb3"), w.path(2, "peers/lb3")} {
		mustNot(t, os.WriteFile(file, nil, 0o600))
	}
	member := start(t.Context(), w.config(2), syncing)
	mustNot(t, forget(t, w, "lb3"))
	mustNot(t, member.ends(t))
	w.isComplete(t, 2)
	for m := 1; m <= 2; m++ {
		if w.exists(m, "peers/lb3") || !w.exists(m, "peers/lb1") {
			t.Errorf("the controller of machine %d remembers lb3: %t, lb1: %t", m, w.exists(m, "peers/lb3"), w.exists(m, "peers/lb1"))
		}
	}
	if w.exists(1, "run/busy") {
		t.Error("the stand-in was not asked")
	}
}

// What somebody changes at the last moment stays, and all nodes have what they had.
func TestFileChangesMeanwhile(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 2)
	before := w.read(t, 2, "etc/corosync.conf")
	cfg := w.config(1)
	changed := false
	cfg.BeforeStep = func(step string) {
		if step == "write" && !changed {
			changed = true
			w.rewrite(t, 1, "token: 1000", "token: 3000", "config_version: 2", "config_version: 3")
		}
	}
	host := start(t.Context(), cfg, inviteOf(invitation()))
	second := start(t.Context(), w.config(2), syncing)
	isConflict(t, start(t.Context(), w.config(3), w.joinOf(3, host.code(t))).ends(t), "somebody else has changed")
	if got := w.read(t, 2, "etc/corosync.conf"); got != before {
		t.Errorf("the second has\n%s", got)
	}
	for _, c := range []*command{start(t.Context(), w.config(3), w.joinOf(3, host.code(t))), host, second} {
		if err := c.ends(t); err != nil {
			t.Fatalf("%v\n%s", err, c)
		}
	}
	w.isComplete(t, 3)
	if !strings.Contains(w.read(t, 2, "etc/corosync.conf"), "token: 3000") {
		t.Error("the change is lost")
	}
}

// A removal that corosync does not read leaves the former file on all nodes.
func TestForgetReloadFails(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 3)
	mustNot(t, bootstrap.Leave(t.Context(), w.config(3)))
	before, tool := w.read(t, 1, "etc/corosync.conf"), w.path(1, "sbin/corosync-cfgtool")
	works := w.read(t, 1, "sbin/corosync-cfgtool")
	mustNot(t, testkit.WriteProgram(tool, []byte("#!/bin/sh\necho no reload\nexit 1\n")))
	member := start(t.Context(), w.config(2), syncing)
	if err := forget(t, w, "lb3"); err == nil || !strings.Contains(err.Error(), "no reload") {
		t.Errorf("got %v", err)
	}
	mustNot(t, member.ends(t))
	for m := 1; m <= 2; m++ {
		if got := w.read(t, m, "etc/corosync.conf"); got != before {
			t.Errorf("machine %d has\n%s", m, got)
		}
	}
	mustNot(t, testkit.WriteProgram(tool, []byte(works)))
	member = start(t.Context(), w.config(2), syncing)
	mustNot(t, forget(t, w, "lb3"))
	mustNot(t, member.ends(t))
	w.isComplete(t, 2)
}
