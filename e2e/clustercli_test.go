package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
	testcluster "thalassa/internal/testkit/cluster"
)

// standIn is a resource agent that runs nothing: what HAProxy would do to the
// cluster, without HAProxy. Its reload fails where /etc/reload-fails is.
const standIn = `#!/bin/sh
state=/run/stand-in
case $1 in
start) echo "$OCF_RESKEY_generation" >$state ;;
stop) rm -f $state ;;
monitor) [ -e $state ] || exit 7 ;;
reload-agent)
	[ ! -e /etc/reload-fails ] || { ocf_exit_reason=no; echo "ocf-exit-reason:this node does not want to" >&2; exit 1; }
	echo "$OCF_RESKEY_generation" >$state ;;
meta-data) cat <<-END
	<?xml version="1.0"?>
	<resource-agent name="haproxy" version="1">
	<version>1.1</version>
	<parameters>
	<parameter name="generation" reloadable="1"><content type="string" default="0"/></parameter>
	<parameter name="config"><content type="string" default=""/></parameter>
	</parameters>
	<actions>
	<action name="start" timeout="20s"/><action name="stop" timeout="20s"/>
	<action name="monitor" timeout="20s" interval="2s"/><action name="reload-agent" timeout="20s"/>
	<action name="meta-data" timeout="5s"/>
	</actions>
	</resource-agent>
	END
	;;
esac
`

// picky is a HAProxy that takes no configuration where /etc/refuse is.
const picky = `#!/bin/sh
[ "$1" != -v ] || exec haproxy "$@"
[ ! -e /etc/refuse ] || { echo "[ALERT]    (1) : config : this node takes nothing" >&2; exit 1; }
exec haproxy "$@"
`

// A commandCluster is a cluster whose nodes have the command line, and agents that
// answer rollouts.
type commandCluster struct {
	*testcluster.Fixture
	t testing.TB
}

func startCommandCluster(t *testing.T, cfg testcluster.Config) commandCluster {
	t.Helper()
	testkit.HAProxy(t)
	program, err := os.ReadFile(build(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Files = map[string]testcluster.File{
		"thalassa": {Content: program, Mode: 0o755}, "stand-in": {Content: []byte(standIn), Mode: 0o755},
		"picky-haproxy": {Content: []byte(picky), Mode: 0o755},
	}
	if stream := buildStream(t); stream != nil {
		cfg.Files["thalassa-cib"] = testcluster.File{Content: stream, Mode: 0o755}
	}
	cfg.Units = map[string]string{
		"a-resource-agent": `install -D -m 0755 /run/fixture/stand-in /usr/lib/ocf/resource.d/lab/haproxy; exec sleep 3600`,
		"thalassa": `mkdir -p /var/lib/thalassa /etc/haproxy
			exec /run/fixture/thalassa agent --haproxy external --haproxy-binary /run/fixture/picky-haproxy --register=false --haproxy-log "" --db-path /var/lib/thalassa --debug`,
	}
	return commandCluster{testcluster.Start(t, cfg), t}
}

// buildStream makes thalassa-cib once for all tests of this process, where what it
// needs is installed; nil: the agents poll.
func buildStream(tb testing.TB) []byte {
	tb.Helper()
	data, err := buildStreamOnce()
	if err != nil && os.Getenv("CI") != "" {
		tb.Fatal(err)
	} else if err != nil {
		tb.Logf("without thalassa-cib: %.300s", err)
	}
	return data
}

// buildPAM is buildStream for thalassa-pam.
func buildPAM(tb testing.TB) []byte {
	tb.Helper()
	data, err := buildPAMOnce()
	if err != nil && os.Getenv("CI") != "" {
		tb.Fatal(err)
	} else if err != nil {
		tb.Logf("without thalassa-pam: %.300s", err)
	}
	return data
}

var (
	buildStreamOnce = sync.OnceValues(func() ([]byte, error) { return buildWithC("thalassa-cib") })
	buildPAMOnce    = sync.OnceValues(func() ([]byte, error) { return buildWithC("thalassa-pam") })
)

// buildWithC builds a program that is a module of its own.
func buildWithC(name string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "thalassa-e2e-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Dir = "../cmd/" + name
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building %s: %w: %s", name, err, out)
	}
	return os.ReadFile(path)
}

// call runs a cluster command on a node and returns what it printed; the exit code
// must be the one expected.
func (s commandCluster) call(code int, args ...string) (out, words string) {
	s.t.Helper()
	return s.callOn(s.Any().Name, code, args...)
}

func (s commandCluster) callOn(node string, code int, args ...string) (out, words string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*time.Minute)
	defer cancel()
	cmd := s.Node(node).Command(ctx, "/run/fixture/thalassa", append([]string{"cluster"}, args...)...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if got := exitCode(err); got != code {
		s.t.Fatalf("thalassa cluster %s: exit code %d, expected %d: %v\n%s%s", strings.Join(args, " "), got, code, err, &stdout, &stderr)
	}
	return stdout.String(), stderr.String()
}

func (s commandCluster) status() cluster.Status {
	s.t.Helper()
	out, err := s.Any().Try("/run/fixture/thalassa", "cluster", "status", "-o", "json")
	var v cluster.Status
	if bad := json.Unmarshal([]byte(out), &v); bad != nil {
		s.t.Fatalf("%v: %v: %s", err, bad, out)
	}
	return v
}

// holder is where the floating IP is; it must be there in fact.
func (s commandCluster) holder() string {
	s.t.Helper()
	v := s.status()
	if len(v.FloatingIPs) == 0 || v.FloatingIPs[0].Node == "" {
		s.t.Fatalf("the floating IP is nowhere: %+v", v.FloatingIPs)
	}
	node := v.FloatingIPs[0].Node
	if out := s.Node(node).Run("ip", "-o", "addr"); !strings.Contains(out, testcluster.Floating+"/24") {
		s.t.Fatalf("%s does not have the address:\n%s", node, out)
	}
	return node
}

func (s commandCluster) constraints() string {
	return s.Any().Run("cibadmin", "-Q", "-o", "constraints")
}

func (s commandCluster) wants(text string, parts ...string) {
	s.t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			s.t.Errorf("%q is not in\n%s", p, text)
		}
	}
}

