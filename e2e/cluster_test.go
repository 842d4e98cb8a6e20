package e2e_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
)

// TestCluster disturbs a cluster that runs HAProxy on every node, in every way
// that it is there for. Each time the service comes back with the members that
// Consul knows then, and never do two nodes hold the address.
func TestCluster(t *testing.T) {
	t.Parallel()
	s := newClusterFixture(t, clone)
	s.onAll()
	t.Run("standby", s.standby)
	t.Run("haproxy killed", func(t *testing.T) {
		e := s.disturb(func(n *cluster.Node) { n.KillProcess(t, "haproxy") }, noticed)
		t.Log(e)
		s.recover()
		s.onAll()
		s.cleanedUp(t, e.from)
	})
	t.Run("agent killed", func(t *testing.T) {
		e := s.disturb(func(n *cluster.Node) { // and not a monitor of HAProxy, which is the same program
			if err := killCommand(n, "agent"); err != nil {
				t.Error(err)
			}
		}, atOnce)
		if e.refused+e.cut > 0 || e.from != e.to {
			t.Errorf("the clients noticed: %s", e)
		}
	})
	t.Run("consul of the node killed", func(t *testing.T) {
		e := s.disturb(func(n *cluster.Node) { n.KillProcess(t, "consul") }, atOnce)
		if e.refused+e.cut > 0 || e.from != e.to {
			t.Errorf("the clients noticed: %s", e)
		}
	})
	t.Run("rollout", s.rollout)
	t.Run("bad file on one node", s.badFile)
	t.Run("wrong inputs", s.wrongInputs)
	t.Run("node by node", s.nodeByNode)
	t.Run("configuration", s.configuration)
	t.Run("foresight", s.foresight)
	for _, daemon := range slices.Backward(cluster.Daemons()) {
		t.Run(daemon+" killed", func(t *testing.T) {
			t.Log(s.disturb(func(n *cluster.Node) { n.KillProcess(t, daemon) }, s.calm))
			s.recover()
			s.onAll()
		})
	}
	for _, end := range []struct {
		name string
		of   func(*cluster.Node)
	}{{"node killed", (*cluster.Node).Kill}, {"cable pulled", (*cluster.Node).Unplug}} {
		t.Run(end.name, func(t *testing.T) {
			begun := time.Now()
			e := s.disturb(end.of, s.moved)
			t.Log(e)
			s.cluster.Fences(t, e.from, begun)
			s.history(t, e, begun)
			s.recover()
			s.onAll()
		})
	}
	if n := s.holders.Samples(); n < 1000 {
		t.Errorf("the holders of the address were looked at %d times only", n)
	}
}

// standby moves the address without refusing a connection. A node that comes back
// starts with the members of now.
func (s *clusterFixture) standby(t *testing.T) {
	e := s.disturb(standbyOn, s.moved)
	t.Log(e)
	if e.refused > 0 {
		t.Errorf("connections were refused: %s", e)
	}
	away := s.cluster.Node(e.from)
	s.cluster.AwaitIdle()
	if pids := away.PIDs("haproxy"); len(pids) > 0 {
		t.Errorf("HAProxy runs on the node in standby: %v", pids)
	}
	// Its agent goes on with the file, without a HAProxy.
	s.register()
	s.consul.Deregister(fmt.Sprintf("member-%d", s.members-1))
	only := []string{fmt.Sprintf("%s:%d", cluster.Outside, 8000+s.members)}
	testkit.Eventually(t, patience, func() error {
		file, err := os.ReadFile(away.Path("/var/lib/thalassa/haproxy.cfg"))
		if got := serversInUse(string(file)); err != nil || !slices.Equal(got, only) {
			return fmt.Errorf("the file has the members %v, expected %v (%w)", got, only, err)
		}
		return nil
	})
	if status := s.call(away, "GET", "/readyz", ""); !strings.Contains(status, `"ready":true`) {
		t.Errorf("the agent of the node in standby says %s", status)
	}
	direct := s.cluster.Probe(away.Address()+":80", 5*time.Second)
	standbyOff(away)
	s.onAll()
	s.answered(direct, 20)
	newest := fmt.Sprintf("member-%d", s.members)
	if answers := direct.Stop().Answers(); len(answers) != 1 || answers[newest] == 0 {
		t.Errorf("the node came back with %v, expected %s alone", answers, newest)
	}
	s.serving()
}

