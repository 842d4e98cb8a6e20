package api_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
)

// The actions on the HAProxy of the cluster are jobs, and a preview changes nothing.
func TestActionsOnHAProxyAreJobs(t *testing.T) {
	s, c := configuredCluster(t)
	const described = `{"description":{"name":"edge","ip":["192.0.2.10/24","2001:db8::10/64"],"parameters":{"config":"/etc/x.cfg","depth":2},"monitor":"2s","stickiness":0,"failure-timeout":"0s"},"force":true,"wait":"90s"}`
	var p cluster.HAProxyPlan
	s.do("POST", "/cluster/haproxy/apply?dryRun=1", described).wants(t, 200, &p)
	if len(p.Changes) != 1 || !strings.HasPrefix(p.Changes[0], "apply edge") || len(c.Done()) != 0 {
		t.Errorf("%+v, done %+v", p, c.Done())
	}
	var answer struct {
		Job     cluster.Job
		Cluster cluster.Status
	}
	r := s.do("POST", "/cluster/haproxy/apply", described, "Content-Type: application/json", "Idempotency-Key: 0123456789")
	r.wants(t, 200, &answer)
	if path := r.header.Get("Location"); path != "/cluster/jobs/"+answer.Job.ID || answer.Cluster.DC != "n1" || r.header.Get("ETag") != `"0:12"` {
		t.Errorf("to %q with %s: %s", path, r.header.Get("ETag"), r.body)
	}
	a := c.Done()[0]
	h := a.HAProxy
	if a.Kind != cluster.Apply || a.Object() != "resource/edge" || !a.Force || a.Wait != 90*time.Second || h == nil || len(h.Addresses) != 2 || h.Monitor != 2*time.Second ||
		h.Parameters["depth"] != "2" || *h.Stickiness != 0 || h.Threshold != nil || *h.FailureTimeout != 0 {
		t.Errorf("%+v of %+v", h, a)
	}
	var j cluster.Job
	s.do("POST", "/cluster/haproxy/rollout", `{"restart":true,"validate":"9s"}`, "Content-Type: application/json", "Prefer: respond-async").wants(t, 202, &j)
	if a := c.Done()[1]; j.Kind != cluster.Rollout || a.Resource != "haproxy" || !a.Restart || a.Validate != 9*time.Second {
		t.Errorf("%+v of %+v", j, a)
	}
	s.do("POST", "/cluster/haproxy/destroy", `{"name":"edge"}`).wants(t, 200, &answer)
	if a := c.Done()[2]; a.Kind != cluster.Destroy || a.Resource != "edge" {
		t.Errorf("%+v", a)
	}
	// The tag of a former configuration is refused with the plan as it is now.
	stale := s.do("POST", "/cluster/haproxy/destroy", "", `If-Match: "0:11"`)
	f := stale.refused(t, 412, "precondition_failed")
	if !cluster.IsPlanTag(stale.header.Get("ETag")) || !strings.Contains(f.Output, "destroy haproxy") || !strings.Contains(f.Error, `the configuration has changed; nothing was done. Its entity tag is now "0:12"`) {
		t.Errorf("%+v, ETag %s", f, stale.header.Get("ETag"))
	}
	s.do("POST", "/cluster/haproxy/destroy", "", `If-None-Match: *`).refused(t, 412, "precondition_failed")
	// They are no actions of the other kind: another role may ask for those.
	for _, kind := range cluster.HAProxyKinds() {
		s.do("POST", "/cluster/actions/"+kind, `{"resource":"haproxy"}`).refused(t, 404, "not_found")
	}
}