func TestClusterCommands(t *testing.T) {
	t.Parallel()
	s := startCommandCluster(t, testcluster.Config{})
	description := []string{"--resource-agent", "ocf:lab:haproxy", "--ip", testcluster.Floating + "/24", "--ip", testcluster.Floating6 + "/64", "--prefer", "n2"}
	apply := append([]string{"apply"}, description...)

	t.Run("plan and dry run change nothing", func(t *testing.T) {
		before := s.Any().Run("cibadmin", "-Ql", "-n")
		for _, args := range [][]string{append([]string{"plan"}, description...), append(apply, "--dry-run")} {
			out, words := s.call(0, args...)
			s.wants(out, "create clone haproxy-clone", "create group vips", "will start haproxy on n1, n2, n3", "will start vip on n2", "will start vip-2 on n2")
			if strings.Contains(words, "WARNING") {
				t.Errorf("a warning without reason: %s", words)
			}
		}
		if epoch(before) != epoch(s.Any().Run("cibadmin", "-Ql", "-n")) {
			t.Error("the configuration has changed")
		}
	})
	t.Run("apply, twice", func(t *testing.T) {
		s.call(0, apply...)
		if at := s.holder(); at != "n2" {
			t.Errorf("the address is on %s, not where it is at home", at)
		}
		s.AwaitRunning(t, "haproxy", "n1", "n2", "n3")
		before := epoch(s.Any().Run("cibadmin", "-Ql", "-n"))
		out, _ := s.call(0, apply...)
		s.wants(out, "nothing to change", "will start, stop and move nothing")
		if after := epoch(s.Any().Run("cibadmin", "-Ql", "-n")); after != before {
			t.Errorf("applied again it has changed epoch %s to %s", before, after)
		}
	})
	t.Run("a plan that was shown is bound", func(t *testing.T) { s.testBoundPlans(t, apply) })
	t.Run("move leaves no constraint", func(t *testing.T) {
		before := s.constraints()
		out, _ := s.call(0, "move", "n3")
		s.wants(out, "will move vip from n2 to n3")
		if at := s.holder(); at != "n3" {
			t.Errorf("the address is on %s", at)
		}
		if after := s.constraints(); after != before {
			t.Errorf("constraints before\n%s\nafter\n%s", before, after)
		}
	})
	t.Run("standby and online", func(t *testing.T) {
		out, _ := s.call(0, "standby", "n3", "--dry-run")
		s.wants(out, "will stop haproxy on n3", "will move vip from n3 to n2")
		if at := s.holder(); at != "n3" {
			t.Fatalf("a dry run has moved the address to %s", at)
		}
		s.call(0, "standby", "n3")
		if at := s.holder(); at != "n2" {
			t.Errorf("the address is on %s", at)
		}
		if n := s.status().Nodes[2]; n.State != "standby" || slices.Contains(n.Resources, "haproxy") {
			t.Errorf("n3 is %+v", n)
		}
		_, words := s.call(4, "move", "n3")
		s.wants(words, "cannot run there now")
		s.call(0, "online", "n3")
		s.AwaitRunning(t, "haproxy", "n1", "n2", "n3")
		if at := s.holder(); at != "n2" {
			t.Errorf("the address has gone back to %s", at)
		}
	})
	t.Run("maintenance", func(t *testing.T) {
		s.call(0, "maintenance")
		if v := s.status(); v.State != cluster.StateMaintenance || !v.Maintenance {
			t.Errorf("state %s", v.State)
		}
		s.call(0, "maintenance", "--off")
		s.call(0, "maintenance", "--node", "n1")
		if v := s.status(); v.Nodes[0].State != "maintenance" {
			t.Errorf("n1 is %s", v.Nodes[0].State)
		}
		s.call(0, "online", "n1")
		s.call(0, "maintenance", "--resource", "haproxy-clone")
		s.call(0, "maintenance", "--resource", "haproxy-clone", "--off")
		if v := s.status(); v.State != cluster.StateOK {
			t.Errorf("state %s: %s", v.State, v.Reasons)
		}
	})
	t.Run("actions are jobs", s.testJobsOfCommands)
	t.Run("a failure is shown and cleaned up", func(t *testing.T) {
		s.Node("n1").Run("crm_resource", "-r", "haproxy", "-F", "-N", "n1")
		testkit.Eventually(t, time.Minute, func() error {
			if v := s.status(); len(v.Failures) != 1 || v.State != cluster.StateErrors {
				return fmt.Errorf("state %s, failures %+v", v.State, v.Failures)
			}
			return nil
		})
		f := s.status().Failures[0]
		if f.Node != "n1" || f.Resource != "haproxy" || f.Code != 1 || f.Time.IsZero() || f.Reason == "" {
			t.Errorf("failure %+v", f)
		}
		s.call(6, "status")
		s.call(0, "cleanup", "--dry-run")
		s.call(0, "cleanup")
		if v := s.status(); v.State != cluster.StateOK || len(v.Failures) != 0 {
			t.Errorf("state %s, failures %+v", v.State, v.Failures)
		}
		s.call(0, "status")
		// Pacemaker has forgotten how HAProxy was started there.
		_, words := s.call(4, "rollout")
		s.wants(words, "on n1 instead of a reload", "Nothing has changed")
		s.call(0, "standby", "n1")
		s.call(0, "online", "n1")
		s.AwaitRunning(t, "haproxy", "n1", "n2", "n3")
	})
	t.Run("rollout", s.testRollout)
	t.Run("API", s.testAPI)
	t.Run("another topology", func(t *testing.T) {
		out, _ := s.call(0, append(apply, "--topology", "group")...)
		s.wants(out, "remove clone haproxy-clone", "create group haproxy-group", "will stop haproxy on n")
		v := s.status()
		if at := s.holder(); !slices.Equal(v.Nodes[slices.IndexFunc(v.Nodes, func(n cluster.Node) bool { return n.Name == at })].Resources, []string{"fence", "haproxy", "vip", "vip-2"}) && v.State != cluster.StateOK {
			t.Errorf("state %s, nodes %+v", v.State, v.Nodes)
		}
		if strings.Contains(s.constraints(), "thalassa-after") {
			t.Error("the constraints of the clone are left")
		}
		if g := s.generation(); g == "1" {
			t.Error("the generation was lost")
		}
		s.call(0, apply...)
		s.AwaitRunning(t, "haproxy", "n1", "n2", "n3")
	})
	t.Run("what something else has made is left alone", func(t *testing.T) {
		_, words := s.call(4, "apply", "--name", "fence", "--resource-agent", "ocf:lab:haproxy", "--ip", "10.99.0.101/24")
		s.wants(words, "fence", "choose another name")
	})
	t.Run("failures have meanings", s.testMeanings)
	t.Run("a fencing that failed is in the history", func(t *testing.T) {
		if out, err := s.Any().Try("stonith_admin", "--reboot", "no-such-node", "--timeout", "5"); err == nil {
			t.Fatalf("a node that is none was fenced: %s", out)
		}
		v := s.status()
		if !slices.ContainsFunc(v.FenceHistory, func(f cluster.FenceEvent) bool { return f.Node == "no-such-node" && f.Status == "failed" }) {
			t.Errorf("history %+v", v.FenceHistory)
		}
		out, _ := s.call(0, "status")
		s.wants(out, "no-such-node", "failed")
	})
	t.Run("a move to where it is", func(t *testing.T) {
		out, _ := s.call(0, "move", s.holder())
		s.wants(out, "is already on")
	})
	t.Run("others' resources", s.testForeign)
}

