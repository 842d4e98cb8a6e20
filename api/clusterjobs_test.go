package api_test

import (
	"strings"
	"testing"

	"thalassa/cluster"
)

func TestActionsOfTheClusterAreJobs(t *testing.T) {
	s := configured(t)
	r := s.do("POST", "/cluster/actions/move", `{"node":"n2"}`, "Content-Type: application/json", "Idempotency-Key: 0123456789")
	if path := r.header.Get("Location"); r.status != 200 || !strings.HasPrefix(path, "/cluster/jobs/") {
		t.Fatalf("%d to %q: %s", r.status, path, r.body)
	}
	var j cluster.Job
	s.get(r.header.Get("Location")+"?wait=1s").wants(t, 200, &j)
	if j.Kind != cluster.Move || j.State != cluster.JobDone || j.Object != "node/n2" {
		t.Errorf("%+v", j)
	}
	var list []cluster.Job
	s.get("/cluster/jobs?state=done&limit=5").wants(t, 200, &list)
	if len(list) != 1 || list[0].ID != j.ID {
		t.Errorf("%+v", list)
	}
	s.do("POST", "/cluster/actions/stop", `{"resource":"vip"}`, "Content-Type: application/json", "Prefer: respond-async").wants(t, 202, &j)
	if j.Kind != cluster.Stop {
		t.Errorf("%+v", j)
	}
	for _, key := range []string{"", "short", strings.Repeat("k", 201), "with\ttabs in it"} {
		s.do("POST", "/cluster/actions/stop", `{"resource":"vip"}`, "Content-Type: application/json", "Idempotency-Key: "+key).refused(t, 400, "invalid")
	}
	s.get("/cluster/jobs?state=odd").refused(t, 400, "invalid")
	s.get("/cluster/jobs/none").refused(t, 404, "not_found")
	s.do("POST", "/cluster/jobs/none/cancel", "").refused(t, 404, "not_found")
	s.do("POST", "/cluster/jobs/"+j.ID+"/cancel", "").refused(t, 409, "conflict")
	newFixture(t).get("/cluster/jobs").refused(t, 404, "not_found")
}

// A secret is shown to an admin alone, by a request that says so.
func TestSecretsOfTheClusterAreRevealed(t *testing.T) {
	s := configured(t)
	r := s.do("POST", "/cluster/config/primitives/fence/reveal", "")
	if r.status != 200 || !strings.Contains(string(r.body), "topsecret7") || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s: %s", r.status, r.header.Get("Cache-Control"), r.body)
	}
	s.do("POST", "/cluster/config/primitives/none/reveal", "").refused(t, 404, "not_found")
}
