package e2e_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit/cluster"
)

// wrongInputs applies what is wrong to a serving cluster: nothing changes, and no request
// fails.
func (s *clusterFixture) wrongInputs(t *testing.T) {
	client := s.cluster.Probe(cluster.Floating+":80", 10*time.Second)
	s.answered(client, 20)
	before := epoch(s.cluster.Any().Run("cibadmin", "-Ql", "-n"))
	ip := []string{"--ip", cluster.Floating + "/24"}
	for _, c := range []struct {
		code  int
		words string
		args  []string
	}{
		{2, "drain_time", []string{"--parameter", "drain_time=banana"}},
		{2, "drain-time", []string{"--parameter", "drain-time=9s"}},
		{2, "open_files", []string{"--parameter", "open_files=many"}},
		{2, "config", []string{"--parameter", "config=haproxy.cfg"}},
		{2, "n9", []string{"--nodes", "n1,n9"}},
		{2, "first or last address", []string{"--ip", "10.99.0.255/24"}},
		{2, "watch-network", []string{"--watch-network", "eth0:1"}},
		{5, "eth9", []string{"--interface", "eth9"}},
		{5, "/nowhere/haproxy.cfg", []string{"--parameter", "config=/nowhere/haproxy.cfg"}},
		{5, "nobody-of-this-name", []string{"--parameter", "binary=/nobody-of-this-name"}},
		{5, "no interface has the network of 192.0.2.10/24", []string{"--ip", "192.0.2.10/24"}},
		{2, "manage-ip", []string{"--manage-ip", cluster.Floating + "/24"}},
		{2, "manage-port", []string{"--manage-ip", manageIP + "/24", "--manage-port", "0"}},
		{5, "listen on all addresses", []string{"--manage-ip", manageIP + "/24"}}, // they do on loopback
		{5, "no interface has the network of 192.0.2.20/24", []string{"--manage-ip", "192.0.2.20/24"}},
	} {
		_, words := s.commands().call(c.code, slices.Concat([]string{"apply"}, ip, c.args)...)
		if !strings.Contains(words, c.words) {
			t.Errorf("%v: %q is missing in %s", c.args, c.words, words)
		}
	}
	if after := epoch(s.cluster.Any().Run("cibadmin", "-Ql", "-n")); after != before {
		t.Errorf("the configuration has changed from epoch %s to %s", before, after)
	}
	s.answered(client, 20)
	if r := client.Stop(); r.Failed() > 0 {
		t.Errorf("requests failed: %v", r.Errors())
	}
}

// nodeByNode changes parameters that need a restart, and one that needs none, on a serving
// cluster.
func (s *clusterFixture) nodeByNode(t *testing.T) {
	apply := s.apply()
	before := s.processes()
	client := s.cluster.Probe(cluster.Floating+":80", 10*time.Second)
	s.answered(client, 20)
	s.commands().call(0, append(apply, "--parameter", "drain_time=4s")...)
	for i, now := range s.reloaded(before) {
		if now.master != before[i].master {
			t.Errorf("drain_time: HAProxy was started again on %s", s.cluster.Nodes[i].Name)
		}
	}
	holder := s.serving().Name
	apply = append(apply, "--parameter", "drain_time=4s", "--parameter", "open_files=100000")
	out, words := s.commands().call(0, apply...)
	t.Log(out)
	order, _, _ := strings.Cut(after(out, "node by node: "), "\n")
	if names := strings.Split(order, ", "); len(names) != 3 || names[2] != holder {
		t.Errorf("the order is %q, expected %s at the end\n%s", order, holder, words)
	}
	s.onAll()
	if text := s.cluster.Any().Run("cibadmin", "-Q", "-o", "resources"); strings.Contains(text, "<rule") || !strings.Contains(text, `value="100000"`) {
		t.Errorf("the resources are now\n%s", text)
	}
	out, _ = s.commands().call(0, apply...)
	if !strings.Contains(out, "nothing to change") {
		t.Errorf("applied again:\n%s", out)
	}
	s.answered(client, 20)
	r := client.Stop()
	t.Logf("%d requests, %d failed: %v", len(r), r.Failed(), r.Errors())
	for text := range r.Errors() {
		if strings.HasPrefix(text, "connecting:") {
			t.Errorf("connections failed: %s", text)
		}
	}
	if most := s.holders.Most(); len(most) > 1 {
		t.Errorf("the address was on %s at one moment", most)
	}
	s.serving()
}

// after is the text after a word; empty: it is missing.
func after(text, word string) string {
	_, rest, _ := strings.Cut(text, word)
	return rest
}