func (s commandCluster) generation() string {
	return strings.TrimSpace(s.Any().Run("crm_resource", "-r", "haproxy", "-g", "generation"))
}

// testJobsOfCommands has an action be a job of the agent, and another one without an agent.
func (s commandCluster) testJobsOfCommands(t *testing.T) {
	t.Helper()
	listed := func() (list []cluster.Job) {
		t.Helper()
		out, _ := s.call(0, "jobs", "-o", "json")
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return list
	}
	_, words := s.call(0, "unmanage", "haproxy-clone")
	jobs := listed()
	if len(jobs) == 0 || !strings.Contains(words, jobs[0].ID) || jobs[0].Kind != cluster.Unmanage || jobs[0].Object != "resource/haproxy-clone" || jobs[0].State != cluster.JobDone {
		t.Errorf("%q, and the jobs are %+v", words, jobs)
	}
	out, err := s.Any().Command(t.Context(), "env", "THALASSA_AGENT=http://127.0.0.1:9", "/run/fixture/thalassa", "cluster", "manage", "haproxy-clone").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "not among the jobs of the cluster: no agent answers on this node") {
		t.Errorf("without an agent: %v: %s", err, out)
	}
	if now := listed(); len(now) != len(jobs) {
		t.Errorf("a change without an agent is a job: %+v", now)
	}
	if v := s.status(); v.State != cluster.StateOK {
		t.Errorf("state %s: %s", v.State, v.Reasons)
	}
}

