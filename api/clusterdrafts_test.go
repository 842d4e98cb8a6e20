package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"thalassa/api/apitest"
)

func TestDraftsOfTheCluster(t *testing.T) {
	s := configured(t)
	var d struct {
		ID                 string
		Objects, Conflicts []string
		Edits              []struct {
			Number       int
			Method, Path string
		}
		Inject []struct{ Text string }
	}
	r := s.do("POST", "/cluster/drafts", `{"message":"next week"}`)
	r.wants(t, 201, &d)
	if d.ID != "1" || r.header.Get("Location") != "/cluster/drafts/1" {
		t.Fatalf("%+v", d)
	}
	s.do("PATCH", "/cluster/config/primitives/vip?draft=1", `{"params":{"ip":"192.0.2.9"}}`).wants(t, 200, nil)
	if got := s.get("/cluster/config/primitives/vip").body; strings.Contains(string(got), "192.0.2.9") {
		t.Errorf("the draft is in effect: %s", got)
	}
	inDraft := s.get("/cluster/config/primitives/vip?draft=1")
	same(t, inDraft.body, `{"id": "vip", "agent": "ocf:heartbeat:IPaddr2", "params": {"ip": "192.0.2.9"}}`)
	s.do("PUT", "/cluster/config/tags/t?draft=1&dryRun=1", `{"objects":["vip"]}`).wants(t, 200, nil)
	s.get("/cluster/config/tags/t?draft=1").refused(t, 404, "not_found")
	s.do("PUT", "/cluster/config/tags/t?draft=1", `<tag><obj_ref id="vip"/></tag>`, "Content-Type: application/xml").wants(t, 200, nil)
	s.do("POST", "/cluster/changes?draft=1", `{"edits":[{"method":"DELETE","path":"/cluster/config/locations/l1"}]}`).wants(t, 200, nil)
	s.do("POST", "/cluster/drafts/1/injections", `{"node":"n2","state":"unclean"}`).wants(t, 200, nil)
	s.do("POST", "/cluster/drafts/1/injections", `{"quorum":false}`).wants(t, 200, nil)
	s.do("DELETE", "/cluster/drafts/1/injections/2", "").wants(t, 200, nil)
	s.get("/cluster/drafts/1").wants(t, 200, &d)
	if !slices.Equal(d.Objects, []string{"locations/l1", "primitives/vip", "tags/t"}) || len(d.Edits) != 3 || len(d.Inject) != 1 || d.Inject[0].Text != "node n2 fails" {
		t.Errorf("%+v", d)
	}
	var seen struct {
		Changes    []string
		Objects    []struct{ Object, Before, After string }
		Simulation struct {
			Supposed []string
			Graph    struct{ Nodes, Edges []any }
		}
	}
	s.get("/cluster/drafts/1/diff").wants(t, 200, &seen)
	if len(seen.Objects) != 3 || len(seen.Simulation.Graph.Nodes) == 0 || !slices.Equal(seen.Simulation.Supposed, []string{"node n2 fails"}) {
		t.Errorf("%+v", seen)
	}
	r = s.do("POST", "/cluster/drafts/1/commit", "")
	r.wants(t, 200, nil)
	if r.header.Get("ETag") != `"0:13"` {
		t.Errorf("ETag %s", r.header.Get("ETag"))
	}
	s.get("/cluster/config/locations/l1").refused(t, 404, "not_found")
	same(t, s.get("/cluster/config/tags/t").body, `{"id": "t", "objects": ["vip"]}`)
	s.get("/cluster/drafts/1").refused(t, 404, "not_found")
	same(t, s.get("/cluster/drafts").body, `[]`)
}

