package e2e_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
	testcluster "thalassa/internal/testkit/cluster"
)

// foreignGroup is a database with an address of its own, as another team has it.
const foreignGroup = `<group id="db">
	<primitive id="db-ip" class="ocf" provider="heartbeat" type="IPaddr2">
		<instance_attributes id="db-ip-parameters"><nvpair id="db-ip-address" name="ip" value="10.99.0.150"/>
			<nvpair id="db-ip-mask" name="cidr_netmask" value="24"/></instance_attributes>
		<operations><op id="db-ip-monitor" name="monitor" interval="1s"/></operations>
	</primitive>
	<primitive id="db-server" class="ocf" provider="heartbeat" type="Dummy">
		<operations><op id="db-server-monitor" name="monitor" interval="1s"/></operations>
	</primitive>
	<meta_attributes id="db-meta"><nvpair id="db-stickiness" name="resource-stickiness" value="1000"/></meta_attributes>
</group>`

// testForeign runs every command in a cluster that also has resources of somebody else,
// among them with an arbiter and with a network that dies. None touches them.
func (s commandCluster) testForeign(t *testing.T) {
	n := s.Any()
	n.Run("cibadmin", "-C", "-o", "resources", "-X", foreignGroup)
	s.AwaitIdle()
	before := s.foreign()
	untouched := func(what string) {
		t.Helper()
		if now := s.foreign(); now != before {
			t.Errorf("after %s\n%s\nexpected\n%s", what, now, before)
		}
	}
	description := []string{"--resource-agent", "ocf:lab:haproxy", "--ip", testcluster.FloatingService + "/24", "--watch-network", "eth1"}
	apply := append([]string{"apply"}, description...)
	for _, c := range [][]string{
		append([]string{"plan"}, description...), apply, append(apply, "--nodes", "n1,n2"),
		{"rollout"},
		{"maintenance", "--resource", "haproxy-clone"},
		{"maintenance", "--resource", "haproxy-clone", "--off"},
		{"cleanup", "--resource", "vip"},
		{"destroy", "--dry-run"},
	} {
		out, _ := s.call(0, c...)
		untouched(strings.Join(c, " "))
		if c[0] == "rollout" && (strings.Contains(out, "n3") || !strings.Contains(out, "reloaded on n1, n2")) {
			t.Errorf("a rollout without the arbiter:\n%s", out)
		}
	}
	s.AwaitRunning(t, "haproxy", "n1", "n2")
	for node, at := range map[string]string{"n1": "n2", "n2": "n1"} {
		s.withoutCarrier(t, node, at) // moves the address there first
		untouched("a dead network")
	}
	t.Run("a node that lacks something", func(t *testing.T) {
		_, words := s.call(5, append(apply, "--nodes", "n1,n2", "--interface", "eth9")...)
		s.wants(words, "n1: the interface eth9 does not exist", "n2: the interface eth9 does not exist", "nothing has changed")
		_, words = s.call(5, append(apply, "--ip", "192.0.2.10/24")...)
		s.wants(words, "no interface has the network of 192.0.2.10/24")
	})
	_, words := s.call(2, "destroy")
	s.wants(words, "--yes")
	if s.status().FloatingIPs[0].Node == "" {
		t.Error("without --yes, destroy has stopped the address")
	}
	out, _ := s.call(0, "destroy", "--yes")
	s.wants(out, "remove clone haproxy-clone", "remove clone haproxy-link-eth1-clone", "remove primitive vip", "will stop haproxy on n1, n2")
	untouched("destroy")
	text := n.Run("cibadmin", "-Q", "-o", "configuration")
	jobs := regexp.MustCompile(`(?s)<cluster_property_set id="thalassa-jobs">.*?</cluster_property_set>`).FindString(text) // the mark of the job that has removed it
	if !strings.Contains(jobs, `.0"`) || strings.Count(jobs, ".0") != 1 {
		t.Errorf("the marks of jobs are %s, expected that of the destroy", jobs)
	}
	if text = strings.Replace(text, jobs, "", 1); strings.Contains(text, "haproxy") || strings.Contains(text, "thalassa") {
		t.Errorf("something is left:\n%s", text)
	}
	for _, n := range s.Nodes {
		if out := n.Run("ip", "-o", "addr"); strings.Contains(out, testcluster.FloatingService+"/") {
			t.Errorf("%s still has the address", n.Name)
		}
	}
}

// foreign is the configuration of the foreign resources, where they run, and the calls
// that started them.
func (s commandCluster) foreign() string {
	s.t.Helper()
	var out strings.Builder
	out.WriteString(s.Any().Run("cibadmin", "-Q", "--xpath", "//group[@id='db']"))
	for _, n := range s.Nodes {
		for line := range strings.Lines(n.Run("cibadmin", "-Ql", "-o", "status")) {
			if _, op, ok := strings.Cut(line, `<lrm_rsc_op id="db-`); ok && strings.Contains(op, `operation="start"`) {
				_, key, _ := strings.Cut(op, `transition-key="`)
				fmt.Fprintf(&out, "%s: %.40s\n", n.Name, key)
			}
		}
	}
	return out.String()
}

// withoutCarrier pulls the cable of the service's network on a node, where the address is
// made to be. The address must leave it, and HAProxy must run where it goes.
func (s commandCluster) withoutCarrier(t *testing.T, node, to string) {
	t.Helper()
	if !slices.ContainsFunc(s.status().FloatingIPs, func(ip cluster.FloatingIP) bool { return ip.Resource == "vip" && ip.Node == node }) {
		s.call(0, "move", node)
	}
	begun := time.Now()
	s.Node(node).UnplugService()
	defer func() {
		s.Node(node).PlugService()
		s.AwaitIdle()
	}()
	testkit.Eventually(t, time.Minute, func() error {
		v := s.status()
		i := slices.IndexFunc(v.FloatingIPs, func(ip cluster.FloatingIP) bool { return ip.Resource == "vip" })
		if i < 0 || v.FloatingIPs[i].Node != to {
			return fmt.Errorf("the floating IPs are %+v, expected vip on %s", v.FloatingIPs, to)
		}
		if out := s.Node(to).Run("ip", "-o", "addr"); !strings.Contains(out, testcluster.FloatingService+"/24") {
			return fmt.Errorf("%s does not have the address yet:\n%s", to, out) // it is being started
		}
		return nil
	})
	t.Logf("the address left %s %s after its network had died", node, time.Since(begun).Round(10*time.Millisecond))
}
