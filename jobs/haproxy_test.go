package jobs_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// edge is an apply that makes another HAProxy beside the one of the cluster.
func edge() cluster.Action {
	h := cluster.HAProxy{Name: "edge", Agent: "ocf:heartbeat:Dummy", Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.101/24")}}
	return cluster.Action{Kind: cluster.Apply, Resource: "edge", HAProxy: &h, Author: "ann", Wait: time.Minute}
}

// Apply and destroy are jobs: carried out once, foretold, kept by two nodes, and without effect
// if they are refused.
func TestApplyAndDestroyAreJobs(t *testing.T) {
	c := newTwo(t)
	n1, _ := c.start(t, "n1", &disk{docs: map[string][]byte{}})
	n2, _ := c.start(t, "n2", &disk{docs: map[string][]byte{}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	order := cluster.Order{Author: "ann", Key: "key-12345678", Body: []byte("apply edge")}
	_, j, err := n1.Do(ctx, edge(), order)
	if err != nil || j.State != cluster.JobDone || j.Kind != cluster.Apply || j.Object != "resource/edge" || len(j.Kept) != 2 || len(j.Changes) == 0 || len(j.Predicted) == 0 || len(j.Commands) == 0 {
		t.Fatalf("%+v, %v", j, err)
	}
	after := c.epoch(t)
	if _, again, err := n2.Do(ctx, edge(), order); err != nil || again.ID != j.ID || c.epoch(t) != after {
		t.Errorf("again: %+v, %v", again, err)
	}
	if p, err := c.pm.Plan(ctx, pacemaker.Description(*edge().HAProxy)); err != nil || len(p.Changes) != 0 {
		t.Errorf("it has not written %q, %v", p.Changes, err)
	}
	bad := edge()
	bad.HAProxy.Topology = "ring"
	if _, j, err := n1.Do(ctx, bad, cluster.Order{Author: "ann"}); !errors.As(err, new(*lb.InvalidError)) || j.ID != "" {
		t.Errorf("refused: %+v, %v", j, err)
	}
	destroy := cluster.Action{Kind: cluster.Destroy, Resource: "edge", Author: "bob", Wait: time.Minute}
	if _, j, err := n2.Do(ctx, destroy, cluster.Order{Author: "bob"}); err != nil || j.State != cluster.JobDone || len(j.Changes) == 0 {
		t.Errorf("%+v, %v", j, err)
	}
	if _, _, err := n2.Do(ctx, destroy, cluster.Order{Author: "bob"}); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("a second one: %v", err)
	}
	rollout := cluster.Action{Kind: cluster.Rollout, Resource: "haproxy"}
	if _, _, err := n2.Do(ctx, rollout, cluster.Order{Author: "bob"}); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("a rollout in a file: %v", err)
	}
}

// A job whose plan is not the one that was shown is none: nothing is changed.
func TestPlansOfJobsAreBound(t *testing.T) {
	c := newTwo(t)
	n1, _ := c.start(t, "n1", &disk{docs: map[string][]byte{}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a := edge()
	shown, err := c.pm.PlanHAProxy(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	before := c.epoch(t)
	a.IfMatch = []string{`"0123456789abcdef"`}
	_, j, err := n1.Do(ctx, a, cluster.Order{Author: "ann"})
	changed, ok := errors.AsType[*cluster.PlanChangedError](err)
	if !ok || j.ID != "" || changed.Tag != shown.Tag || !slices.Equal(changed.Lines, shown.Lines()) || c.epoch(t) != before {
		t.Errorf("another plan: %+v, %v", j, err)
	}
	if list, err := n1.Jobs(ctx, cluster.JobQuery{}); err != nil || len(list) != 0 {
		t.Errorf("jobs %+v, %v", list, err)
	}
	a.IfMatch = []string{strconv.Quote(shown.Tag)}
	if _, j, err := n1.Do(ctx, a, cluster.Order{Author: "ann"}); err != nil || j.State != cluster.JobDone || !slices.Equal(j.Changes, shown.Changes) {
		t.Errorf("the plan that was shown: %+v, %v", j, err)
	}
}

// An apply whose agent was lost while HAProxy restarted node by node is finished by another one.
func TestApplyOfALostNodeIsFinished(t *testing.T) {
	c := newTwo(t)
	s := pacemaker.NewSteps(c.pm)
	h := cluster.HAProxy{Name: "haproxy", Agent: "ocf:heartbeat:Dummy", Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.100/24")}, Parameters: map[string]string{"state": "/run/x"}}
	a := cluster.Action{Kind: cluster.Apply, Resource: "haproxy", HAProxy: &h}
	const id = "cccccccccccccccccccc"
	first, err := s.Plan(t.Context(), pacemaker.Stage{Action: a, Mark: id + ".0"})
	if err == nil {
		err = s.Write(t.Context(), first, id+".0")
	}
	if err != nil || len(first.Nodes) != 3 {
		t.Fatalf("%q, %v", first.Nodes, err)
	}
	// The address is away, as it would be after the move that a file cannot make.
	doc := []byte(`{"id":"` + id + `","kind":"apply","state":"running","node":"n3","object":"resource/haproxy","attempts":1,"version":1,"begun":"` +
		time.Now().Format(time.RFC3339) + `","action":{"resource":"haproxy"},"nodes":["n1","n3"]}`)
	n1, _ := c.start(t, "n1", &disk{docs: map[string][]byte{id: doc}})
	c.start(t, "n2", &disk{docs: map[string][]byte{}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	j, err := n1.Job(ctx, id)
	for errors.As(err, new(*lb.NotFoundError)) && wake.Pause(ctx, 10*time.Millisecond) == nil {
		j, err = n1.Job(ctx, id)
	}
	if err != nil || j.State != cluster.JobDone {
		t.Fatalf("%+v, %v", j, err)
	}
	data, err := os.ReadFile(c.path)
	if text := string(data); err != nil || strings.Contains(text, "thalassa-new") || !strings.Contains(text, `name="state" value="/run/x"`) || !strings.Contains(text, id+".2") {
		t.Errorf("not finished: %v, %s", err, text)
	}
}
