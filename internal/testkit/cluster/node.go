package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// A Node is one machine of the cluster. Its methods fail the test rather than
// return an error, but for Try.
type Node struct {
	Name string

	fixture *Fixture
	number  int

	mu        sync.Mutex
	machine   *process  // nil: switched off
	disturbed time.Time // when something was done to it last
	gaveUp    int       // how often its Pacemaker had given up when it was restarted last
}

// Address of the node, which stays on it.
func (n *Node) Address() string { return "10.99.0." + strconv.Itoa(n.number) }

// IsUp reports whether the node is switched on.
func (n *Node) IsUp() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.machine != nil && !n.machine.ended()
}

// disturb notes that something is done to the node.
func (n *Node) disturb() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.disturbed = time.Now()
}

func (n *Node) disturbedAt() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.disturbed
}

// Boot switches the node on. It does not wait until it has joined the cluster.
func (n *Node) Boot() {
	n.fixture.tb.Helper()
	if n.IsUp() {
		return
	}
	n.disturb()
	n.reset("up")
	p, err := startProcess(n.fixture.inOutside("nsenter", "--net=/run/netns/"+n.Name,
		"unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--propagation", "private",
		"/bin/sh", "-c", nodeScript, "node", n.Name, n.fixture.cfg.Root, strconv.FormatBool(n.fixture.cfg.Bare), n.controlGroup()))
	if err != nil {
		n.fixture.tb.Fatal(err)
	}
	n.mu.Lock()
	n.machine = p
	n.mu.Unlock()
	n.fixture.await(n.Name+" to boot", func() error {
		if p.ended() {
			return fmt.Errorf("it has ended: %s", p.output())
		}
		if !n.fixture.isDeeper(p.first()) {
			return errors.New("it has no first process yet")
		}
		_, err := os.Stat(n.Path("/run/booted"))
		return err
	})
}

// controlGroup is the one of the node in systemd's hierarchy; empty: it has no systemd.
func (n *Node) controlGroup() string {
	if !n.fixture.cfg.Systemd {
		return ""
	}
	return fmt.Sprintf("thalassa-fixture-%d-%s", n.fixture.holder.cmd.Process.Pid, n.Name)
}

// removeControlGroups removes what systemd has made on a node that is off now, which the kernel keeps.
func (n *Node) removeControlGroups() {
	group := n.controlGroup()
	if group == "" {
		return
	}
	const script = `mkdir -p /run/cgroups
		mount -t cgroup -o none,name=systemd cgroup /run/cgroups
		for try in $(seq 50); do # a process that was killed may be about to end
			find "/run/cgroups/$1" -depth -type d -exec rmdir {} + 2>/dev/null && exit
			sleep 0.1
		done
		find "/run/cgroups/$1" -depth -type d -exec rmdir {} +`
	cmd := n.fixture.inOutside("unshare", "--mount", "/bin/sh", "-ec", script, "remove", group)
	if out, err := cmd.CombinedOutput(); err != nil && !n.fixture.over.Load() {
		n.fixture.tb.Errorf("the control groups of %s are left: %v: %s", n.Name, err, out)
	}
}

// isDeeper reports whether a process is below the fixture's first.
func (l *Fixture) isDeeper(pid int) bool { return pid != 0 && numbers(pid) > numbers(l.holder.first()) }

// Kill switches the node off, without any warning: all its processes are gone,
// its cable is dead and its addresses are no more. It may be called at any time,
// by the fencing too.
func (n *Node) Kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.machine == nil {
		return
	}
	n.disturbed = time.Now()
	n.pull() // or its kernel would refuse connections for a moment
	n.machine.killTree()
	n.machine = nil
	n.removeControlGroups()
	n.reset("down")
}

// pull is Unplug at any time.
func (n *Node) pull() { _ = n.fixture.inOutside("ip", "link", "set", n.Name, "down").Run() }

// reset gives the node's interface its own addresses alone, and its cable a
// state.
func (n *Node) reset(cable string) {
	script := fmt.Sprintf(`ip link set %[1]s %[2]s
		ip -n %[1]s addr flush dev eth0 scope global
		ip -n %[1]s addr add 10.99.0.%[3]d/24 dev eth0
		ip -n %[1]s addr add fd99::%[3]d/64 dev eth0 nodad
		ip link set %[1]ss up
		ip -n %[1]s addr flush dev eth1 scope global
		ip -n %[1]s addr add 10.98.0.%[3]d/24 dev eth1`, n.Name, cable, n.number)
	if out, err := n.fixture.inOutside("/bin/sh", "-ec", script).CombinedOutput(); err != nil && !n.fixture.over.Load() {
		n.fixture.tb.Errorf("resetting the network of %s: %v: %s", n.Name, err, out)
	}
}