// testBoundPlans has plans shown, and others change the cluster before they are carried out.
func (s commandCluster) testBoundPlans(t *testing.T, apply []string) {
	t.Helper()
	for _, n := range s.Nodes { // where the agent has not come to it yet
		n.Run("sh", "-c", "[ -e /etc/haproxy/haproxy.cfg ] || printf 'defaults\\n timeout client 9s\\n' >/etc/haproxy/haproxy.cfg")
	}
	tagOf := func(args ...string) (tag string) {
		t.Helper()
		out, _ := s.call(0, append(args, "--dry-run", "-o", "json")...)
		var p cluster.HAProxyPlan
		if err := json.Unmarshal([]byte(out), &p); err != nil || len(p.Tag) != 16 {
			t.Fatalf("tag %q, %v: %s", p.Tag, err, out)
		}
		return p.Tag
	}
	group, sticky := slices.Concat(apply, []string{"--topology", "group"}), slices.Concat(apply, []string{"--stickiness", "77"})
	plans := map[string][]string{tagOf(group...): group, tagOf("destroy"): {"destroy", "--yes"}, tagOf("rollout"): {"rollout"}}
	same := tagOf(sticky...)
	// A node that runs nothing changes what those would do that stop or reload something.
	s.call(0, "standby", "n3")
	before := epoch(s.Any().Run("cibadmin", "-Ql", "-n"))
	for tag, args := range plans {
		_, words := s.call(4, slices.Concat(args, []string{"--plan", tag})...)
		s.wants(words, "the plan has changed since it was shown; nothing was done", "The plan is now:")
	}
	if after := epoch(s.Any().Run("cibadmin", "-Ql", "-n")); after != before {
		t.Errorf("refused, they have changed epoch %s to %s", before, after)
	}
	// The plan that only changes a number is the same in another configuration.
	s.call(0, slices.Concat(sticky, []string{"--plan", same})...)
	s.call(0, "online", "n3")
	s.AwaitRunning(t, "haproxy", "n1", "n2", "n3")
	s.call(0, apply...)
}

