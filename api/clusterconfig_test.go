package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"thalassa/api/apitest"
)

// configured is a fixture on a node of a cluster that has a configuration.
func configured(tb testing.TB) *fixture {
	tb.Helper()
	s, _ := configuredCluster(tb)
	return s
}

func configuredCluster(tb testing.TB) (*fixture, *apitest.Cluster) {
	tb.Helper()
	s, c := clustered(tb)
	err := c.SetConfiguration(`<configuration>
		<nodes><node id="1" uname="n1"/></nodes>
		<resources>
			<primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"/>
			<primitive id="fence" class="stonith" type="fence_ipmilan"><instance_attributes id="f"><nvpair id="p" name="passwd" value="topsecret7"/></instance_attributes></primitive>
		</resources>
		<constraints><rsc_location id="l1" rsc="vip" node="n1" score="100"/></constraints>
	</configuration>`)
	if err != nil {
		tb.Fatal(err)
	}
	return s, c
}

func TestClusterConfigurationIsShown(t *testing.T) {
	s := configured(t)
	r := s.get("/cluster/config/locations/l1")
	same(t, r.body, `{"id": "l1", "rsc": "vip", "node": "n1", "score": "100"}`)
	if tag := r.header.Get("ETag"); len(tag) < 10 {
		t.Errorf("ETag %s", tag)
	}
	r = s.get("/cluster/config/primitives")
	same(t, r.body, `[{"id": "vip", "agent": "ocf:heartbeat:IPaddr2"},
		{"id": "fence", "agent": "stonith:fence_ipmilan", "params": {"passwd": "********"}, "ids": {"params": "f", "params/passwd": "p"}}]`)
	if r.header.Get("ETag") != `"0:12"` {
		t.Errorf("ETag %s", r.header.Get("ETag"))
	}
	var all map[string][]any
	s.get("/cluster/config").wants(t, 200, &all)
	if len(all["primitives"]) != 2 || len(all["locations"]) != 1 || all["tags"] == nil {
		t.Errorf("all: %v", all)
	}
	same(t, s.get("/cluster/config/nodes/n1").body, `{"id": "1", "uname": "n1"}`)
	x := s.do("GET", "/cluster/config/primitives/fence", "", "Accept: application/xml")
	if !strings.Contains(string(x.body), `name="passwd" value="********"`) || !strings.HasPrefix(x.header.Get("Content-Type"), "application/xml") {
		t.Errorf("as XML: %s", x.body)
	}
	s.get("/cluster/config/things").refused(t, 404, "not_found")
	s.get("/cluster/config/primitives/none").refused(t, 404, "not_found")
	newFixture(t).get("/cluster/config").refused(t, 404, "not_found")
}

// The whole configuration is shown as text of crmsh and as XML, without secrets, also with what a
// draft changes, and as it was.
func TestTheWholeClusterConfiguration(t *testing.T) {
	s := configured(t)
	for path, want := range map[string][2]string{
		"/cluster/config.crm": {"text/plain; charset=UTF-8", "primitive fence stonith:fence_ipmilan \\\n\tparams passwd=\"********\"\nprimitive vip ocf:heartbeat:IPaddr2\nlocation l1 vip 100: n1\n"},
		"/cluster/config.xml": {"application/xml; charset=UTF-8", `<nvpair id="p" name="passwd" value="********"/>`},
		"/cluster/history/" + apitest.SecondTransition + "/config.crm": {"text/plain; charset=UTF-8", "location l1 vip 100: n1\n"},
	} {
		r := s.get(path)
		if r.status != 200 || r.header.Get("Content-Type") != want[0] || !strings.Contains(string(r.body), want[1]) || strings.Contains(string(r.body), "topsecret7") {
			t.Errorf("%s: %d %s\n%s", path, r.status, r.header.Get("Content-Type"), r.body)
		}
	}
	for _, path := range []string{"/cluster/config.crm", "/cluster/config.xml", "/cluster/config", "/cluster/config/primitives"} {
		if r := s.do("GET", path, "", `If-None-Match: "0:12"`); r.status != 304 || r.header.Get("ETag") != `"0:12"` {
			t.Errorf("%s again: %d %s", path, r.status, r.header.Get("ETag"))
		}
		if r := s.do("GET", path, "", `If-None-Match: "0:11"`); r.status != 200 || len(r.body) == 0 {
			t.Errorf("%s after a change: %d", path, r.status)
		}
	}
	s.do("POST", "/cluster/drafts", `{"id": "next"}`)
	s.do("PUT", "/cluster/config/tags/shop?draft=next", `{"objects": ["vip"]}`)
	if r := s.get("/cluster/config.crm?draft=next"); !strings.Contains(string(r.body), "\ntag shop vip\n") || r.header.Get("ETag") == `"0:12"` {
		t.Errorf("the draft: %s %s", r.header.Get("ETag"), r.body)
	}
	s.get("/cluster/config.crm?draft=none").refused(t, 404, "not_found")
	s.get("/cluster/history/x/config.crm").refused(t, 404, "not_found")
	newFixture(t).get("/cluster/config.crm").refused(t, 404, "not_found")
}

