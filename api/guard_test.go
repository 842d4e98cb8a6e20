package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/stage"
)

// requests are one of each kind that takes a role, and the role's number: 0
// none, 1 read, 2 deploy, 3 operate, 4 admin.
var requests = []struct {
	method, path, body string
	need               int
}{
	{"GET", "/healthz", "", 0},
	{"GET", "/readyz", "", 0},
	{"GET", "/", "", 1},
	{"GET", "/frontends", "", 1},
	{"GET", "/frontends/www", "", 1},
	{"HEAD", "/frontends/www", "", 1},
	{"GET", "/backends", "", 1},
	{"GET", "/backends/live", "", 1},
	{"GET", "/backends/live/members", "", 1},
	{"GET", "/haproxy/config", "", 1},
	{"GET", "/services", "", 1},
	{"GET", "/services/shop", "", 1},
	{"GET", "/activity", "", 1},
	{"GET", "/revisions", "", 1},
	{"GET", "/revisions/1", "", 1},
	{"GET", "/definitions", "", 1},
	{"GET", "/drafts", "", 1},
	{"POST", "/drafts", "", 4},
	{"GET", "/drafts/1", "", 1},
	{"PATCH", "/drafts/1", `{"message":"x"}`, 4},
	{"GET", "/drafts/1/edits", "", 1},
	{"POST", "/drafts/1/undo", "", 4},
	{"GET", "/drafts/1/diff", "", 2},
	{"POST", "/drafts/1/rebase", "", 4},
	{"POST", "/drafts/1/drop", `{"objects":["backend/live"]}`, 4},
	{"POST", "/drafts/1/commit", "", 4},
	{"DELETE", "/drafts/1", "", 4},
	{"POST", "/revisions/1/restore", "", 4},
	{"POST", "/changes", `{"edits":[{"method":"DELETE","path":"/frontends/www"}]}`, 4},
	{"GET", "/backup", "", 4},
	{"POST", "/backup", emptyBackup, 4},
	{"POST", "/import/pyhrapi", pools(), 4},
	{"POST", "/import/haproxy", "defaults\n  mode http\nbackend other\n  server s 10.0.0.1:80\n", 4},
	{"GET", "/export/pyhrapi?force=1", "", 1},
	{"GET", "/status", "", 1},
	{"GET", "/version", "", 1},
	{"GET", "/cluster", "", 1},
	{"GET", "/cluster/nodes", "", 1},
	{"GET", "/cluster/resources", "", 1},
	{"GET", "/cluster/nodes/n1", "", 1},
	{"GET", "/cluster/resources/vip", "", 1},
	{"GET", "/cluster/cib.xml", "", 1},
	{"GET", "/cluster/config", "", 1},
	{"GET", "/cluster/config.crm", "", 1},
	{"GET", "/cluster/config.xml", "", 1},
	{"GET", "/cluster/config/primitives", "", 1},
	{"GET", "/cluster/config/primitives/vip", "", 1},
	{"PUT", "/cluster/config/primitives/vip", `{"agent":"ocf:heartbeat:IPaddr2"}`, 4},
	{"PATCH", "/cluster/config/primitives/vip", `{"meta":{"priority":"1"}}`, 4},
	{"DELETE", "/cluster/config/primitives/vip?dryRun=1", "", 4},
	{"POST", "/cluster/config/primitives/vip/rename?dryRun=1", `{"to":"address"}`, 4},
	{"POST", "/cluster/config/primitives/vip/copy?dryRun=1", `{"to":"vip-2"}`, 4},
	{"POST", "/cluster/config/primitives/vip/reveal", "", 4},
	{"GET", "/cluster/jobs", "", 1},
	{"GET", "/cluster/jobs/00000000000000000001", "", 1},
	{"POST", "/cluster/jobs/00000000000000000001/cancel", "", 3},
	{"POST", "/cluster/changes?dryRun=1", `{"edits":[{"method":"DELETE","path":"/cluster/config/primitives/vip"}]}`, 4},
	{"GET", "/monitor", "", 1},
	{"GET", "/monitor.json", "", 1},
	{"POST", "/cluster/actions/cleanup", "{}", 3},
	{"POST", "/cluster/actions/leave", `{"node":"n2"}`, 4},
	{"POST", "/cluster/actions/forget", `{"nodes":["n2"]}`, 4},
	{"GET", "/cluster/invitations", "", 4},
	{"POST", "/cluster/invitations", `{"for":"15m"}`, 4},
	{"DELETE", "/cluster/invitations", "", 4},
	{"POST", "/cluster/join", `{"code":"GG60008-4W8QG","node":"n9"}`, 4},
	{"POST", "/cluster/haproxy/apply?dryRun=1", `{"description":{"ip":["192.0.2.10/24"]}}`, 4},
	{"POST", "/cluster/haproxy/rollout?dryRun=1", "{}", 3},
	{"POST", "/cluster/haproxy/destroy?dryRun=1", "{}", 4},
	{"POST", "/cluster/simulate/cleanup", "{}", 3},
	{"POST", "/cluster/simulate", "{}", 3},
	{"GET", "/cluster/losses", "", 1},
	{"POST", "/cluster/losses", `{"nodes":["n1"]}`, 3},
	{"GET", "/cluster/drafts", "", 1},
	{"POST", "/cluster/drafts", "{}", 4},
	{"GET", "/cluster/drafts/1", "", 1},
	{"PATCH", "/cluster/drafts/1", `{"listed":true}`, 4},
	{"GET", "/cluster/drafts/1/diff", "", 3},
	{"DELETE", "/cluster/drafts/1/edits/1", "", 4},
	{"POST", "/cluster/drafts/1/injections", `{"quorum":true}`, 4},
	{"DELETE", "/cluster/drafts/1/injections/1", "", 4},
	{"POST", "/cluster/drafts/1/rebase", "", 4},
	{"POST", "/cluster/drafts/1/commit", "", 4},
	{"DELETE", "/cluster/drafts/1", "", 4},
	{"GET", "/cluster/agents", "", 1},
	{"GET", "/cluster/agents/ocf:heartbeat:IPaddr2", "", 1},
	{"POST", "/cluster/agents/ocf:heartbeat:IPaddr2/validate", `{"params":{"ip":"192.0.2.77"}}`, 4},
	{"GET", "/cluster/wizards", "", 1},
	{"POST", "/cluster/wizards/floating-ip", `{"values":{"id":"vip2","ip":"192.0.2.77/24"}}`, 4},
	{"GET", "/cluster/history", "", 1},
	{"GET", "/cluster/history/operations", "", 1},
	{"GET", "/cluster/history/log?from=2026-11-29T12:00:00Z&to=2026-11-29T12:05:00Z", "", 3},
	{"GET", "/cluster/history/at?time=2026-11-29T12:00:30Z", "", 1},
	{"GET", "/cluster/history/export", "", 3},
	{"GET", "/cluster/history/imports", "", 1},
	{"POST", "/cluster/history/imports", "history", 4},
	{"DELETE", "/cluster/history/imports/history", "", 4},
	{"GET", "/cluster/history/" + apitest.SecondTransition, "", 1},
	{"GET", "/cluster/history/" + apitest.SecondTransition + "/state", "", 1},
	{"GET", "/cluster/history/" + apitest.SecondTransition + "/decisions", "", 1},
	{"GET", "/cluster/history/" + apitest.SecondTransition + "/explanation", "", 3},
	{"GET", "/cluster/history/" + apitest.SecondTransition + "/diff", "", 1},
	{"GET", "/cluster/history/" + apitest.SecondTransition + "/log", "", 3},
	{"GET", "/cluster/history/" + apitest.SecondTransition + "/cib.xml", "", 1},
	{"GET", "/cluster/history/" + apitest.SecondTransition + "/config.crm", "", 1},
	{"GET", "/cluster/history/" + apitest.SecondTransition + "/file", "", 4},
	{"GET", "/clusters", "", 1},
	{"GET", "/clusters/lab", "", 1},
	{"GET", "/clusters/lab/nodes", "", 1},
	{"GET", "/clusters/lab/nodes/n1", "", 1},
	{"GET", "/clusters/lab/resources", "", 1},
	{"GET", "/clusters/lab/resources/vip", "", 1},
	{"GET", "/clusters/lab/cib.xml", "", 1},
	{"GET", "/clusters/lab/config", "", 1},
	{"GET", "/clusters/lab/config.crm", "", 1},
	{"GET", "/clusters/lab/config.xml", "", 1},
	{"GET", "/clusters/lab/config/primitives", "", 1},
	{"GET", "/clusters/lab/config/primitives/vip", "", 1},
	{"GET", "/clusters/lab/jobs", "", 1},
	{"GET", "/clusters/lab/jobs/00000000000000000001", "", 1},
	{"GET", "/clusters/lab/losses", "", 1},
	{"GET", "/clusters/lab/agents", "", 1},
	{"GET", "/clusters/lab/agents/ocf:heartbeat:IPaddr2", "", 1},
	{"GET", "/clusters/lab/history", "", 1},
	{"GET", "/clusters/lab/history/operations", "", 1},
	{"GET", "/clusters/lab/history/log?from=2026-11-29T12:00:00Z&to=2026-11-29T12:05:00Z", "", 3},
	{"GET", "/clusters/lab/history/at?time=2026-11-29T12:00:30Z", "", 1},
	{"GET", "/clusters/lab/history/" + apitest.SecondTransition, "", 1},
	{"GET", "/clusters/lab/history/" + apitest.SecondTransition + "/state", "", 1},
	{"GET", "/clusters/lab/history/" + apitest.SecondTransition + "/decisions", "", 1},
	{"GET", "/clusters/lab/history/" + apitest.SecondTransition + "/explanation", "", 3},
	{"GET", "/clusters/lab/history/" + apitest.SecondTransition + "/diff", "", 1},
	{"GET", "/clusters/lab/history/" + apitest.SecondTransition + "/log", "", 3},
	{"GET", "/clusters/lab/history/" + apitest.SecondTransition + "/cib.xml", "", 1},
	{"GET", "/clusters/lab/history/" + apitest.SecondTransition + "/config.crm", "", 1},
	{"GET", "/openapi.json", "", 1},
	{"GET", "/audit", "", 4},
	{"GET", "/access", "", 4},
	{"GET", "/catalog", "", 1},
	{"GET", "/metrics", "", 1},
	{"GET", "/streams", "", 1}, // which wants to be a websocket
	{"POST", "/backends/live", `{"version":"1.0.0"}`, 2},
	{"POST", "/services/shop/accept", "", 2},
	{"POST", "/certificates/live/renew", "", 3}, // which does not exist
	{"POST", "/backends/files/members/10.10.10.10:8080", `{"state":"drain"}`, 2},
	{"PUT", "/frontends/www", `{"bind":"*:80","backend":"live"}`, 4},
	{"PUT", "/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`, 4},
	{"DELETE", "/frontends/www", "", 4},
	{"DELETE", "/backends/files", "", 4},
	{"POST", "/haproxy/reload", "", 3},
	{"GET", "/haproxy/configs", "", 1},
	{"GET", "/haproxy/configs/1", "", 1},
	{"GET", "/backends/live/canary", "", 1},
	{"POST", "/backends/live/canary", `{"version":"1.0.0","steps":[100]}`, 2}, // which has all requests
	{"POST", "/backends/live/canary/renew", "", 2},
	{"GET", "/certificates", "", 1},
	{"GET", "/certificates/live", "", 1},
	{"PUT", "/certificates/live", "certificate", 4}, // in JSON
	{"DELETE", "/certificates/files", "", 4},
	{"GET", "/haproxy/sections", "", 1},
	{"GET", "/haproxy/sections/userlist", "", 1},
	{"GET", "/haproxy/sections/userlist/staff", "", 1},
	{"PUT", "/haproxy/sections/userlist/staff", staff, 4},
	{"DELETE", "/haproxy/sections/userlist/staff", "", 4},
	{"GET", "/haproxy/global", "", 1},
	{"PUT", "/haproxy/global", `{"natives":["maxconn 100"]}`, 4},
	{"DELETE", "/haproxy/global", "", 4},
	{"GET", "/haproxy/defaults", "", 1},
	{"PUT", "/haproxy/defaults", `{"natives":["timeout queue 5s"]}`, 4},
	{"DELETE", "/haproxy/defaults", "", 4},
}

// staff is the body of a userlist.
const staff = `{"natives":["user ann insecure-password a"]}`

// staffOf is the body of a section, or no lines for those of the template.
func staffOf(path string) string {
	if strings.HasSuffix(path, "/staff") {
		return staff
	}
	return `{"natives":[]}`
}

func TestRoles(t *testing.T) {
	others := apitest.NewClusters(t, "lab")
	covered, pair := map[string]bool{}, testkit.NewAuthority(t).Issue(t, "shop.example")
	for _, q := range requests {
		path, _, _ := strings.Cut(q.path, "?")
		covered[q.method+" "+path] = true
		clusterDrafts := &apitest.ClusterDrafts{}
		pacemaker := apitest.NewCluster()
		var imports api.Config
		if strings.HasPrefix(q.path, "/cluster/jobs/") {
			if _, err := pacemaker.Begin(t.Context(), cluster.Action{Kind: cluster.Cleanup}, cluster.Order{}); err != nil {
				t.Fatal(err)
			}
		}
		if strings.HasPrefix(q.path, "/cluster/history/imports") {
			file := string(apitest.HistoryFile(t, apitest.ClusterHistory{Cluster: pacemaker}))
			apitest.Importing(t)(&imports)
			if q.body == "history" {
				q.body = file
			} else {
				about, _, err := imports.ClusterImports.Add(t.Context(), strings.NewReader(file), "ann")
				if err != nil {
					t.Fatal(err)
				}
				q.path = strings.Replace(q.path, "imports/history", "imports/"+about.ID, 1)
			}
		}
		members := &apitest.ClusterMembers{}
		s := filledFixture(t, apitest.Guarded(t), inCluster(pacemaker), withMembers(members), func(cfg *api.Config) {
			cfg.ClusterDrafts, cfg.ClusterImports, cfg.ClusterImported, cfg.Clusters = clusterDrafts, imports.ClusterImports, imports.ClusterImported, others
		})
		if strings.HasPrefix(q.path, "/backends/live/canary") && q.body == "" {
			if _, err := s.Canaries.Start(t.Context(), lb.Canary{Backend: "live", Version: "2.0.0", Steps: []int{5, 100}, Every: time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
		if q.body == "certificate" {
			q.body = pair.Body()
		}
		if strings.HasPrefix(q.path, "/certificates/") && q.method != "POST" {
			s.put(q.path, pair.Body())
		}
		if strings.HasPrefix(q.path, "/haproxy/sections/userlist/") || q.path == "/haproxy/global" || q.path == "/haproxy/defaults" {
			s.put(q.path, staffOf(q.path))
		}
		if strings.HasPrefix(q.path, "/cluster/drafts/1") {
			edit := config.Edit{Op: config.Put, Kind: config.Tags, ID: "t", Body: []byte(`{"objects":["vip"]}`)}
			d := config.Draft{Listed: true, Number: 1, Edits: []config.DraftEdit{{Number: 1, Edit: edit}}, Inject: []cluster.Injection{{Node: "n1", State: cluster.NodeUnclean}}}
			if _, err := clusterDrafts.Create(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		if q.method == "DELETE" && q.path == "/cluster/invitations" { // which needs one that is open
			if _, err := members.Invite(t.Context(), cluster.Inviting{}, cluster.Order{}); err != nil {
				t.Fatal(err)
			}
		}
		if strings.HasPrefix(q.path, "/drafts/1") {
			if _, err := s.Config().Drafts.CreateDraft(t.Context(), stage.Draft{}); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(q.path, "/drop") || strings.HasSuffix(q.path, "/undo") { // which needs something to drop
				s.put("/backends/live?draft=1", `{"type":"static"}`)
			}
		}
		anonymous := s.do(q.method, q.path, q.body)
		if want := http.StatusUnauthorized; q.need > 0 && anonymous.status != want || q.need == 0 && anonymous.status != 200 {
			t.Errorf("%s %s without a token: %d", q.method, q.path, anonymous.status)
		}
		for i, token := range []string{apitest.ReadToken, apitest.DeployToken, apitest.OperateToken, apitest.AdminToken} {
			s.Hold("shop")
			r := s.do(q.method, q.path, q.body, bearer(token))
			if i+1 >= q.need {
				if r.status/100 != 2 && (q.path != "/streams" || r.status != 426) && (q.path != "/certificates/live/renew" || r.status != 404) &&
					(!strings.HasSuffix(q.path, "/cancel") || r.status != 409) { // the job is over
					t.Errorf("%s %s with role %d: %d %s", q.method, q.path, i+1, r.status, r.body)
				}
				continue
			}
			if f := r.refused(t, 403, "forbidden"); !strings.Contains(f.Error, "role") {
				t.Errorf("error %q", f.Error)
			}
		}
	}
	for path, item := range mapOf(openDocument(t)["paths"]) {
		if path == "/tls" || strings.HasPrefix(path, "/cluster/node/") || strings.HasPrefix(path, "/session") || strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/api/v1/") { // has tests of its own
			continue
		}
		path = strings.NewReplacer("/clusters/{cluster}", "/clusters/lab", "/services/{name}", "/services/shop", "wizards/{name}", "wizards/floating-ip", "nodes/{name}", "nodes/n1", "{agent}", "ocf:heartbeat:IPaddr2", "resources/{id}", "resources/vip", "/frontends/{key}", "/frontends/www", "{number}", "1", "drafts/{id}", "drafts/1", "imports/{id}", "imports/history", "history/{id}", "history/"+apitest.SecondTransition, "jobs/{id}", "jobs/00000000000000000001", "members/{id}", "members/10.10.10.10:8080", "canary/{action}", "canary/renew", "{action}", "cleanup", "config/{kind}/{id}", "config/primitives/vip", "config/{kind}", "config/primitives", "sections/{kind}", "sections/userlist", "/{name}", "/staff").Replace(path)
		for method := range mapOf(item) {
			live, files := strings.ReplaceAll(path, "{key}", "live"), strings.ReplaceAll(path, "{key}", "files")
			if m := strings.ToUpper(method); m != "PARAMETERS" && !covered[m+" "+live] && !covered[m+" "+files] {
				t.Errorf("%s %s is not in the matrix", m, path)
			}
		}
	}
}

func TestUnauthorized(t *testing.T) {
	s := filledFixture(t, apitest.Guarded(t))
	for header, hint := range map[string]string{
		"":                                   "",
		"Authorization: ":                    "invalid_request",
		"Authorization: Basic eDp5":          "invalid_request",
		"Authorization: Bearer":              "invalid_token",
		"Authorization: Bearer ":             "invalid_token",
		bearer("x"):                          "invalid_token",
		bearer(apitest.ReadToken + "x"):      "invalid_token",
		bearer(apitest.ReadToken + ",token"): "invalid_token",
	} {
		var headers []string
		if header != "" {
			headers = []string{header}
		}
		r := s.get("/frontends", headers...)
		f := r.refused(t, 401, "unauthorized")
		challenge := r.header.Get("Www-Authenticate")
		if !strings.HasPrefix(challenge, `Bearer realm="thalassa"`) || !strings.Contains(challenge, hint) || hint == "" && strings.Contains(challenge, "error") {
			t.Errorf("%s: challenge %s", header, challenge)
		}
		if strings.Contains(f.Error, apitest.ReadToken) {
			t.Errorf("the answer repeats the token: %s", f.Error)
		}
	}
	s.get("/frontends", bearer(apitest.ReadToken), bearer(apitest.ReadToken)).refused(t, 401, "unauthorized")
	s.get("/frontends", "Authorization: bearer  "+apitest.ReadToken).wants(t, 200, nil)
}

// A caller without the right learns nothing about objects and bodies.
func TestRightsComeFirst(t *testing.T) {
	s := filledFixture(t, apitest.Guarded(t))
	for _, path := range []string{"/frontends/nobody", "/frontends/a%20b"} {
		s.get(path).refused(t, 401, "unauthorized")
		s.do("PUT", path, `{`, bearer(apitest.DeployToken)).refused(t, 403, "forbidden")
		s.do("DELETE", path, "", bearer(apitest.DeployToken)).refused(t, 403, "forbidden")
	}
}

func TestOtherSitesChangeNothing(t *testing.T) {
	s := filledFixture(t)
	own := "Origin: " + s.url
	for _, q := range requests {
		if q.method == "GET" || q.method == "HEAD" {
			continue
		}
		for _, header := range []string{
			"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site",
			"Origin: http://evil.example", "Origin: null", "Origin: http://127.0.0.1:1",
		} {
			if f := s.do(q.method, q.path, q.body, header).refused(t, 403, "forbidden"); !strings.Contains(f.Error, "another site") {
				t.Errorf("error %q", f.Error)
			}
		}
	}
	if list, err := s.Revisions(t.Context(), 0, 100); err != nil || len(list) != 3 {
		t.Errorf("%d revisions, want the first 3, %v", len(list), err)
	}
	for _, header := range []string{own, "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none"} {
		s.do("POST", "/backends/live", `{"version":"1.0.0"}`, header).wants(t, 200, nil)
	}
	s.get("/frontends", "Sec-Fetch-Site: cross-site").wants(t, 200, nil) // which the page cannot read
	if r := s.get("/frontends", "Origin: http://evil.example"); r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("another site may read")
	}
}

// A form is what a page may send anywhere without being asked.
func TestBodiesAreJSON(t *testing.T) {
	s := filledFixture(t)
	for _, ct := range []string{
		"application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "text/plain;charset=UTF-8",
		"application/json; charset=latin1", "nonsense/", "application/jsonx",
	} {
		f := s.do("POST", "/backends/live", `{"version":"2.0.0"}`, "Content-Type: "+ct).refused(t, 415, "invalid")
		if f.Fields[0].Path != "Content-Type" {
			t.Errorf("fields %+v", f.Fields)
		}
		s.do("PUT", "/backends/x", `{"type":"static"}`, "Content-Type: "+ct).refused(t, 415, "invalid")
	}
	for _, ct := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8", "application/merge-patch+json"} {
		s.do("PUT", "/backends/x", `{"type":"static"}`, "Content-Type: "+ct).wants(t, 200, nil)
	}
}

func TestOnLoopbackOnlyOwnNamesAreServed(t *testing.T) {
	s := filledFixture(t, func(c *api.Config) { c.Loopback, c.AllowedHosts = true, []string{"LB1.example"} })
	for _, host := range []string{
		"localhost", "localhost:10000", "LOCALHOST", "localhost.", "127.0.0.1", "127.0.0.1:10000", "[::1]", "[::1]:10000",
		"192.0.2.7:80", "lb1.example", "lb1.EXAMPLE:10000", "lb1.example.",
	} {
		s.get("/frontends", "Host: "+host).wants(t, 200, nil)
	}
	for _, host := range []string{"evil.example", "evil.example:10000", "localhost.evil.example", "127.0.0.1.evil.example", "evil-lb1.example", "127.1"} {
		if f := s.get("/frontends", "Host: "+host).refused(t, 403, "forbidden"); !strings.Contains(f.Error, strings.Split(host, ":")[0]) {
			t.Errorf("error %q", f.Error)
		}
		s.get("/healthz", "Host: "+host).refused(t, 403, "forbidden")
		s.do("PUT", "/backends/x", `{"type":"static"}`, "Host: "+host).refused(t, 403, "forbidden")
	}
	// With tokens a foreign page has none, and elsewhere names are not known.
	for _, adjust := range []func(*api.Config){apitest.Guarded(t), func(*api.Config) {}} {
		s := filledFixture(t, adjust)
		s.get("/frontends", "Host: evil.example", bearer(apitest.ReadToken)).wants(t, 200, nil)
	}
}

func TestEveryAnswerIsHardened(t *testing.T) {
	s := filledFixture(t)
	for _, r := range []reply{s.get("/frontends"), s.get("/nowhere"), s.get("/healthz"), s.get("/haproxy/config"), s.do("OPTIONS", "/frontends", "")} {
		for name, want := range map[string]string{
			"X-Content-Type-Options":       "nosniff",
			"Cache-Control":                "no-store",
			"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
			"Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%d has %s %q, want %q", r.status, name, got, want)
			}
		}
	}
}