// testRollout runs rollouts over agents that check the file on their disk.
func (s commandCluster) testRollout(t *testing.T) {
	t.Helper()
	for _, n := range s.Nodes { // where the agent has not come to it yet
		n.Run("sh", "-c", "[ -e /etc/haproxy/haproxy.cfg ] || printf 'defaults\\n timeout client 9s\\n' >/etc/haproxy/haproxy.cfg")
	}
	begun := time.Now()
	out, _ := s.call(0, "rollout")
	t.Logf("rollout after %s:\n%s", time.Since(begun).Round(time.Millisecond), out)
	s.wants(out, "generation 1 -> 2", "reloaded on n1, n2, n3 after", "settled after")
	for _, n := range s.Nodes {
		if got := strings.TrimSpace(n.Run("cat", "/run/stand-in")); got != "2" {
			t.Errorf("%s runs generation %s", n.Name, got)
		}
	}
	if at := s.holder(); at == "" {
		t.Error("the address is gone")
	}
	// Where the agent does not carry it out, the command does, in the same way.
	alone := func() string {
		t.Helper()
		out, err := s.Any().Command(t.Context(), "env", "THALASSA_AGENT=http://127.0.0.1:9", "/run/fixture/thalassa", "cluster", "rollout").CombinedOutput()
		t.Logf("rollout without an agent: %v\n%s", err, out)
		return string(out)
	}
	s.wants(alone(), "not among the jobs of the cluster", "generation 2 -> 3", "reloaded on n1, n2, n3 after", "settled after")
	for _, n := range s.Nodes {
		if got := strings.TrimSpace(n.Run("cat", "/run/stand-in")); got != "3" {
			t.Errorf("%s runs generation %s", n.Name, got)
		}
	}
	// One node does not want it: nobody gets it.
	s.Node("n3").Run("touch", "/etc/refuse")
	out, words := s.call(5, "rollout")
	s.wants(words, "n3", "this node takes nothing", "nothing has changed")
	s.wants(out, "n1    valid", "n2    valid", "n3    ", "this node takes nothing", "generation 3 unchanged: n3 refused 4")
	s.wants(alone(), "this node takes nothing", "generation 3 unchanged: n3 refused 4")
	var refused struct {
		Planned string
		Nodes   []cluster.NodeAnswer
	}
	out, _ = s.call(5, "rollout", "-o", "json")
	if err := json.Unmarshal([]byte(out), &refused); err != nil || refused.Planned != "4" || len(refused.Nodes) != 3 || refused.Nodes[2].Valid || refused.Nodes[2].Reason == "" {
		t.Errorf("%v: %s", err, out)
	}
	if g := s.generation(); g != "3" {
		t.Errorf("generation %s", g)
	}
	s.Node("n3").Run("rm", "/etc/refuse")
	// One node cannot: everybody goes back.
	s.Node("n2").Run("touch", "/etc/reload-fails")
	_, words = s.call(4, "rollout")
	s.wants(words, "this node does not want to", "reverted to generation 3")
	s.Node("n2").Run("rm", "/etc/reload-fails")
	if g := s.generation(); g != "3" {
		t.Errorf("generation %s", g)
	}
	s.call(0, "cleanup")
	for _, n := range s.Nodes {
		if got := strings.TrimSpace(n.Run("cat", "/run/stand-in")); got != "3" {
			t.Errorf("%s runs generation %s after going back", n.Name, got)
		}
	}
	for _, n := range s.status().Nodes {
		for name := range n.Attributes {
			if strings.HasPrefix(name, "thalassa-") && name != "thalassa-jobs-ring" { // by which the agents wake each other
				t.Errorf("%s keeps the attribute %s", n.Name, name)
			}
		}
	}
}

