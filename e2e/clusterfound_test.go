package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"thalassa/bootstrap"
	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
)

// bareNodes are nodes with the program and without a cluster.
func bareNodes(t *testing.T, nodes int) *clusterFixture {
	t.Helper()
	testkit.HAProxy(t)
	cfg := clusterConfig(t)
	cfg.Bare, cfg.Nodes = true, nodes
	s := bootNodes(t, cfg)
	s.register()
	return s
}

// A membership is a command of thalassa cluster that runs on a node.
type membership struct {
	cmd  *exec.Cmd
	done chan error

	mu    sync.Mutex
	said  bytes.Buffer
	event []bootstrap.Event
}

// begin starts a command on a node.
func (s *clusterFixture) begin(t *testing.T, n *cluster.Node, args ...string) *membership {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	m := &membership{done: make(chan error, 1)}
	m.cmd = n.Command(ctx, "thalassa", append([]string{"cluster", "-o", "json"}, args...)...)
	m.cmd.Stderr = &lockedBuffer{m: m}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer cancel()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e bootstrap.Event
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				m.mu.Lock()
				m.event = append(m.event, e)
				m.mu.Unlock()
			}
		}
		m.done <- m.cmd.Wait()
	}()
	return m
}

type lockedBuffer struct{ m *membership }

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	return b.m.said.Write(p)
}

// String is what the command has told.
func (m *membership) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	text, _ := json.MarshalIndent(m.event, "", " ")
	return string(text) + "\n" + m.said.String()
}

// await waits for an event.
func (m *membership) await(t *testing.T, is func(bootstrap.Event) bool) bootstrap.Event {
	t.Helper()
	var found bootstrap.Event
	testkit.Eventually(t, 3*time.Minute, func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if i := slices.IndexFunc(m.event, is); i >= 0 {
			found = m.event[i]
			return nil
		}
		return fmt.Errorf("no such event: %s", &m.said)
	})
	return found
}

func (m *membership) code(t *testing.T) string {
	t.Helper()
	return m.await(t, func(e bootstrap.Event) bool { return e.Code != "" }).Code
}

// ends waits for an exit code.
func (m *membership) ends(t *testing.T, code int) {
	t.Helper()
	select {
	case err := <-m.done:
		if got := exitCode(err); got != code {
			t.Fatalf("exit code %d, expected %d:\n%s", got, code, m)
		}
	case <-time.After(5 * time.Minute):
		t.Fatalf("it does not end:\n%s", m)
	}
}

// killAt ends the command at once when it comes to a step.
func (m *membership) killAt(t *testing.T, step string) {
	t.Helper()
	// An earlier command may have got further before it was killed.
	m.await(t, func(e bootstrap.Event) bool { return e.Step == step || e.Code != "" })
	_ = syscall.Kill(-m.cmd.Process.Pid, syscall.SIGKILL)
	if err := <-m.done; err == nil {
		t.Fatalf("it ended before it was killed at %s:\n%s", step, m)
	}
}

func isStep(step, state string) func(bootstrap.Event) bool {
	return func(e bootstrap.Event) bool { return e.Step == step && e.State == state }
}

func initArgs(nodes int) []string {
	return []string{"init", "--name", "edge", "--address", "10.99.0.1", "--nodes", strconv.Itoa(nodes), "--yes"}
}

// found makes a cluster of all nodes: two commands.
func (s *clusterFixture) found(t *testing.T) {
	t.Helper()
	first := s.begin(t, s.cluster.Nodes[0], initArgs(len(s.cluster.Nodes))...)
	code := first.code(t)
	var joins []*membership
	for _, n := range s.cluster.Nodes[1:] {
		joins = append(joins, s.begin(t, n, "join", code, "--yes"))
	}
	for _, j := range joins {
		j.ends(t, 0)
	}
	first.ends(t, 0)
}

// online waits until nodes are online, as Pacemaker on each of them sees it.
func (s *clusterFixture) online(t *testing.T, nodes ...*cluster.Node) {
	t.Helper()
	for _, n := range nodes {
		testkit.Eventually(t, time.Minute, func() error {
			v, err := n.View()
			if err == nil && (!v.Quorum || len(v.Online) != len(nodes)) {
				err = fmt.Errorf("%s sees quorum %t and %s online", n.Name, v.Quorum, v.Online)
			}
			return err
		})
	}
}

