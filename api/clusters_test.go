package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster"
)

// withClusters shows other clusters.
func withClusters(c *apitest.Clusters) func(*api.Config) {
	return func(cfg *api.Config) { cfg.Clusters = c }
}

// aConsole is an API that only shows other clusters.
func aConsole(cfg *api.Config) {
	*cfg = api.Config{Console: true, Clusters: cfg.Clusters, Authority: cfg.Authority, Activity: cfg.Activity, Audit: cfg.Audit, Version: cfg.Version, Now: cfg.Now}
}

func TestOtherClustersAreShown(t *testing.T) {
	others := apitest.NewClusters(t, "paris", "rome")
	s := newFixture(t, withClusters(others))
	var list []cluster.Summary
	s.get("/clusters").wants(t, 200, &list)
	if len(list) != 2 || list[0].Name != "paris" || list[1].State != "ok" || list[0].Own != "lab" {
		t.Errorf("list %+v", list)
	}
	var one struct {
		Name    string
		Cluster cluster.Status
	}
	s.get("/clusters/paris").wants(t, 200, &one)
	if one.Name != "paris" || one.Cluster.FloatingIPs[0].Address != "192.0.2.10/24" {
		t.Errorf("cluster %+v", one)
	}
	s.get("/clusters/nowhere").refused(t, 404, "not_found")
	s.get("/clusters/nowhere/nodes").refused(t, 404, "not_found")

	// Below it, what its own agent answers.
	same(t, s.get("/clusters/paris/nodes").body, `[
		{"name": "n1", "state": "online", "dc": true, "resources": ["haproxy", "vip"], "attributes": {}},
		{"name": "n2", "state": "online", "dc": false, "resources": ["haproxy"], "attributes": {"load": "1"}}]`)
	if r := s.get("/clusters/paris/cib.xml"); r.status != 200 || string(r.body) != `<cib epoch="12"/>` || r.header.Get("Content-Type") != "application/xml; charset=UTF-8" {
		t.Errorf("cib.xml: %d %s %s", r.status, r.header, r.body)
	}
	if r := s.get("/clusters/paris/config/primitives/vip", "Accept: application/xml"); !strings.HasPrefix(string(r.body), "<primitive") {
		t.Errorf("a primitive as XML: %d %s", r.status, r.body)
	}
	if f := s.get("/clusters/paris/nodes/n9").refused(t, 404, "not_found"); !strings.Contains(f.Error, "cluster paris: ") || !strings.Contains(f.Error, "n9") {
		t.Errorf("error %q", f.Error)
	}
	s.get("/clusters/paris/nodes?x=1").wants(t, 200, nil) // which has no parameters, as /cluster/nodes
	s.get("/clusters/paris/history?x=1").refused(t, 400, "invalid")
	for _, path := range []string{"/clusters/paris/nodes/%2e%2e", "/clusters/paris/nodes/a%2fb", "/clusters/paris/nodes/.."} {
		if r := s.raw("GET", path); r.status != 404 {
			t.Errorf("GET %s: %d %s", path, r.status, r.body)
		}
	}
	for query, field := range map[string]string{"import=x": "import", "limit=5&import=": "import", "im%70ort=x": "import", "draft=x": "draft", "draft=x&a=%zz": "query", "import=x;limit=1": "query"} {
		for _, path := range []string{"/config", "/config.xml", "/config/primitives/vip", "/history", "/history/at", "/history/" + apitest.SecondTransition, "/nodes"} {
			if f := s.get("/clusters/paris"+path+"?"+query).refused(t, 400, "invalid"); len(f.Fields) != 1 || f.Fields[0].Path != field || strings.Contains(f.Error, "cluster paris") {
				t.Errorf("%s?%s: %+v", path, query, f)
			}
		}
	}
	s.get("/clusters/paris/history?tag="+strings.Repeat("x", 5000)).refused(t, 400, "invalid")

	others.Lose("rome")
	s.get("/clusters").wants(t, 200, &list)
	if list[0].State != "ok" || list[1].State != "unreachable" || list[1].Agents[0].Problem == "" {
		t.Errorf("list %+v", list)
	}
	s.get("/clusters/rome/nodes").refused(t, 503, "unavailable")
}

