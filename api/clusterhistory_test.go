package api_test

import (
	"strings"
	"testing"

	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/cluster/failover"
)

func TestHistoryOfTheCluster(t *testing.T) {
	s, _ := clustered(t)
	var list struct {
		Transitions []cluster.Transition
		More        bool
	}
	s.get("/cluster/history").wants(t, 200, &list)
	if len(list.Transitions) != 2 || list.More || list.Transitions[0].ID != apitest.SecondTransition || len(list.Transitions[0].Operations) > 0 {
		t.Errorf("all: %+v", list)
	}
	s.get("/cluster/history?limit=1&from=2026-11-29T12:00:00Z").wants(t, 200, &list)
	if len(list.Transitions) != 1 || !list.More {
		t.Errorf("one: %+v", list)
	}
	s.get("/cluster/history?resource=vip&node=n1&tag=warning").wants(t, 200, &list)
	if len(list.Transitions) != 1 || list.Transitions[0].ID != apitest.SecondTransition {
		t.Errorf("about vip on n1: %+v", list)
	}
	for author, n := range map[string]int{"ann": 1, "root": 1, "eve": 0} {
		if s.get("/cluster/history?author="+author).wants(t, 200, &list); len(list.Transitions) != n {
			t.Errorf("what %s did: %+v", author, list)
		}
	}
	var results struct {
		Operations []cluster.OperationResult
		More       bool
	}
	s.get("/cluster/history/operations?node=n1").wants(t, 200, &results)
	if len(results.Operations) != 1 || !results.Operations[0].Failed {
		t.Errorf("operations: %+v", results)
	}
	var one struct {
		cluster.Transition

		Before, After string
	}
	path := "/cluster/history/" + apitest.SecondTransition
	s.get(path).wants(t, 200, &one)
	if one.DC != "n2" || one.Before != apitest.FirstTransition || one.After != "" || len(one.Operations) != 1 {
		t.Errorf("one: %+v", one)
	}
	var v cluster.Status
	s.get(path+"/state").wants(t, 200, &v)
	if v.DC != "n1" {
		t.Errorf("state: %+v", v)
	}
	var p cluster.Prediction
	s.get(path+"/decisions").wants(t, 200, &p)
	if len(p.Actions) != 2 || len(p.Graph.Steps) != 4 {
		t.Errorf("decisions: %+v", p)
	}
	if r := s.get(path + "/cib.xml"); r.status != 200 || !strings.Contains(r.header.Get("Content-Type"), "application/xml") {
		t.Errorf("cib.xml: %d %s", r.status, r.body)
	}
	if r := s.get(path + "/file"); r.status != 200 || string(r.body) != "BZh" || !strings.Contains(r.header.Get("Content-Disposition"), "pe-warn-1.bz2") {
		t.Errorf("file: %d %v %s", r.status, r.header, r.body)
	}
}

// What would have happened in a transition is a simulation on what the scheduler saw then.
func TestSupposedInATransition(t *testing.T) {
	s, _ := clustered(t)
	var seen config.Foreseen
	s.do("POST", "/cluster/simulate", `{"transition":"`+apitest.SecondTransition+`","inject":[{"node":"n2","state":"online"}]}`).wants(t, 200, &seen)
	if len(seen.Predicted.Supposed) != 1 || len(seen.Predicted.Actions) != 2 || seen.Changes == nil || seen.Warnings == nil || seen.Objects == nil {
		t.Errorf("supposed: %+v", seen)
	}
	s.do("POST", "/cluster/simulate", `{"transition":"x"}`).refused(t, 404, "not_found")
	s.do("POST", "/cluster/simulate", `{"transition":"`+apitest.SecondTransition+`","import":"0123456789ab"}`).refused(t, 503, "unavailable") // this fixture keeps none
}

func TestAnyInstantOfTheCluster(t *testing.T) {
	s, _ := clustered(t)
	var m cluster.Moment
	s.get("/cluster/history/at?time=2026-11-29T12:00:30.5Z").wants(t, 200, &m)
	if p := m.Past; p.Transition != apitest.FirstTransition || p.AgeMS != 30_500 || p.Next != apitest.SecondTransition || len(p.Changes) != 2 || p.Operations == nil {
		t.Errorf("made from %+v", m.Past)
	}
	if m.DC != "n1" || len(m.Nodes) != 2 {
		t.Errorf("the state: %+v", m.Status)
	}
	r := s.get("/cluster/history/at?time=2026-11-29T11:00:00Z")
	if r.status != 404 || !strings.Contains(string(r.body), "the history begins at 2026-11-29T12:00:00Z") {
		t.Errorf("before the record: %d %s", r.status, r.body)
	}
	for query, says := range map[string]string{
		"": "time", "?time=": "is missing", "?time=yesterday": "is not a time", "?time=2999-01-01T00:00:00Z": "is in the future", "?time=2026-11-29T12:00:30Z&id=1": "id",
	} {
		if r := s.get("/cluster/history/at" + query); r.status != 400 || !strings.Contains(string(r.body), says) {
			t.Errorf("%q: %d %s", query, r.status, r.body)
		}
	}
}