// Unplug pulls the node's cable out of the switch; Plug puts it in again.
func (n *Node) Unplug() { n.cable("down") }

// Plug puts the cable in again.
func (n *Node) Plug() { n.cable("up") }

// UnplugService pulls the cable of the network that corosync does not use; eth1 has no
// carrier then. PlugService puts it in again.
func (n *Node) UnplugService() { n.setCable(n.Name+"s", "down") }

// PlugService puts the cable in again.
func (n *Node) PlugService() { n.setCable(n.Name+"s", "up") }

func (n *Node) cable(state string) { n.setCable(n.Name, state) }

func (n *Node) setCable(name, state string) {
	n.fixture.tb.Helper()
	n.disturb()
	if out, err := n.fixture.inOutside("ip", "link", "set", name, state).CombinedOutput(); err != nil {
		n.fixture.tb.Fatalf("the cable of %s: %v: %s", n.Name, err, out)
	}
}

// Path is how the test reaches a file of a node that is up.
func (n *Node) Path(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	pid := 0
	if n.machine != nil {
		pid = n.machine.first()
	}
	return filepath.Join("/proc", strconv.Itoa(pid), "root", name)
}

// Command prepares a call on the node, as root and in all its namespaces. Kill
// it with its context.
func (n *Node) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	n.mu.Lock()
	defer n.mu.Unlock()
	pid := 0
	if n.machine != nil {
		pid = n.machine.first()
	}
	return enter(ctx, pid, []string{"--mount", "--uts", "--ipc", "--net", "--pid", "--root"}, append([]string{name}, args...))
}

// inOutside prepares a call where Consul and the services are.
func (l *Fixture) inOutside(name string, args ...string) *exec.Cmd {
	return enter(context.Background(), l.holder.first(), []string{"--mount", "--net", "--pid"}, append([]string{name}, args...))
}

// enter prepares a call in the namespaces of a process.
func enter(ctx context.Context, pid int, namespaces, call []string) *exec.Cmd {
	args := append(append([]string{"--target", strconv.Itoa(pid)}, namespaces...), "--")
	cmd := exec.CommandContext(ctx, "nsenter", append(args, call...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // its child too
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Run calls a program on the node and returns its standard output. Another exit
// code than 0 fails the test.
func (n *Node) Run(name string, args ...string) string {
	n.fixture.tb.Helper()
	out, err := n.Try(name, args...)
	if err != nil {
		n.fixture.tb.Fatalf("on %s: %s %s: %v", n.Name, name, strings.Join(args, " "), err)
	}
	return out
}

// Try is Run for a program that may fail. The error ends with what it wrote to
// its standard error, and is an *exec.ExitError where it ended by itself.
func (n *Node) Try(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return n.tryFor(ctx, name, args...)
}

// tryFor is Try until ctx ends.
func (n *Node) tryFor(ctx context.Context, name string, args ...string) (string, error) {
	cmd := n.Command(ctx, name, args...)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, strings.TrimSpace(words.String()))
	}
	return out.String(), nil
}

// PIDs of the node's processes of a name (at most 15 letters of it count), as
// the test sees them.
func (n *Node) PIDs(name string) []int {
	n.mu.Lock()
	machine := n.machine
	n.mu.Unlock()
	if machine == nil {
		return nil
	}
	space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", machine.first()))
	if err != nil {
		return nil
	}
	name = name[:min(15, len(name))]
	all, _ := filepath.Glob("/proc/[0-9]*")
	var found []int
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil || strings.TrimSpace(string(comm)) != name {
			continue
		}
		if theirs, err := os.Readlink(filepath.Join(dir, "ns/pid")); err == nil && theirs == space {
			found = append(found, pid)
		}
	}
	return found
}

// KillProcess sends SIGKILL to all processes of a name. It waits for one, which
// may be about to be started again.
func (n *Node) KillProcess(tb testing.TB, name string) {
	tb.Helper()
	var pids []int
	testkit.Eventually(tb, patience, func() error {
		if pids = n.PIDs(name); len(pids) == 0 {
			return fmt.Errorf("no %s runs on %s", name, n.Name)
		}
		return nil
	})
	n.disturb()
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