// equip gives a cluster that was just made a fence device, and lets it work on a busy machine.
func (s *clusterFixture) equip(n *cluster.Node) {
	s.tb.Helper()
	var names []string
	for _, node := range s.cluster.Nodes {
		names = append(names, node.Name)
	}
	n.Run("cibadmin", "-M", "-c", "-o", "crm_config", "--xml-text",
		`<crm_config><cluster_property_set id="cib-bootstrap-options"><nvpair id="load" name="load-threshold" value="1000%"/></cluster_property_set></crm_config>`)
	n.Run("cibadmin", "-C", "-o", "resources", "--xml-text", `<primitive id="fence" class="stonith" type="fence_fixture">
		<instance_attributes id="fence-params"><nvpair id="fence-list" name="pcmk_host_list" value="`+strings.Join(names, " ")+`"/>
		<nvpair id="fence-check" name="pcmk_host_check" value="static-list"/></instance_attributes></primitive>`)
}

// Three nodes that have only the programs become a cluster by one command on each, and HAProxy
// serves on its floating IP after one more.
func TestClusterFromBareNodes(t *testing.T) {
	t.Parallel()
	s := bareNodes(t, 3)
	begun := time.Now()
	s.found(t)
	t.Logf("three nodes were online after %.1f s", time.Since(begun).Seconds())
	s.online(t, s.cluster.Nodes...)
	one := s.cluster.Nodes[0].Run("cat", "/etc/corosync/corosync.conf")
	for _, n := range s.cluster.Nodes {
		if got := n.Run("cat", "/etc/corosync/corosync.conf"); got != one {
			t.Errorf("corosync.conf of %s is\n%s\nthat of n1\n%s", n.Name, got, one)
		}
		if got := n.Run("stat", "-c", "%a %U", "/etc/corosync/authkey"); got != "400 root\n" {
			t.Errorf("the key of %s: %s", n.Name, got)
		}
		if got := n.Run("corosync-cmapctl", "-g", "totem.config_version"); !strings.Contains(got, "= 3") {
			t.Errorf("in effect on %s: %s", n.Name, got)
		}
	}
	if strings.Contains(one, "two_node") || !strings.Contains(one, "cluster_name: edge") {
		t.Errorf("corosync.conf is\n%s", one)
	}
	s.equip(s.cluster.Nodes[0])
	for _, n := range s.cluster.Nodes {
		s.configure(n)
	}
	s.holders = s.cluster.WatchHolders(cluster.Floating)
	s.commands().call(0, s.apply()...)
	s.serving()

	// A node that is switched off and on again comes back by itself.
	s.cluster.Nodes[2].Kill()
	testkit.Eventually(t, 2*time.Minute, func() error {
		if len(s.cluster.Fenced()) == 0 {
			return errors.New("the node was not fenced")
		}
		return nil
	})
	s.cluster.Nodes[2].Boot()
	s.online(t, s.cluster.Nodes...)

	// It leaves, and the others forget it.
	s.begin(t, s.cluster.Nodes[2], "leave", "--yes").ends(t, 0)
	member := s.begin(t, s.cluster.Nodes[1], "sync")
	s.begin(t, s.cluster.Nodes[0], "forget", "n3", "--yes").ends(t, 0)
	member.ends(t, 0)
	s.online(t, s.cluster.Nodes[:2]...)
	if out := s.cluster.Nodes[1].Run("cat", "/etc/corosync/corosync.conf"); strings.Contains(out, "n3") || !strings.Contains(out, "two_node: 1") {
		t.Errorf("after n3 has left:\n%s", out)
	}
	if out, err := s.cluster.Nodes[2].Try("ls", "/etc/corosync/authkey", "/var/lib/thalassa-cluster/journal.json"); err == nil || out != "" {
		t.Errorf("left behind: %s", out)
	}
	if got := s.cluster.Nodes[2].Run("md5sum", "/etc/corosync/corosync.conf"); !strings.HasPrefix(got, shippedDigest(t)) {
		t.Errorf("corosync.conf of n3 is not the one of the package: %s", got)
	}
	s.serving()
}