func TestConflictsOfADraftOfTheCluster(t *testing.T) {
	s, c := configuredCluster(t)
	s.do("POST", "/cluster/drafts", `{"id":"a"}`).wants(t, 201, nil)
	s.do("POST", "/cluster/drafts", `{"id":"a"}`).refused(t, 409, "conflict")
	s.do("PATCH", "/cluster/config/primitives/vip?draft=a", `{"params":{"ip":"192.0.2.9"}}`).wants(t, 200, nil)
	s.do("PUT", "/cluster/config/tags/t", `{"objects":["vip"]}`).wants(t, 200, nil) // something else
	c.Lag()
	s.do("PATCH", "/cluster/config/primitives/vip", `{"meta":{"priority":"5"}}`).wants(t, 200, nil)
	if f := s.do("POST", "/cluster/drafts/a/commit", "").refused(t, 409, "conflict"); !slices.Equal(f.By, []string{"primitives/vip"}) {
		t.Errorf("%+v", f)
	}
	s.do("POST", "/cluster/drafts/a/rebase", "").wants(t, 200, nil) // of what the view lacked
	c.Lag()
	s.do("PATCH", "/cluster/config/primitives/vip", `{"meta":{"priority":"6"}}`).wants(t, 200, nil)
	var seen struct {
		Problem string
		Objects []any
	}
	s.get("/cluster/drafts/a/diff").wants(t, 200, &seen)
	if !strings.Contains(seen.Problem, "primitives/vip changed") || len(seen.Objects) != 1 {
		t.Errorf("%+v", seen)
	}
	s.do("POST", "/cluster/drafts/a/rebase", "").wants(t, 200, nil)
	s.do("POST", "/cluster/drafts/a/commit", "").wants(t, 200, nil)
	same(t, s.get("/cluster/config/primitives/vip").body, `{"id": "vip", "agent": "ocf:heartbeat:IPaddr2", "params": {"ip": "192.0.2.9"}, "meta": {"priority": "6"}}`)
}

func TestRequestsAboutDraftsOfTheClusterAreChecked(t *testing.T) {
	s := configured(t)
	s.do("POST", "/cluster/drafts", `{"id":"a"}`).wants(t, 201, nil)
	for name, tc := range map[string]struct{ method, path, body, field string }{
		"a bad name":         {"POST", "/drafts", `{"id":"a b"}`, "id"},
		"an unknown field":   {"POST", "/drafts", `{"size":1}`, "size"},
		"a bad time":         {"PATCH", "/drafts/a", `{"at":"noon"}`, "at"},
		"another id":         {"PATCH", "/drafts/a", `{"id":"b"}`, "id"},
		"a bad event":        {"POST", "/drafts/a/injections", `{"node":"n1","state":"gone"}`, "body.state"},
		"no event":           {"POST", "/drafts/a/injections", `{}`, "body"},
		"a bad number":       {"DELETE", "/drafts/a/edits/x", ``, "number"},
		"a wait in a draft":  {"PUT", "/config/tags/t?draft=a&wait=1m", `{"objects":["vip"]}`, "wait"},
		"a bad draft":        {"PUT", "/config/tags/t?draft=../a", `{"objects":["vip"]}`, "draft"},
		"two sources":        {"POST", "/simulate", `{"draft":"a","cib":"<cib/>"}`, "cib"},
		"a bad CIB":          {"POST", "/simulate", `{"cib":"<cib/>"}`, "cib"},
		"a past of a CIB":    {"POST", "/simulate", `{"cib":"<cib/>","transition":"x"}`, "transition"},
		"a past of a draft":  {"POST", "/simulate", `{"draft":"a","transition":"x"}`, "transition"},
		"an import alone":    {"POST", "/simulate", `{"import":"0123456789ab"}`, "import"},
		"a bad event then":   {"POST", "/simulate", `{"transition":"x","inject":[{"node":"n1","state":"gone"}]}`, "inject[0].state"},
		"a bad code":         {"POST", "/simulate", `{"inject":[{"resource":"vip","op":"start","node":"n1","code":300}]}`, "inject[0].code"},
		"too many in one":    {"POST", "/simulate", `{"inject":[{"node":"n1","state":"online","quorum":true}]}`, "inject[0]"},
		"an unknown setting": {"POST", "/losses", `{"node":"n1"}`, "node"},
	} {
		if f := s.do(tc.method, "/cluster"+tc.path, tc.body).refused(t, 400, "invalid"); f.Fields[0].Path != tc.field {
			t.Errorf("%s: %+v", name, f.Fields)
		}
	}
	s.do("POST", "/cluster/drafts/a/commit", "").refused(t, 409, "conflict")
	s.do("DELETE", "/cluster/drafts/a/edits/1", "").refused(t, 404, "not_found")
	s.do("DELETE", "/cluster/drafts/a/injections/1", "").refused(t, 404, "not_found")
	s.do("PUT", "/cluster/config/tags/t?draft=none", `{"objects":["vip"]}`).refused(t, 404, "not_found")
	s.get("/backends?draft=none").refused(t, 404, "not_found") // those have drafts of their own
	if r := s.do(http.MethodDelete, "/cluster/drafts/a", ""); r.status != 204 {
		t.Errorf("status %d", r.status)
	}
	for _, path := range []string{"/cluster/drafts", "/cluster/losses", "/cluster/drafts/a", "/cluster/drafts/a/diff"} {
		newFixture(t).get(path).refused(t, 404, "not_found")
	}
}