// testMeanings provokes failures of the real tools.
func (s commandCluster) testMeanings(t *testing.T) {
	for _, c := range []struct {
		code  int
		words string
		args  []string
	}{
		{3, "node/n9 does not exist", []string{"standby", "n9"}},
		{3, "resource/nothing does not exist", []string{"cleanup", "--resource", "nothing"}},
		{3, "resource/nothing does not exist", []string{"rollout", "--resource", "nothing"}},
		{2, "is not an address", []string{"plan", "--ip", "10.99.0.300/24"}},
		{2, "topology", []string{"plan", "--ip", "10.99.0.100/24", "--topology", "ring"}},
		{2, "ip: is missing", []string{"plan"}},
	} {
		_, words := s.call(c.code, c.args...)
		s.wants(words, c.words)
	}
	asNobody := func(args ...string) (string, error) {
		return s.Node("n1").Try("setpriv", append([]string{"--reuid", "65534", "--regid", "65534", "--clear-groups", "/run/fixture/thalassa", "cluster"}, args...)...)
	}
	if _, err := asNobody("status"); exitCode(unwrapped(err)) != 6 && exitCode(unwrapped(err)) != 7 {
		t.Errorf("as nobody: %v", err)
	}
}

func unwrapped(err error) error {
	for {
		next, ok := err.(interface{ Unwrap() error })
		if !ok || next.Unwrap() == nil {
			return err
		}
		err = next.Unwrap()
	}
}

// epoch is the version of the configuration in a CIB's root element.
func epoch(root string) string {
	_, rest, _ := strings.Cut(root, ` epoch="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// TestClusterCommandsOfOtherReleases is about Pacemaker 3, whose tools, schemas
// and XML are others.
func TestClusterCommandsOfOtherReleases(t *testing.T) {
	t.Parallel()
	onOtherPacemakers(t, func(t *testing.T, root string) {
		t.Helper()
		s := startCommandCluster(t, testcluster.Config{Root: root})
		s.call(0, "apply", "--resource-agent", "ocf:lab:haproxy", "--ip", testcluster.Floating+"/24", "--prefer", "n2")
		if v := s.status(); v.State != cluster.StateOK || strings.HasPrefix(v.Version, "2.") || s.holder() != "n2" {
			t.Errorf("Pacemaker %s, state %s, %s", v.Version, v.State, v.Reasons)
		}
		out, _ := s.call(0, "apply", "--resource-agent", "ocf:lab:haproxy", "--ip", testcluster.Floating+"/24", "--prefer", "n2")
		s.wants(out, "nothing to change")
		s.call(0, "move", "n3")
		out, _ = s.call(0, "standby", "n3")
		s.wants(out, "will stop haproxy on n3", "will move vip from n3 to n2")
		s.call(0, "online", "n3")
		s.AwaitRunning(t, "haproxy", "n1", "n2", "n3")
		s.testRollout(t)
	})
}

func TestClusterWithoutFencingAndWithASlowToken(t *testing.T) {
	t.Parallel()
	s := startCommandCluster(t, testcluster.Config{NoFencing: true, Nodes: 2, Token: 5000})
	out, words := s.call(0, "plan", "--resource-agent", "ocf:lab:haproxy", "--ip", testcluster.Floating+"/24")
	s.wants(words, "NO FENCING", "SLOW FAILOVER", "token is 5000", "two nodes")
	s.wants(out, "will start vip on")
	s.call(0, "apply", "--resource-agent", "ocf:lab:haproxy", "--ip", testcluster.Floating+"/24")
	if v := s.status(); v.State != cluster.StateNoFencing {
		t.Errorf("state %s: %s", v.State, v.Reasons)
	}
	// Nobody there.
	for _, n := range s.Nodes {
		n.Kill()
	}
}