// shippedDigest is the MD5 of the corosync.conf of Debian's package.
func shippedDigest(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("dpkg-query", "--show", "--showformat", "${Conffiles}\n", "corosync").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "/etc/corosync/corosync.conf" {
			return f[1]
		}
	}
	t.Fatal("the package has no corosync.conf")
	return ""
}

// Commands that are killed at any step go on when they run again, and the third node joins after
// sync. Codes that are wrong or used let nobody in.
func TestClusterFoundedByKilledCommands(t *testing.T) {
	t.Parallel()
	s := bareNodes(t, 3)
	n1, n2, n3 := s.cluster.Nodes[0], s.cluster.Nodes[1], s.cluster.Nodes[2]
	for _, step := range []string{"authkey", "corosync.conf", "corosync", "pacemaker", "member"} {
		s.begin(t, n1, initArgs(2)...).killAt(t, step)
	}
	first := s.begin(t, n1, initArgs(2)...)
	code := first.code(t)
	wrong := []byte(code)
	wrong[10] = map[bool]byte{true: 'A', false: 'B'}[wrong[10] != 'A']
	s.begin(t, n2, "join", string(wrong), "--yes").ends(t, 2)
	s.begin(t, n2, "join", code).ends(t, 2) // without --yes
	for _, step := range []string{"corosync.conf", "pacemaker"} {
		s.begin(t, n2, "join", code, "--yes").killAt(t, step)
	}
	s.begin(t, n2, "join", code, "--yes").ends(t, 0)
	first.ends(t, 0)
	s.online(t, n1, n2)
	s.begin(t, n3, "join", code, "--yes").ends(t, 6) // nobody answers

	host := s.begin(t, n2, "invite")
	third := s.begin(t, n3, "join", host.code(t), "--yes")
	host.await(t, isStep("sync", "waiting"))
	s.begin(t, n1, "sync").ends(t, 0)
	host.ends(t, 0)
	third.ends(t, 0)
	s.online(t, n1, n2, n3)
	if fenced := s.cluster.Fenced(); len(fenced) > 0 {
		t.Errorf("fenced: %v", fenced)
	}
}

// A corosync.conf that somebody has written is not touched.
func TestClusterInitLeavesForeignFiles(t *testing.T) {
	t.Parallel()
	s := bareNodes(t, 1)
	n := s.cluster.Nodes[0]
	const foreign = "totem {\n cluster_name: theirs\n}\nnodelist {\n node {\n  ring0_addr: 192.0.2.1\n }\n}\n"
	if err := os.WriteFile(n.Path("/etc/corosync/corosync.conf"), []byte(foreign), 0o600); err != nil {
		t.Fatal(err)
	}
	m := s.begin(t, n, initArgs(1)...)
	m.ends(t, 4)
	if !strings.Contains(m.String(), `cluster \"theirs\"`) && !strings.Contains(m.String(), `cluster "theirs"`) {
		t.Errorf("got %s", m)
	}
	if got := n.Run("cat", "/etc/corosync/corosync.conf"); got != foreign {
		t.Errorf("corosync.conf is now\n%s", got)
	}
	s.begin(t, n, "leave", "--yes").ends(t, 4)
}

// A machine that dies while it joins is taken out again, and the first node has quorum all the time.
// When the machine is back, the same code lets it in. There are two links, the second one with IPv6.
func TestClusterTakesOutAMachineThatDies(t *testing.T) {
	t.Parallel()
	s := bareNodes(t, 2)
	n1, n2 := s.cluster.Nodes[0], s.cluster.Nodes[1]
	first := s.begin(t, n1, append(initArgs(2), "--address", "fd99::1")...)
	join := []string{"join", first.code(t), "--yes", "--address", "10.99.0.2", "--address", "fd99::2"}
	s.begin(t, n2, "join", join[1], "--yes").ends(t, 4) // with one address
	dying := s.begin(t, n2, join...)
	dying.await(t, isStep("corosync", "done"))
	n2.Kill()
	if err := <-dying.done; err == nil {
		t.Fatalf("it ended before its machine died:\n%s", dying)
	}
	first.await(t, isStep("node", "undone"))
	if conf := n1.Run("cat", "/etc/corosync/corosync.conf"); strings.Contains(conf, "n2") || strings.Contains(conf, "two_node") {
		t.Errorf("n2 is still there:\n%s", conf)
	}
	s.online(t, n1)
	n2.Boot()
	s.begin(t, n2, join...).ends(t, 0)
	first.ends(t, 0)
	s.online(t, n1, n2)
	log, err := os.ReadFile(n1.Path("/var/log/pacemaker/pacemaker.log"))
	if err != nil {
		t.Fatal(err)
	}
	if words := strings.ToLower(string(log)); strings.Contains(words, "quorum lost") || !strings.Contains(words, "quorum acquired") {
		t.Errorf("n1 has lost quorum: %.20000s", log)
	}
	if links := n1.Run("corosync-cfgtool", "-s"); !strings.Contains(links, "fd99::1") {
		t.Errorf("links of n1: %s", links)
	}
	if fenced := s.cluster.Fenced(); len(fenced) > 0 {
		t.Errorf("fenced: %v", fenced)
	}
}