// A preview has a tag, and the change is refused if the plan is another one by then.
func TestPlansOfHAProxyAreConditions(t *testing.T) {
	s, c := configuredCluster(t)
	var p cluster.HAProxyPlan
	r := s.do("POST", "/cluster/haproxy/destroy?dryRun=1", "")
	r.wants(t, 200, &p)
	tag := r.header.Get("ETag")
	if tag != strconv.Quote(p.Tag) || !cluster.IsPlanTag(tag) {
		t.Fatalf("ETag %s of the plan %q", tag, p.Tag)
	}
	// The configuration is another one, the plan is not.
	c.Change(func(v *cluster.Status) { v.Epoch.Epoch++ })
	s.do("POST", "/cluster/haproxy/destroy?dryRun=1", "", "If-Match: "+tag).wants(t, 200, &p)
	s.do("POST", "/cluster/haproxy/destroy", "", "If-Match: "+tag).wants(t, 200, nil)
	// The plan is another one.
	c.Change(func(v *cluster.Status) { v.Nodes = append(v.Nodes, cluster.Node{Name: "n9"}) })
	for _, query := range []string{"", "?dryRun=1"} {
		r := s.do("POST", "/cluster/haproxy/destroy"+query, "", "If-Match: "+tag)
		f := r.refused(t, 412, "precondition_failed")
		now := r.header.Get("ETag")
		if now == tag || !cluster.IsPlanTag(now) || !strings.Contains(f.Output, "destroy haproxy on") || !strings.Contains(f.Error, now) {
			t.Errorf("%s: %+v, ETag %s", query, f, now)
		}
		s.do("POST", "/cluster/haproxy/destroy?dryRun=1", "", "If-Match: "+tag+", "+now).wants(t, 200, nil)
	}
	if n := len(c.Done()); n != 1 {
		t.Errorf("%d actions were carried out", n)
	}
}

// Nodes that refuse a rollout are in the answer, for programs, too.
func TestRolloutsAreRefusedByNodes(t *testing.T) {
	s, c := configuredCluster(t)
	c.Fail(&cluster.RolloutRefusedError{
		Rollout: cluster.RolledOut{From: "7", To: "7", Planned: "8", Nodes: []cluster.NodeAnswer{{Node: "n1", Valid: true}, {Node: "n2", Reason: "line 3"}}},
		Cause:   &lb.RefusedError{At: "check", Output: "n2: line 3"},
	})
	for _, query := range []string{"", "?dryRun=1"} {
		f := s.do("POST", "/cluster/haproxy/rollout"+query, "").refused(t, 422, "refused")
		if r := f.Rollout; r == nil || len(r.Nodes) != 2 || r.Nodes[1].Reason != "line 3" || r.Planned != "8" || f.Output != "n2: line 3" {
			t.Errorf("%s: %+v", query, f)
		}
	}
}

// An error names the field at fault by its path in the body.
func TestActionsOnHAProxyAreChecked(t *testing.T) {
	s, c := configuredCluster(t)
	for _, tc := range []struct{ action, body, field string }{
		{"apply", `{}`, "description"},
		{"apply", `{"description":{"ip":["192.0.2.10"]}}`, "description.ip[0]"},
		{"apply", `{"description":{"ip":["192.0.2.10/24"],"odd":1}}`, "description.odd"},
		{"apply", `{"description":{"ip":["192.0.2.10/24"],"monitor":"soon"}}`, "description.monitor"},
		{"apply", `{"description":{"ip":["192.0.2.10/24"],"parameters":{"config":[]}}}`, "description.parameters.config"},
		{"apply", `{"description":{"ip":["192.0.2.10/24"]},"wait":"1h"}`, "wait"},
		{"apply", `{"description":{"name":"edge"}}`, "description.ip"},
		{"apply", `{"description":{"ip":["192.0.2.10/24"],"topology":"ring"}}`, "description.topology"},
		{"rollout", `{"validate":"-1s"}`, "validate"},
		{"rollout", `{"resource":"-x"}`, "resource"},
		{"destroy", `{"node":"n1"}`, "node"},
	} {
		f := s.do("POST", "/cluster/haproxy/"+tc.action+"?dryRun=1", tc.body).refused(t, 400, "invalid")
		if len(f.Fields) != 1 || f.Fields[0].Path != tc.field {
			t.Errorf("%s %s: %+v", tc.action, tc.body, f.Fields)
		}
	}
	if n := len(c.Done()); n != 0 {
		t.Errorf("%d actions were carried out", n)
	}
	if f := s.do("POST", "/cluster/haproxy/destroy?really=1", "{}").refused(t, 400, "invalid"); !strings.Contains(f.Fields[0].Path, "really") {
		t.Errorf("%+v", f.Fields)
	}
	newFixture(t).do("POST", "/cluster/haproxy/destroy", "{}").refused(t, 404, "not_found")
}