// Other clusters are read-only here, and what belongs to the owner of the token, or has secrets, is
// not passed on.
func TestOtherClustersAreNotChanged(t *testing.T) {
	s := newFixture(t, withClusters(apitest.NewClusters(t, "paris")))
	for _, q := range [][2]string{
		{"POST", "/clusters/paris/actions/standby"},
		{"PUT", "/clusters/paris/config/primitives/vip"},
		{"DELETE", "/clusters/paris"},
		{"PATCH", "/clusters/paris/config/primitives/vip"},
		{"POST", "/clusters"},
		{"POST", "/clusters/paris/config/primitives/vip/reveal"},
	} {
		var f errorBody
		s.send(q[0], q[1], "{}").wants(t, 405, &f)
		if f.Code != "method_not_allowed" || !strings.Contains(f.Error, "read-only") {
			t.Errorf("%s %s: %+v", q[0], q[1], f)
		}
	}
	for _, path := range []string{"/clusters/paris/drafts", "/clusters/paris/wizards", "/clusters/paris/history/" + apitest.SecondTransition + "/file", "/clusters/paris/actions/standby", "/clusters/paris/status"} {
		if r := s.raw("GET", path); r.status != 404 {
			t.Errorf("GET %s: %d %s", path, r.status, r.body)
		}
	}
}