// A secret of an edit leaves in no answer.
func TestDraftsOfTheClusterHideSecrets(t *testing.T) {
	s := configured(t)
	s.do("POST", "/cluster/drafts", `{"id":"a"}`).wants(t, 201, nil)
	answers := []string{}
	note := func(r reply) { answers = append(answers, string(r.body)) }
	note(s.do("PATCH", "/cluster/config/primitives/fence?draft=a", `{"params":{"passwd":"canary-in-a-draft"}}`))
	note(s.do("PUT", "/cluster/config/primitives/bad?draft=a", `{"agent":"canary-in-a-draft","passwd":"canary-in-a-draft"}`))
	for _, path := range []string{"/drafts", "/drafts/a", "/drafts/a/diff", "/config?draft=a", "/config/primitives?draft=a", "/config/primitives/fence?draft=a"} {
		note(s.get("/cluster" + path))
	}
	note(s.do("POST", "/cluster/simulate", `{"draft":"a"}`))
	note(s.do("POST", "/cluster/drafts/a/commit", ""))
	for i, body := range answers {
		if strings.Contains(body, "canary-in-a-draft") && i != 1 { // of a field that is none, the value is shown
			t.Errorf("answer %d has the secret: %s", i, body)
		}
	}
}

// Nobody sees the draft of somebody else, unless it is listed.
func TestDraftsOfTheClusterAreTheirAuthors(t *testing.T) {
	s := newFixture(t, apitest.Guarded(t), inCluster(apitest.NewCluster()))
	mine, theirs := bearer(apitest.AdminToken), bearer(apitest.OperateToken)
	s.do("POST", "/cluster/drafts", `{"id":"a"}`, mine).wants(t, 201, nil)
	s.do("PUT", "/cluster/config/tags/t?draft=a", `{"objects":["vip"]}`, mine).wants(t, 200, nil)
	same(t, s.get("/cluster/drafts", theirs).body, `[]`)
	for _, path := range []string{"/drafts/a", "/drafts/a/diff", "/config/tags?draft=a"} {
		s.get("/cluster"+path, theirs).refused(t, 404, "not_found")
	}
	s.do("POST", "/cluster/simulate", `{"draft":"a"}`, theirs).refused(t, 404, "not_found")
	s.do("PATCH", "/cluster/drafts/a", `{"listed":true}`, mine).wants(t, 200, nil)
	var list []struct{ ID, Author string }
	s.get("/cluster/drafts", theirs).wants(t, 200, &list)
	if len(list) != 1 || list[0].Author == "" {
		t.Errorf("%+v", list)
	}
	s.get("/cluster/config/tags/t?draft=a", theirs).wants(t, 200, nil)
}

func TestLossesAreShown(t *testing.T) {
	s, _ := clustered(t)
	var l struct{ Text []string }
	s.get("/cluster/losses").wants(t, 200, &l)
	if !slices.Equal(l.Text, []string{"any one node: no", "n2: the address 192.0.2.10/24 is lost; vip runs nowhere"}) {
		t.Errorf("%q", l.Text)
	}
	s.do("POST", "/cluster/losses", `{"nodes":["n1"]}`).wants(t, 200, nil)
	s.do("POST", "/cluster/losses", `{"nodes":["n9"]}`).refused(t, 404, "not_found")
	metrics := string(s.get("/metrics").body)
	for node, value := range map[string]int{"n1": 1, "n2": 0} {
		if line := fmt.Sprintf("thalassa_cluster_survives_loss{node=%q} %d", node, value); !strings.Contains(metrics, line) {
			t.Errorf("no %s", line)
		}
	}
}

// Who asks for a draft that there is not is told which agent has answered.
func TestADraftOfAnotherNode(t *testing.T) {
	s := configured(t)
	for _, path := range []string{"/cluster/drafts/week-31", "/cluster/config/primitives?draft=week-31"} {
		if f := s.get(path).refused(t, 404, "not_found"); !strings.Contains(f.Error, "agent of n1, which knows the drafts of all nodes whose agents it reaches") {
			t.Errorf("%s: %q", path, f.Error)
		}
	}
}