func TestHistoryDifferences(t *testing.T) {
	s, _ := clustered(t)
	type diff struct {
		From, To string
		Change   *cluster.ConfigurationChange
		Authors  []cluster.Authorship
		Objects  []config.Difference
	}
	for query, want := range map[string]struct {
		id, from string
		objects  int
		changed  bool
	}{
		"second":      {apitest.SecondTransition + "/diff", apitest.FirstTransition, 1, true},
		"first":       {apitest.FirstTransition + "/diff", "", 0, false},
		"with itself": {apitest.SecondTransition + "/diff?with=" + apitest.SecondTransition, apitest.SecondTransition, 0, false},
	} {
		var d diff
		s.get("/cluster/history/"+want.id).wants(t, 200, &d)
		if d.Authors == nil || (len(d.Authors) == 2) != want.changed {
			t.Errorf("%s: authors %+v", query, d.Authors)
		}
		if d.From != want.from || len(d.Objects) != want.objects || (d.Change != nil) != want.changed {
			t.Errorf("%s: %+v", query, d)
		}
	}
}

func TestHistoryThatThereIsNot(t *testing.T) {
	s, _ := clustered(t)
	for path, status := range map[string]int{
		"/cluster/history/x": 404, "/cluster/history/x/state": 404, "/cluster/history/x/decisions": 404, "/cluster/history/x/diff": 404,
		"/cluster/history/x/cib.xml": 404, "/cluster/history/x/file": 404,
		"/cluster/history/" + apitest.FirstTransition + "/diff?with=x":       404,
		"/cluster/history?tag=red":                                           400,
		"/cluster/history?from=yesterday":                                    400,
		"/cluster/history?from=2026-11-29T12:00:00Z&to=2026-11-28T12:00:00Z": 400,
		"/cluster/history/operations?tag=warning":                            400,
		"/cluster/history?limit=0":                                           400,
	} {
		if r := s.get(path); r.status != status {
			t.Errorf("%s: %d, expected %d: %s", path, r.status, status, r.body)
		}
	}
	if r := newFixture(t).get("/cluster/history"); r.status != 404 {
		t.Errorf("without a cluster: %d %s", r.status, r.body)
	}
}

func TestLogsOfTheCluster(t *testing.T) {
	s, _ := clustered(t)
	for path, lines := range map[string]int{
		"/cluster/history/" + apitest.SecondTransition + "/log":                          1,
		"/cluster/history/" + apitest.FirstTransition + "/log?limit=10":                  0,
		"/cluster/history/log?from=2026-11-29T12:00:00Z&to=2026-11-29T12:05:00Z":         1,
		"/cluster/history/log?from=2026-11-29T12:02:00Z&to=2026-11-29T12:05:00Z&limit=5": 0,
	} {
		var log cluster.Logged
		s.get(path).wants(t, 200, &log)
		if len(log.Lines) != lines || log.Node != "n1" || len(log.Missing) != 1 || log.Missing[0] != "n2" || len(log.Sources) != 2 {
			t.Errorf("%s: %+v", path, log)
		}
	}
	for _, q := range []struct {
		path   string
		status int
	}{
		{"/cluster/history/x/log", 404},
		{"/cluster/history/log", 400},
		{"/cluster/history/log?from=2026-11-29T12:00:00Z", 400},
		{"/cluster/history/log?from=2026-11-29T12:00:00Z&to=2026-11-29T11:00:00Z", 400},
		{"/cluster/history/log?from=2026-11-27T12:00:00Z&to=2026-11-29T11:00:00Z", 400},
		{"/cluster/history/log?from=2026-11-29T12:00:00Z&to=2026-11-29T12:05:00Z&limit=0", 400},
	} {
		if r := s.get(q.path); r.status != q.status {
			t.Errorf("%s: %d, expected %d: %s", q.path, r.status, q.status, r.body)
		}
	}
}

func TestExplanationOfTheCluster(t *testing.T) {
	s, _ := clustered(t)
	var e failover.Explanation
	s.get("/cluster/history/"+apitest.SecondTransition+"/explanation").wants(t, 200, &e)
	if e.Kind != failover.KindFailure || e.Node != "n1" || len(e.Phases) != 4 || len(e.Advice) != 2 || e.LogNode != "n1" || len(e.Missing) != 1 || e.Missing[0] != "n2" {
		t.Errorf("explained: %+v", e)
	}
	s.get("/cluster/history/"+apitest.FirstTransition+"/explanation").wants(t, 200, &e)
	if e.Kind != failover.KindOther || len(e.Phases) > 0 || e.Notes == nil {
		t.Errorf("nothing happened: %+v", e)
	}
	if r := s.get("/cluster/history/x/explanation"); r.status != 404 {
		t.Errorf("one that there is not: %d %s", r.status, r.body)
	}
}