// Debian's packages start corosync and Pacemaker with an example. The cluster replaces them, and they
// run again as before when the last node has left.
func TestClusterReplacesTheExampleThatRuns(t *testing.T) {
	t.Parallel()
	s := bareNodes(t, 1)
	n := s.cluster.Nodes[0]
	// The example of the package, and what corosync needs in a container.
	n.Run("sh", "-c", `printf 'system {\n\tallow_knet_handle_fallback: yes\n}\n' >>/etc/corosync/corosync.conf`)
	before := n.Run("cat", "/etc/corosync/corosync.conf")
	n.Run("service", "corosync", "start")
	n.Run("service", "pacemaker", "start")
	awaitDC := func() {
		t.Helper()
		testkit.Eventually(t, 2*time.Minute, func() error {
			v, err := n.View()
			if err == nil && v.DC == "" {
				err = errors.New("no DC")
			}
			return err
		})
	}
	awaitDC()
	n.Run("thalassa", "cluster", "init", "--name", "edge", "--address", "10.99.0.1", "--dry-run")
	if got := n.Run("cat", "/etc/corosync/corosync.conf"); got != before {
		t.Errorf("a preview has changed corosync.conf to\n%s", got)
	}
	s.begin(t, n, initArgs(1)...).ends(t, 0)
	s.online(t, n)
	if got := n.Run("corosync-cmapctl", "-g", "totem.cluster_name"); !strings.Contains(got, "= edge") {
		t.Errorf("the cluster that runs: %s", got)
	}
	s.begin(t, n, initArgs(1)...).ends(t, 0) // once more
	s.begin(t, n, "leave", "--yes").ends(t, 0)
	if got := n.Run("cat", "/etc/corosync/corosync.conf"); got != before {
		t.Errorf("corosync.conf is now\n%s", got)
	}
	awaitDC()
	if got := n.Run("corosync-cmapctl", "-g", "totem.cluster_name"); !strings.Contains(got, "= debian") {
		t.Errorf("what runs afterwards: %s", got)
	}
}

// A node whose only other one has left has no quorum once it was restarted, and forgets the other one
// by somebody's word.
func TestClusterForgetsWithoutQuorum(t *testing.T) {
	t.Parallel()
	s := bareNodes(t, 2)
	n1, n2 := s.cluster.Nodes[0], s.cluster.Nodes[1]
	s.found(t)
	s.begin(t, n1, "forget", "n2", "--down", "--yes").ends(t, 4) // it is online
	s.begin(t, n2, "leave", "--yes").ends(t, 0)
	n1.Run("service", "pacemaker", "stop")
	n1.Run("service", "corosync", "stop")
	n1.Run("service", "corosync", "start")
	n1.Run("service", "pacemaker", "start")
	testkit.Eventually(t, 2*time.Minute, func() error {
		v, err := n1.View()
		if err == nil && v.DC == "" {
			err = errors.New("no DC")
		}
		return err
	})
	if v, err := n1.View(); err != nil || v.Quorum {
		t.Fatalf("one of two nodes after a restart: quorum %t, %v", v.Quorum, err)
	}
	s.begin(t, n1, "forget", "n2", "--yes").ends(t, 4)
	s.begin(t, n1, "forget", "n2", "--down", "--yes").ends(t, 0)
	s.online(t, n1)
	if out := n1.Run("cibadmin", "--query", "--scope", "nodes"); strings.Contains(out, "n2") {
		t.Errorf("Pacemaker still knows n2: %s", out)
	}
}