// serversInUse lists the addresses of a configuration's servers that are not in
// maintenance.
func serversInUse(config string) []string {
	var addresses []string
	for line := range strings.Lines(config) {
		f := strings.Fields(line)
		if len(f) > 2 && f[0] == "server" && !slices.Contains(f, "disabled") {
			addresses = append(addresses, f[2])
		}
	}
	return addresses
}

func standbyOn(n *cluster.Node) {
	n.Run("crm_attribute", "--node", n.Name, "--name", "standby", "--update", "on")
}

func standbyOff(n *cluster.Node) {
	n.Run("crm_attribute", "--node", n.Name, "--name", "standby", "--delete")
}

// rollout has every node read its file, without a restart and without a request
// that fails.
func (s *clusterFixture) rollout(t *testing.T) {
	before := s.processes()
	client := s.cluster.Probe(cluster.Floating+":80", 10*time.Second)
	s.answered(client, 20)
	out, _ := s.commands().call(0, "rollout")
	t.Logf("%s", out)
	for _, want := range []string{"reloaded on n1, n2, n3 after", "settled after"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	after := s.reloaded(before)
	s.answered(client, 20)
	for i := range s.cluster.Nodes {
		if after[i].master != before[i].master {
			t.Errorf("HAProxy was started again on %s", s.cluster.Nodes[i].Name)
		}
	}
	if r := client.Stop(); r.Failed() > 0 {
		t.Errorf("requests failed: %v", r.Errors())
	}
}

// badFile has one node refuse its file: it and all others run on.
func (s *clusterFixture) badFile(t *testing.T) {
	bad := s.cluster.Nodes[slices.IndexFunc(s.cluster.Nodes, func(n *cluster.Node) bool { return n.Name != s.serving().Name })]
	path := bad.Path("/var/lib/thalassa/haproxy.cfg")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, generation := s.processes(), s.commands().generation()
	const config, bound = "/var/lib/thalassa/haproxy.cfg", "/var/lib/thalassa/bad.cfg"
	if err := os.WriteFile(bad.Path(bound), good, 0o600); err != nil {
		t.Fatal(err)
	}
	bad.Run("mount", "--bind", bound, config) // or the agent would put its own file back
	release := sync.OnceFunc(func() { bad.Run("umount", config) })
	t.Cleanup(release)
	client := s.cluster.Probe(cluster.Floating+":80", 10*time.Second)
	direct := s.cluster.Probe(bad.Address()+":80", 10*time.Second)
	s.answered(client, 20)
	for _, c := range []struct {
		name, file string
		code       int
		words      []string
	}{
		{"one that haproxy -c finds", "global\n    no such keyword\n", 5, []string{bad.Name + ": ", "nothing has changed"}},
		{
			"one that only HAProxy itself finds", string(good) + "\nglobal\n    ulimit-n 1073741824\n", 4, // more than the kernel gives
			[]string{"reverted to generation " + generation, "on " + bad.Name, "refuse"},
		},
	} {
		if err := os.WriteFile(bad.Path(bound), []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		out, words := s.commands().call(c.code, "rollout")
		for _, want := range c.words {
			if !strings.Contains(out+words, want) {
				t.Errorf("%s: %q is missing in\n%s%s", c.name, want, out, words)
			}
		}
		if now := s.commands().generation(); now != generation {
			t.Errorf("%s: generation %s, expected %s", c.name, now, generation)
		}
	}
	release()
	s.answered(client, 20)
	for i, now := range s.processes() {
		if now.master != before[i].master {
			t.Errorf("HAProxy was started again on %s", s.cluster.Nodes[i].Name)
		}
	}
	s.onAll()
	for _, r := range []cluster.Report{client.Stop(), direct.Stop()} {
		if r.Failed() > 0 {
			t.Errorf("requests failed: %v", r.Errors())
		}
	}
	bad.KillProcess(t, "thalassa")
	testkit.Eventually(t, time.Minute, func() error { // the next agent puts the file right at once
		file, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(file), "frontend web") || strings.Contains(string(file), "1073741824") {
			return fmt.Errorf("the file is %.100q (%w)", file, err)
		}
		return nil
	})
	s.recover()
}

// cleanedUp has Pacemaker forget how a HAProxy was started: a rollout would start
// it again, and does so only when it is told to.
func (s *clusterFixture) cleanedUp(t *testing.T, node string) {
	t.Helper()
	generation := s.commands().generation()
	s.commands().call(0, "cleanup")
	_, words := s.commands().call(4, "rollout")
	if !strings.Contains(words, "on "+node+" instead of a reload") || s.commands().generation() != generation {
		t.Errorf("generation %s, before %s: %s", s.commands().generation(), generation, words)
	}
	s.commands().call(0, "rollout", "--restart")
	if s.commands().generation() == generation {
		t.Error("a rollout that may restart HAProxy has done nothing")
	}
	s.onAll()
}

// A process is HAProxy on one node.
type process struct{ master, reloads int }

func (s *clusterFixture) processes() []process {
	s.tb.Helper()
	var all []process
	for _, n := range s.cluster.Nodes {
		status := struct {
			HAProxy struct {
				MasterPID int `json:"masterPid"`
				Reloads   int `json:"reloads"`
			} `json:"haproxy"`
		}{}
		decode(s.tb, s.call(n, "GET", "/status", ""), &status)
		all = append(all, process{status.HAProxy.MasterPID, status.HAProxy.Reloads})
	}
	return all
}

// reloaded waits until HAProxy has read its file again on all nodes but some.
func (s *clusterFixture) reloaded(before []process, but ...string) []process {
	s.tb.Helper()
	var now []process
	testkit.Eventually(s.tb, time.Minute, func() error {
		now = s.processes()
		for i, n := range s.cluster.Nodes {
			if now[i].master == before[i].master && now[i].reloads <= before[i].reloads && !slices.Contains(but, n.Name) {
				return fmt.Errorf("%s has not been reloaded: %+v", n.Name, now[i])
			}
		}
		return nil
	})
	return now
}

// TestClusterOfOtherReleases is about Pacemaker 3, whose tools and schemas are
// others.
func TestClusterOfOtherReleases(t *testing.T) {
	t.Parallel()
	onOtherPacemakers(t, func(t *testing.T, root string) {
		t.Helper()
		cfg := clusterConfig(t)
		cfg.Root = root
		s := bootCluster(t, cfg, clone)
		s.onAll()
		t.Logf("%s", s.cluster.Any().Run("pacemakerd", "--version"))
		t.Run("standby", s.standby)
		t.Run("rollout", s.rollout)
		t.Run("configuration", s.configuration)
		t.Run("foresight", s.foresight)
		t.Run("jobs", func(t *testing.T) { s.jobs(t, true) })
		t.Run("haproxy killed", func(t *testing.T) {
			t.Log(s.disturb(func(n *cluster.Node) { n.KillProcess(t, "haproxy") }, noticed))
			s.recover()
			s.onAll()
		})
		t.Run("node killed", func(t *testing.T) {
			begun := time.Now()
			e := s.disturb((*cluster.Node).Kill, s.moved)
			t.Log(e)
			s.cluster.Fences(t, e.from, begun)
		})
	})
}

// TestClusterGroup has HAProxy on one node at a time: the node that takes over
// starts it with the members of that moment.
func TestClusterGroup(t *testing.T) {
	t.Parallel()
	s := newClusterFixture(t, group)
	e := s.disturb((*cluster.Node).Kill, s.moved)
	t.Log(e)
	s.cluster.AwaitRunning(t, "haproxy", e.to)
	for _, n := range s.cluster.Up() {
		if n.Name != e.to && len(n.PIDs("haproxy")) > 0 {
			t.Errorf("HAProxy runs on %s, too", n.Name)
		}
	}
}
