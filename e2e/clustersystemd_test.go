package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	clusterstatus "thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
)

// newSystemdFixture is bare nodes that run systemd and have the package.
func newSystemdFixture(t *testing.T, nodes int) membersFixture {
	t.Helper()
	testkit.HAProxy(t)
	deb, err := os.ReadFile(debianPackages(t, buildStream(t), "1.2.3")[0])
	if err != nil {
		t.Fatal(err)
	}
	cfg := cluster.Config{
		Nodes: nodes, Bare: true, Systemd: true,
		Files: map[string]cluster.File{"thalassa.deb": {Content: deb}},
		Setup: `[ ! -e /usr/bin/thalassa ] || exit 0
			dpkg --install /run/fixture/thalassa.deb
			echo "admin node $(hostname)-0123456789abcdef" >/etc/thalassa/tokens
			printf 'host: 0.0.0.0\nhaproxy: pacemaker\n' >>/etc/thalassa/thalassa.yaml
			systemctl restart thalassa`,
	}
	s := bootNodes(t, cfg)
	s.register()
	return membersFixture{nodesFixture{s}}
}

// is waits until systemd says so of units of a node.
func (f membersFixture) is(t *testing.T, n *cluster.Node, state string, units ...string) {
	t.Helper()
	for _, unit := range units {
		testkit.Eventually(t, time.Minute, func() error {
			out, err := n.Try("systemctl", "show", "--property", "ActiveState", "--value", unit)
			if got := strings.TrimSpace(out); err != nil || got != state {
				return fmt.Errorf("%s on %s is %s, expected %s (%w)", unit, n.Name, got, state, err)
			}
			return nil
		})
	}
}

// knowsAsUser checks what the agent can only know as its user may: logs in the journal, and what corosync
// has in effect, of which it is not asked.
func (f membersFixture) knowsAsUser(t *testing.T, n *cluster.Node) {
	t.Helper()
	now := time.Now().UTC()
	var log clusterstatus.Logged
	if err := f.ask(n, http.MethodGet, "/cluster/history/log?from="+now.Add(-4*time.Minute).Format(time.RFC3339)+"&to="+now.Format(time.RFC3339), "", &log); err != nil {
		t.Fatal(err)
	}
	inJournal := slices.ContainsFunc(log.Lines, func(l clusterstatus.LogLine) bool { return l.Source == "journal" })
	for _, s := range log.Sources {
		if s.Problem != "" {
			t.Errorf("%s: %s", s.Name, s.Problem)
		}
	}
	if !inJournal || len(log.Sources) < 3 {
		t.Errorf("%d lines of %+v, of the journal: %t", len(log.Lines), log.Sources, inJournal)
	}
	status, text := f.request(n, http.MethodPost, "/cluster/haproxy/apply?dryRun=true", `{"description":{"ip":["`+cluster.Floating+`/24"],"monitor":"3s"}}`)
	if status != http.StatusOK || !strings.Contains(text, `"warnings"`) || strings.Contains(text, "corosync") {
		t.Errorf("what the agent says of an apply: %d %s", status, text)
	}
	testkit.Eventually(t, time.Minute, func() error {
		var l clusterstatus.Losses
		err := f.ask(n, http.MethodGet, "/cluster/losses", "", &l)
		if err == nil && l.Computing {
			err = errors.New("the losses are not computed yet")
		}
		return err
	})
	if text := n.Run("cat", "/var/log/corosync/corosync.log"); strings.Contains(text, "Denied connection") {
		t.Errorf("corosync has refused the agent:\n%s", text)
	}
}

// comesBack kills the agent as systemd's watchdog does: systemd starts another one, and HAProxy stays.
func (f membersFixture) comesBack(t *testing.T, n *cluster.Node) {
	t.Helper()
	before := n.Run("cat", "/run/thalassa/haproxy.pid")
	f.is(t, n, "active", "thalassa.service")
	agent := func() (string, error) {
		return n.Try("systemctl", "show", "--property", "MainPID", "--value", "thalassa.service")
	}
	for _, signal := range []string{"ABRT", "KILL"} {
		killed, err := agent()
		if err != nil {
			t.Fatal(err)
		}
		n.Run("systemctl", "kill", "--kill-whom", "main", "--signal", signal, "thalassa.service")
		testkit.Eventually(t, time.Minute, func() error {
			now, err := agent()
			if err == nil && (now == killed || strings.TrimSpace(now) == "0") {
				err = fmt.Errorf("after SIG%s, the agent is %s", signal, now)
			}
			return err
		})
		f.is(t, n, "active", "thalassa.service")
	}
	if now := n.Run("cat", "/run/thalassa/haproxy.pid"); now != before {
		t.Errorf("HAProxy was %s and is %s", before, now)
	}
	n.Run("kill", "-0", strings.TrimSpace(before))
	f.answers(t)
}

