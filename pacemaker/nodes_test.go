package pacemaker_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"thalassa/lb"
	"thalassa/pacemaker"
)

// TestNodes keeps everything off an arbiter: HAProxy, its addresses and what watches its
// network.
func TestNodes(t *testing.T) {
	for _, topology := range []string{pacemaker.Clone, pacemaker.Group} {
		c, path := checked(t)
		d := pacemaker.Description{
			Addresses: prefixes(t, "192.0.2.10/24"), Agent: "ocf:heartbeat:Dummy", Topology: topology,
			Nodes: []string{"n1", "n2"}, Prefer: []string{"n2"}, Watch: []string{"eth1"},
		}
		p := written(t, c, d)
		for _, line := range p.Consequences.Text {
			if strings.Contains(line, "n3") && !strings.Contains(line, "fence") {
				t.Errorf("%s: %q", topology, line)
			}
		}
		for _, r := range p.Consequences.After.Resources {
			if r.ID != "fence" && (len(r.Places) == 0 || slices.Contains(r.Nodes(), "n3")) {
				t.Errorf("%s: %s would run on %v", topology, r.ID, r.Nodes())
			}
		}
		if again, err := c.Plan(t.Context(), d); err != nil || len(again.Changes) > 0 {
			t.Errorf("%s: planned again: %q, %v", topology, again.Changes, err)
		}
		d.Nodes = nil
		if p = written(t, c, d); strings.Contains(configurationIn(t, path), "resource-discovery") {
			t.Errorf("%s: a constraint is left after %q", topology, p.Changes)
		}
	}
}

func TestNodesThatAreRefused(t *testing.T) {
	c, _ := checked(t)
	for name, tc := range map[string]struct {
		path          string
		nodes, prefer []string
	}{
		"unknown":   {"nodes", []string{"n1", "n4"}, nil},
		"no name":   {"nodes", []string{"-n"}, nil},
		"elsewhere": {"prefer", []string{"n1"}, []string{"n2"}},
	} {
		_, err := c.Plan(t.Context(), pacemaker.Description{
			Addresses: prefixes(t, "192.0.2.10/24"), Agent: "ocf:heartbeat:Dummy", Nodes: tc.nodes, Prefer: tc.prefer,
		})
		if invalid, ok := errors.AsType[*lb.InvalidError](err); !ok || invalid.Fields[0].Path != tc.path {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWatchesThatAreRefused(t *testing.T) {
	c, _ := checked(t)
	for _, watch := range [][]string{{"eth0", "eth0"}, {"eth0:1"}, {"0eth"}, {"an-interface-of-17"}, {""}, {`"/>`}} {
		_, err := c.Plan(t.Context(), pacemaker.Description{Addresses: prefixes(t, "192.0.2.10/24"), Agent: "ocf:heartbeat:Dummy", Watch: watch})
		if invalid, ok := errors.AsType[*lb.InvalidError](err); !ok || invalid.Fields[0].Path != "watch-network" {
			t.Errorf("%q: %v", watch, err)
		}
	}
}
