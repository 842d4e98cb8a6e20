package pacemaker_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"thalassa/cluster"
	"thalassa/pacemaker"
)

// described is an apply to the HAProxy of failed.xml that restarts it on three nodes.
func described(t *testing.T, parameters map[string]string) cluster.Action {
	t.Helper()
	h := cluster.HAProxy{Name: "haproxy", Agent: "ocf:heartbeat:Dummy", Addresses: prefixes(t, "10.77.0.100/24"), Parameters: parameters}
	return cluster.Action{Kind: cluster.Apply, Resource: "haproxy", HAProxy: &h}
}

// took makes a stage in a file.
func took(t *testing.T, s pacemaker.Steps, g pacemaker.Stage) pacemaker.Step {
	t.Helper()
	st, err := s.Plan(t.Context(), g)
	if err != nil {
		t.Fatalf("stage %d: %v", g.Number, err)
	}
	if err := s.Write(t.Context(), st, g.Mark); err != nil {
		t.Fatalf("stage %d: %v", g.Number, err)
	}
	return st
}

func text(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// HAProxy gets new parameters node by node. Whether the same agent continues or another one, and
// whether somebody else has changed anything meanwhile, the end is what was planned.
func TestApplyNodeByNode(t *testing.T) {
	for name, tc := range map[string]struct{ resumed, disturbed bool }{"by one agent": {}, "by others": {resumed: true}, "while others change": {disturbed: true}} {
		t.Run(name, func(t *testing.T) {
			c, path := onFile(t, "failed.xml")
			s := pacemaker.NewSteps(c)
			g := pacemaker.Stage{Action: described(t, map[string]string{"state": "/run/x", "a": "b"}), Mark: "job.0"}
			first := took(t, s, g)
			if len(first.Nodes) != 3 || first.Nodes[2] != "n2" || len(first.Changes) == 0 || len(first.Predicted.Actions) == 0 {
				t.Fatalf("nodes %q, changes %q, foretold %q", first.Nodes, first.Changes, first.Predicted.Text)
			}
			g.Nodes = first.Nodes
			for n := 1; n <= len(first.Nodes); n++ {
				if got := strings.Count(text(t, path), `value="n`); got != 2*n {
					t.Errorf("after stage %d, the rules name nodes %d times, expected %d", n-1, got, 2*n)
				}
				if tc.disturbed && n == 2 {
					tool(t, path, "crm_resource", "-r", "vip", "--meta", "-p", "priority", "-v", "7")
				}
				g.Number, g.Mark = n, "job."+string(rune('0'+n))
				if !tc.resumed {
					g.First = &first
				}
				took(t, s, g)
			}
			after := text(t, path)
			if strings.Contains(after, "thalassa-new") || strings.Contains(after, "thalassa-old") || !strings.Contains(after, `value="job.0 job.1 job.2 job.3"`) {
				t.Errorf("the rules are left, or the marks are not: %s", after)
			}
			if strings.Contains(after, `name="priority" value="7"`) != tc.disturbed {
				t.Error("the change of somebody else is lost")
			}
			if !tc.disturbed {
				p, err := c.Plan(t.Context(), pacemaker.Description(*g.Action.HAProxy))
				if err != nil || len(p.Changes) != 0 {
					t.Errorf("planned again: %q, %v", p.Changes, err)
				}
			}
			st, err := s.Plan(t.Context(), g)
			if err != nil || !st.Done {
				t.Errorf("the last stage again: done %t, %v", st.Done, err)
			}
		})
	}
}

// What an apply has begun is taken back: all of it by the agent that has begun, the parameters of
// HAProxy by another one or after a change by somebody else, which stays.
func TestApplyIsTakenBack(t *testing.T) {
	for name, tc := range map[string]struct{ resumed, disturbed bool }{"by the same agent": {}, "by another one": {resumed: true}, "after a change by others": {disturbed: true}} {
		t.Run(name, func(t *testing.T) {
			c, path := onFile(t, "failed.xml")
			s := pacemaker.NewSteps(c)
			was := parametersOf(t, path)
			a := described(t, map[string]string{"state": "/run/x"})
			a.HAProxy.Prefer = []string{"n3"}
			g := pacemaker.Stage{Action: a, Mark: "job.0"}
			first := took(t, s, g)
			if tc.disturbed {
				tool(t, path, "crm_resource", "-r", "vip", "--meta", "-p", "priority", "-v", "7")
			}
			g.Nodes, g.Undo, g.Number, g.Mark = first.Nodes, true, 1000, "job.1000"
			if !tc.resumed {
				g.First = &first
			}
			took(t, s, g)
			after := text(t, path)
			if got := parametersOf(t, path); got != was {
				t.Errorf("parameters %s, before %s", got, was)
			}
			if got, want := strings.Contains(after, "thalassa-prefers-n3"), tc.resumed || tc.disturbed; got != want {
				t.Errorf("the constraint is left: %t, expected %t", got, want)
			}
			if !strings.Contains(after, "job.0 job.1000") || strings.Contains(after, `name="priority" value="7"`) != tc.disturbed {
				t.Error("the marks, or the change of somebody else, are lost")
			}
		})
	}
}

// parametersOf are those of HAProxy in a file.
func parametersOf(t *testing.T, path string) string {
	t.Helper()
	_, rest, _ := strings.Cut(text(t, path), `<primitive id="haproxy"`)
	parameters, _, _ := strings.Cut(rest, "<operations>")
	return parameters
}

// A destroy removes the same as PlanDestroy, once; its mark is nothing that another one removes.
func TestDestroyIsAStep(t *testing.T) {
	c, path := onFile(t, "failed.xml")
	s := pacemaker.NewSteps(c)
	g := pacemaker.Stage{Action: cluster.Action{Kind: cluster.Destroy, Resource: "haproxy"}, Mark: "job.0"}
	st := took(t, s, g)
	if !slices.Contains(st.Changes, "remove clone haproxy-clone") || strings.Contains(configurationIn(t, path), "haproxy-clone") {
		t.Errorf("changes %q", st.Changes)
	}
	if again, err := s.Plan(t.Context(), g); err != nil || !again.Done {
		t.Errorf("again: done %t, %v", again.Done, err)
	}
	g.Mark = "other.0"
	if _, err := s.Plan(t.Context(), g); err == nil || !strings.Contains(err.Error(), "made by thalassa cluster apply") {
		t.Errorf("another one: %v, expected that there is nothing to remove", err)
	}
}