// keepsItsPackage checks that the package is not removed under what Pacemaker runs: it could not stop that,
// and would have the node fenced.
func (f membersFixture) keepsItsPackage(t *testing.T, n *cluster.Node) {
	t.Helper()
	out, err := n.Try("sh", "-c", "dpkg --remove thalassa 2>&1")
	if err == nil || !strings.Contains(out, "thalassa cluster standby "+n.Name) {
		t.Errorf("dpkg --remove: %v, %s", err, out)
	}
	if out := n.Run("dpkg-query", "--show", "--showformat", "${Status}", "thalassa"); !strings.HasSuffix(out, " ok installed") {
		t.Errorf("the package is %q", out)
	}
	f.is(t, n, "active", "thalassa.service", "thalassa-node.socket")

	// What runs nowhere on the node is no reason, and the sockets come back with the package.
	if code, text := f.command(n, "standby", n.Name, "--yes"); code != 0 {
		t.Fatalf("standby: %d %s", code, text)
	}
	n.Run("dpkg", "--remove", "thalassa")
	f.is(t, n, "inactive", "thalassa.service", "thalassa-node.socket")
	n.Run("dpkg", "--install", "/run/fixture/thalassa.deb")
	f.is(t, n, "active", "thalassa.service", "thalassa-node.socket", "thalassa-membership.socket")
	f.answers(t)
	if code, text := f.command(n, "online", n.Name, "--yes"); code != 0 {
		t.Fatalf("online: %d %s", code, text)
	}
	f.serving()
}

// The units of the package, as systemd runs them, let the agents make a cluster, fill its HAProxy, and
// stop and start it. What their protection forbids would show here.
func TestClusterUnderSystemd(t *testing.T) {
	t.Parallel()
	f := newSystemdFixture(t, 2)
	n1, n2 := f.cluster.Nodes[0], f.cluster.Nodes[1]
	f.answers(t)
	f.begin(t, n1, initArgs(1)...).ends(t, 0)
	f.online(t, n1)

	// Nothing is done unless root of a node has allowed it.
	f.wants(t, n1, "/cluster/invitations", "", http.StatusConflict, "systemctl enable --now thalassa-membership.socket")
	f.wants(t, n1, "/cluster/actions/shutdown", "", http.StatusServiceUnavailable, "systemctl enable --now thalassa-node.socket")
	for _, n := range f.cluster.Nodes {
		n.Run("systemctl", "enable", "--now", "thalassa-membership.socket", "thalassa-node.socket")
	}
	begun := time.Now()
	f.wants(t, n2, "/cluster/join", joinBody(f.invite(t, n1), n2), http.StatusOK, `"quorum":true`)
	t.Logf("n2 had joined after %.1f s", time.Since(begun).Seconds())
	f.invited(t, n1)
	f.online(t, n1, n2)
	f.known(t, n1, n2)

	// HAProxy is a resource, and the agents fill it.
	f.equip(n1)
	for _, n := range f.cluster.Nodes {
		var kept any
		testkit.Eventually(t, time.Minute, func() error {
			return errors.Join(f.ask(n, http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`, &kept),
				f.ask(n, http.MethodPut, "/frontends/web", `{"bind":"*:80","backend":"live"}`, &kept))
		})
	}
	f.holders = f.cluster.WatchHolders(cluster.Floating)
	if code, text := f.command(n1, f.apply("--yes")...); code != 0 {
		t.Fatalf("apply: %d %s", code, text)
	}
	f.serving()
	f.knowsAsUser(t, n1)
	f.comesBack(t, n1)
	f.keepsItsPackage(t, n1)

	// The agents stop and start everything; systemd has done it.
	for _, n := range f.cluster.Nodes {
		f.is(t, n, "active", "corosync.service", "pacemaker.service", "thalassa.service")
	}
	begun = time.Now()
	if code, text := f.command(n1, "shutdown", "--yes"); code != 0 {
		t.Fatalf("shutdown: %d %s", code, text)
	}
	t.Logf("the cluster was down after %.1f s", time.Since(begun).Seconds())
	f.allDown(t)
	for _, n := range f.cluster.Nodes {
		f.is(t, n, "inactive", "corosync.service", "pacemaker.service")
		f.is(t, n, "active", "thalassa.service")
	}
	f.up(t, n2)
	f.serving()
	for _, n := range f.cluster.Nodes {
		f.is(t, n, "active", "corosync.service", "pacemaker.service")
	}

	// A node that loses its power comes back by itself: what the cluster needs starts with the machine.
	lost := f.serving()
	lost.Kill()
	if f.serving() == lost {
		t.Errorf("%s serves without power", lost.Name)
	}
	lost.Boot()
	f.answers(t)
	f.online(t, n1, n2)
	f.known(t, n1, n2)

	if code, text := f.command(n1, "leave", "n2", "--yes"); code != 0 {
		t.Fatalf("leave n2: %d %s", code, text)
	}
	if err := down(n2); err != nil {
		t.Error(err)
	}
	f.is(t, n2, "inactive", "corosync.service", "pacemaker.service")
	if out, err := n2.Try("systemctl", "is-enabled", "pacemaker"); err == nil {
		t.Errorf("pacemaker of n2 is %s", out)
	}
	f.serving()
	for _, n := range f.cluster.Nodes {
		for line := range strings.Lines(n.Run("journalctl", "--no-pager", "--quiet", "_PID=1")) {
			// comesBack has ended the agent.
			if strings.Contains(line, "Failed with result") && strings.Contains(line, ": thalassa-") {
				t.Errorf("%s: %s", n.Name, line)
			}
		}
	}
}