// A caller with limits sees the clusters that they name.
func TestClustersWithinLimits(t *testing.T) {
	others := apitest.NewClusters(t, "shop-paris", "zebra-rome")
	s := newFixture(t, apitest.Limited(t), withClusters(others))
	for token, want := range map[string]string{
		apitest.ReadToken: "shop-paris zebra-rome", apitest.ShopDeployToken: "shop-paris zebra-rome", apitest.BlindReadToken: "shop-paris", apitest.BlindAdminToken: "shop-paris",
	} {
		var list []cluster.Summary
		s.get("/clusters", bearer(token)).wants(t, 200, &list)
		var names []string
		for _, c := range list {
			names = append(names, c.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s sees %q, want %q", token, got, want)
		}
		status := map[bool]int{true: 200, false: 404}[strings.Contains(want, "zebra")]
		for _, path := range []string{"/clusters/zebra-rome", "/clusters/zebra-rome/nodes"} {
			if r := s.get(path, bearer(token)); r.status != status || status == 404 && string(r.body) != strings.ReplaceAll(string(s.get(strings.Replace(path, "zebra-rome", "zebra-none", 1), bearer(token)).body), "zebra-none", "zebra-rome") {
				t.Errorf("GET %s with %s: %d %s", path, token, r.status, r.body)
			}
		}
		s.get("/clusters/shop-paris/nodes", bearer(token)).wants(t, 200, nil)
		if metrics := string(s.raw("GET", "/metrics", bearer(token)).body); strings.Contains(metrics, `cluster="zebra-rome"`) != (status == 200) || !strings.Contains(metrics, `cluster="shop-paris"`) {
			t.Errorf("the metrics for %s: %s", token, metrics)
		}
	}
	// Logs need the role operate, on that cluster.
	log := "/history/log?from=2026-11-29T12:00:00Z&to=2026-11-29T12:05:00Z"
	s.get("/clusters/shop-paris"+log, bearer(apitest.ReadToken)).refused(t, 403, "forbidden")
	s.get("/clusters/shop-paris"+log, bearer(apitest.ShopAdminToken)).wants(t, 200, nil)
	s.get("/clusters/zebra-rome"+log, bearer(apitest.ShopAdminToken)).refused(t, 404, "not_found")
}

func TestOtherClustersAreStreamed(t *testing.T) {
	others := apitest.NewClusters(t, "shop-paris", "zebra-rome")
	f := streamingFixture(t, apitest.Limited(t), withClusters(others))
	all, blind := f.subscriber(t, bearer(apitest.ReadToken)), f.subscriber(t, bearer(apitest.BlindReadToken))
	for _, s := range []*subscriber{all, blind} {
		s.say(`{"type":"subscribe","topics":["clusters"]}`)
		s.wait("clusters", "cluster/shop-paris", func(c map[string]any) bool { return c["state"] == "ok" })
	}
	if all.known["clusters"]["cluster/zebra-rome"]["state"] != "ok" {
		t.Errorf("who sees all knows %v", all.known)
	}
	others.Lose("zebra-rome")
	all.wait("clusters", "cluster/zebra-rome", func(c map[string]any) bool { return c["state"] == "unreachable" })
	others.Lose("shop-paris")
	for _, s := range []*subscriber{all, blind} {
		s.wait("clusters", "cluster/shop-paris", func(c map[string]any) bool { return c["state"] == "unreachable" })
	}
	if _, seen := blind.known["clusters"]["cluster/zebra-rome"]; seen {
		t.Error("a hidden cluster is streamed")
	}
}

// A console serves what it has, and says of everything else that it does not.
func TestConsole(t *testing.T) {
	others := apitest.NewClusters(t, "paris", "rome")
	s := newFixture(t, apitest.Guarded(t), withClusters(others), aConsole)
	admin := bearer(apitest.AdminToken)
	var index struct{ Routes []listedRoute }
	s.get("/", admin).wants(t, 200, &index)
	var paths []string
	for _, r := range index.Routes {
		paths = append(paths, r.String())
	}
	for _, want := range []string{"GET /clusters", "GET /clusters/{cluster}/nodes", "GET /session", "GET /audit", "GET /activity", "GET /readyz"} {
		if !slices.Contains(paths, want) {
			t.Errorf("GET / lacks %s", want)
		}
	}
	listed := map[string]bool{}
	for _, p := range paths {
		listed[p] = true
	}
	for _, r := range routesOf(t) { // of an agent that is no console
		path := strings.NewReplacer("{number}", "1", "{", "", "}", "").Replace(r.Path)
		if listed[r.String()] {
			continue
		}
		if r.Method == http.MethodGet {
			s.get(path).refused(t, 401, "unauthorized")
		}
		var f errorBody
		s.send(r.Method, path, r.body(path), admin).wants(t, 404, &f)
		if f.Code != "not_found" || !strings.Contains(f.Error, "is a console") {
			t.Errorf("%s: %+v", r, f)
		}
	}
	for _, path := range []string{"/clusters", "/clusters/paris", "/clusters/paris/resources", "/activity", "/version", "/audit", "/access", "/sessions"} {
		s.get(path, admin).wants(t, 200, nil)
	}
	metrics := string(s.raw("GET", "/metrics", admin).body)
	if !strings.Contains(metrics, "thalassa_websocket_clients") || !strings.Contains(metrics, `thalassa_other_cluster_state{cluster="paris",state="ok"} 1`) || strings.Contains(metrics, "thalassa_haproxy_up") || strings.Contains(metrics, "thalassa_backends") {
		t.Errorf("metrics %s", metrics)
	}

	// It is ready as long as it can show one cluster as that is now.
	ready := func(status int, reasons ...string) {
		t.Helper()
		var out struct {
			Ready   bool
			Reasons []string
		}
		s.get("/readyz").wants(t, status, &out)
		if out.Ready != (status == 200) || !slices.Equal(out.Reasons, reasons) {
			t.Errorf("readyz %+v, want %v", out, reasons)
		}
	}
	ready(200)
	others.Lose("rome")
	ready(200, "cluster rome is unreachable")
	others.Lose("paris")
	ready(503, "cluster paris is unreachable", "cluster rome is unreachable")
	s.get("/healthz").wants(t, 200, nil)
}

func TestConsoleStreamsClusters(t *testing.T) {
	f := streamingFixture(t, withClusters(apitest.NewClusters(t, "paris")), aConsole)
	s := f.subscriber(t)
	if hello := s.next(); slices.Contains(hello.Topics, "backends") || !slices.Contains(hello.Topics, "clusters") || !slices.Contains(hello.Topics, "activity") {
		t.Errorf("topics %v", hello.Topics)
	}
}
