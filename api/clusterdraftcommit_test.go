package api_test

import (
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/cluster/config"
)

// A commit whose agent was lost is finished by whoever is asked next, by what became of its job: the
// draft is dropped, can be changed again, or is left alone while the job may run.
func TestACommitOfALostAgent(t *testing.T) {
	t.Parallel()
	c, kept := apitest.NewCluster(), &apitest.ClusterDrafts{}
	s := newFixture(t, inCluster(c), func(cfg *api.Config) { cfg.ClusterDrafts = kept })
	if err := c.SetConfiguration(`<configuration><resources><primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"/></resources></configuration>`); err != nil {
		t.Fatal(err)
	}
	done, err := c.Begin(t.Context(), cluster.Action{Kind: cluster.Cleanup}, cluster.Order{})
	if err != nil {
		t.Fatal(err)
	}
	begin := func(id, job string, age time.Duration) {
		t.Helper()
		s.do("POST", "/cluster/drafts", `{"id":"`+id+`"}`).wants(t, 201, nil)
		s.do("PUT", "/cluster/config/tags/"+id+"?draft="+id, `{"objects":["vip"]}`).wants(t, 200, nil)
		if _, err := kept.Update(t.Context(), id, func(d config.Draft) (config.Draft, error) {
			d.Commit = &config.Committing{Job: job, Begun: d.Changed.Add(-age)}
			return d, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	begin("running", strings.Repeat("0", 19)+"a", 0)
	var d struct{ Commit string }
	if s.get("/cluster/drafts/running").wants(t, 200, &d); d.Commit == "" {
		t.Errorf("%+v", d)
	}
	for _, r := range []reply{
		s.do("PUT", "/cluster/config/tags/x?draft=running", `{"objects":["vip"]}`), s.do("DELETE", "/cluster/drafts/running", ""),
		s.do("POST", "/cluster/drafts/running/commit?wait=1s", ""), s.do("PATCH", "/cluster/drafts/running", `{"listed":true}`),
	} {
		if f := r.refused(t, 409, "conflict"); !strings.Contains(f.Error, "is being committed by job/") {
			t.Errorf("%q", f.Error)
		}
	}
	begin("lost", strings.Repeat("0", 19)+"b", time.Hour)
	s.do("PUT", "/cluster/config/tags/x?draft=lost", `{"objects":["vip"]}`).wants(t, 200, nil)
	s.do("POST", "/cluster/drafts/lost/commit", "").wants(t, 200, nil)
	s.get("/cluster/config/tags/x").wants(t, 200, nil)
	begin("made", done.ID, 0)
	s.get("/cluster/drafts/made").refused(t, 404, "not_found")
	s.get("/cluster/config/tags/made").refused(t, 404, "not_found")
	var list []struct{ ID string }
	if s.get("/cluster/drafts").wants(t, 200, &list); len(list) != 1 || list[0].ID != "running" {
		t.Errorf("%+v", list)
	}
}

// A commit that is refused leaves a draft that can be changed.
func TestACommitThatIsRefused(t *testing.T) {
	t.Parallel()
	s, c := configuredCluster(t)
	s.do("POST", "/cluster/drafts", `{"id":"a"}`).wants(t, 201, nil)
	s.do("PUT", "/cluster/config/tags/t?draft=a", `{"objects":["vip"]}`).wants(t, 200, nil)
	c.Lag()
	s.do("PUT", "/cluster/config/tags/t", `{"objects":["fence"]}`).wants(t, 200, nil)
	s.do("POST", "/cluster/drafts/a/commit", "").refused(t, 409, "conflict")
	s.do("POST", "/cluster/drafts/a/rebase", "").wants(t, 200, nil)
	s.do("POST", "/cluster/drafts/a/commit", "").wants(t, 200, nil)
	s.get("/cluster/drafts/a").refused(t, 404, "not_found")
}