func TestClusterConfigurationIsChanged(t *testing.T) {
	s := configured(t)
	const path = "/cluster/config/primitives/vip"
	first := s.get(path).header.Get("ETag")
	var out struct {
		Object map[string]any
		Epoch  string
	}
	r := s.do("PATCH", path, `{"params":{"ip":"192.0.2.9"}}`, "If-Match: "+first)
	r.wants(t, 200, &out)
	if fmt.Sprint(out.Object["params"]) != "map[ip:192.0.2.9]" || r.header.Get("ETag") != s.get(path).header.Get("ETag") {
		t.Errorf("answer %s, ETag %s", r.body, r.header.Get("ETag"))
	}
	s.do("PATCH", path, `{"params":{"ip":"192.0.2.10"}}`, "If-Match: "+first).refused(t, 412, "precondition_failed")
	s.do("PUT", "/cluster/config/primitives/new", `{"agent":"systemd:new"}`, "If-None-Match: *").wants(t, 200, nil)
	s.do("PUT", "/cluster/config/primitives/new", `{"agent":"systemd:new"}`, "If-None-Match: *").refused(t, 412, "precondition_failed")
	s.do("POST", "/cluster/config/primitives/new/rename", `{"to":"other"}`).wants(t, 200, nil)
	s.do("POST", "/cluster/config/primitives/other/copy?dryRun=1", `{"to":"third"}`).wants(t, 200, nil)
	s.get("/cluster/config/primitives/third").refused(t, 404, "not_found")
	s.do("DELETE", "/cluster/config/primitives/other", "").wants(t, 200, nil)
	s.get("/cluster/config/primitives/other").refused(t, 404, "not_found")
	if f := s.do("DELETE", path, "").refused(t, 409, "conflict"); len(f.By) != 1 || f.By[0] != "l1" {
		t.Errorf("%+v", f)
	}
	s.do("DELETE", path+"?cascade=1", "").wants(t, 200, nil)
	s.get("/cluster/config/locations/l1").refused(t, 404, "not_found")
}

func TestClusterConfigurationRefuses(t *testing.T) {
	s := configured(t)
	for name, tc := range map[string]struct{ method, path, body, field string }{
		"an unknown field":     {"PUT", "primitives/x", `{"agent":"systemd:x","size":1}`, "size"},
		"a missing field":      {"PUT", "locations/x", `{"node":"n1","score":"1"}`, "rsc"},
		"no JSON":              {"PATCH", "primitives/vip", `agent`, "body"},
		"a new id that is bad": {"POST", "primitives/vip/rename", `{"to":"a b"}`, "to"},
		"an unknown parameter": {"DELETE", "primitives/vip?force=1", ``, "force"},
		"a wait":               {"DELETE", "primitives/vip?wait=long", ``, "wait"},
	} {
		if f := s.do(tc.method, "/cluster/config/"+tc.path, tc.body).refused(t, 400, "invalid"); f.Fields[0].Path != tc.field {
			t.Errorf("%s: %+v", name, f.Fields)
		}
	}
	s.do("PUT", "/cluster/config/things/x", `{}`).refused(t, 404, "not_found")
	s.do("PUT", "/cluster/config/primitives/"+url.PathEscape("../x"), `{"agent":"systemd:x"}`).refused(t, 400, "invalid")
}

func TestSeveralChangesOfTheCluster(t *testing.T) {
	s := configured(t)
	const edits = `{"edits":[
		{"method":"PUT","path":"/cluster/config/groups/g","body":{"members":["web","vip"]}},
		{"method":"PUT","path":"/cluster/config/tags/t","body":{"objects":["%s"]}}]}`
	if f := s.do("POST", "/cluster/changes", fmt.Sprintf(edits, "g")).refused(t, 400, "invalid"); f.Fields[0].Path != "edits[0].body.members[0]" {
		t.Errorf("%+v", f.Fields)
	}
	s.get("/cluster/config/tags/t").refused(t, 404, "not_found")
	if f := s.do("POST", "/cluster/changes", `{"edits":[{"method":"MOVE","path":"/backends/a"}]}`).refused(t, 400, "invalid"); f.Fields[0].Path != "edits[0].path" {
		t.Errorf("%+v", f.Fields)
	}
	with := `{"edits":[{"method":"PUT","path":"/cluster/config/primitives/web","body":{"agent":"systemd:web"}},` + fmt.Sprintf(edits, "g")[len(`{"edits":[`):]
	s.do("POST", "/cluster/changes", with, `If-Match: "0:11"`).refused(t, 412, "precondition_failed")
	r := s.do("POST", "/cluster/changes", with, `If-Match: "0:12"`)
	r.wants(t, 200, nil)
	if r.header.Get("ETag") != `"0:13"` {
		t.Errorf("ETag %s", r.header.Get("ETag"))
	}
	same(t, s.get("/cluster/config/groups/g").body, `{"id": "g", "members": ["web", "vip"]}`)
}

// A change that is made is no error, though the view does not show it in time.
func TestChangeThatTheViewDoesNotShow(t *testing.T) {
	s, c := configuredCluster(t)
	for _, r := range [][2]string{{"PUT", `{"objects":["vip"]}`}, {"PATCH", `{"objects":["vip","fence"]}`}} {
		c.Lag()
		var out map[string]any
		a := s.do(r[0], "/cluster/config/tags/late", r[1])
		a.wants(t, 200, &out)
		if tag := a.header.Get("ETag"); out["object"] != nil || out["changes"] == nil || tag != "" {
			t.Errorf("%s: %v, %s", r[0], out, tag)
		}
		_ = c.Refresh(t.Context())
	}
	same(t, s.get("/cluster/config/tags/late").body, `{"id": "late", "objects": ["vip", "fence"]}`)
}
