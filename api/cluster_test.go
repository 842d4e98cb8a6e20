package api_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster"
)

// clustered is a fixture on a node of a cluster.
func clustered(tb testing.TB, adjust ...func(*api.Config)) (*fixture, *apitest.Cluster) {
	tb.Helper()
	c := apitest.NewCluster()
	return newFixture(tb, append([]func(*api.Config){inCluster(c)}, adjust...)...), c
}

// inCluster makes an API that of a node of the cluster.
func inCluster(c *apitest.Cluster) func(*api.Config) { return apitest.InCluster(c) }

func TestClusterIsShown(t *testing.T) {
	s, _ := clustered(t)
	r := s.get("/cluster")
	var v cluster.Status
	r.wants(t, 200, &v)
	if r.header.Get("ETag") != `"0:12"` || v.FloatingIPs[0].Node != "n1" || v.Epoch.String() != "0:12:34" {
		t.Errorf("ETag %s, %s", r.header.Get("ETag"), r.body)
	}
	same(t, s.get("/cluster/nodes").body, `[
		{"name": "n1", "state": "online", "dc": true, "resources": ["haproxy", "vip"], "attributes": {}},
		{"name": "n2", "state": "online", "dc": false, "resources": ["haproxy"], "attributes": {"load": "1"}}]`)
	var resources []cluster.Resource
	s.get("/cluster/resources").wants(t, 200, &resources)
	if len(resources) != 2 || len(resources[0].Places) != 2 {
		t.Errorf("resources %+v", resources)
	}
	if r := s.get("/cluster/cib.xml"); r.status != 200 || string(r.body) != `<cib epoch="12"/>` {
		t.Errorf("cib.xml: %d %s", r.status, r.body)
	}
}

func TestNodeWithoutClusterSaysSo(t *testing.T) {
	s := newFixture(t)
	for _, path := range []string{"/cluster", "/cluster/nodes", "/cluster/resources", "/cluster/cib.xml", "/monitor", "/monitor.json?0:1:2"} {
		if f := s.get(path).refused(t, 404, "not_found"); !strings.Contains(f.Error, "in no cluster") {
			t.Errorf("%s: %s", path, f.Error)
		}
	}
	s.do("POST", "/cluster/actions/standby", `{"node":"n1"}`).refused(t, 404, "not_found")
	s.do("POST", "/cluster/simulate/standby", `{"node":"n1"}`).refused(t, 404, "not_found")
}

func TestClusterThatIsNotKnownYet(t *testing.T) {
	s, c := clustered(t)
	c.Change(func(v *cluster.Status) { v.State = "" })
	s.get("/cluster").refused(t, 503, "unavailable")
	s.get("/monitor").refused(t, 503, "unavailable")
}

func TestNodeOfNoCluster(t *testing.T) {
	s, c := clustered(t)
	c.Change(func(v *cluster.Status) { v.State = cluster.StateNone })
	for _, path := range []string{"/cluster", "/cluster/cib.xml", "/monitor"} {
		s.get(path).refused(t, 404, "not_found")
	}
	s.do("POST", "/cluster/actions/standby", `{"node":"n1"}`).refused(t, 404, "not_found")
	if done := c.Done(); len(done) > 0 {
		t.Errorf("carried out %+v", done)
	}
}

func TestClusterActionsAreCarriedOut(t *testing.T) {
	s, c := clustered(t)
	var v cluster.Status
	s.do("POST", "/cluster/actions/move", `{"node":"n2","wait":"30s"}`).wants(t, 200, &v)
	s.do("POST", "/cluster/actions/cleanup", "").wants(t, 200, &v)
	done := c.Done()
	if len(done) != 2 || done[0].Kind != "move" || done[0].Node != "n2" || done[0].Wait != 30*time.Second ||
		done[1].Kind != "cleanup" || !strings.HasPrefix(done[0].Author, "anonymous@") {
		t.Errorf("carried out %+v", done)
	}
	var seen struct{ Text []string }
	s.do("POST", "/cluster/simulate/move", `{"node":"n2"}`).wants(t, 200, &seen)
	if len(seen.Text) != 1 || seen.Text[0] != "will move vip from n1 to n2" || len(c.Done()) != 2 {
		t.Errorf("simulation %q, carried out %d", seen.Text, len(c.Done()))
	}
}

func TestClusterActionsAreChecked(t *testing.T) {
	s, c := clustered(t)
	tests := map[string]struct{ action, body, field string }{
		"no node":             {"standby", `{}`, "node"},
		"a node too many":     {"start", `{"resource":"vip","node":"n1"}`, "node"},
		"no resource":         {"stop", ``, "resource"},
		"a resource too many": {"fence", `{"node":"n1","resource":"vip"}`, "resource"},
		"an option as a name": {"standby", `{"node":"--force"}`, "node"},
		"markup as a name":    {"move", `{"node":"n1","resource":"<vip/>"}`, "resource"},
		"a wait that is none": {"standby", `{"node":"n1","wait":"soon"}`, "wait"},
		"an unknown field":    {"standby", `{"node":"n1","force":true}`, "force"},
		"no JSON":             {"standby", `node=n1`, "body"},
		"a list":              {"standby", `[]`, "body"},
	}
	for name, tc := range tests {
		if f := s.do("POST", "/cluster/actions/"+tc.action, tc.body).refused(t, 400, "invalid"); f.Fields[0].Path != tc.field {
			t.Errorf("%s: %+v", name, f.Fields)
		}
	}
	s.do("POST", "/cluster/actions/explode", `{}`).refused(t, 404, "not_found")
	if len(c.Done()) != 0 {
		t.Errorf("carried out %+v", c.Done())
	}
}

func TestClusterActionIfTheConfigurationIsTheOneSeen(t *testing.T) {
	s, c := clustered(t)
	s.do("POST", "/cluster/actions/cleanup", "", `If-Match: "0:12"`).wants(t, 200, nil)
	c.Change(func(v *cluster.Status) { v.Epoch.Updates++ })
	s.do("POST", "/cluster/actions/cleanup", "", `If-Match: "0:12"`).wants(t, 200, nil)
	c.Change(func(v *cluster.Status) { v.Epoch.Epoch++ })
	r := s.do("POST", "/cluster/actions/cleanup", "", `If-Match: "0:12"`)
	r.refused(t, 412, "precondition_failed")
	if r.header.Get("ETag") != `"0:13"` || len(c.Done()) != 2 {
		t.Errorf("ETag %s, carried out %d", r.header.Get("ETag"), len(c.Done()))
	}
}

// An action that is sent again with its key is answered by its job, though the configuration is not any
// more as the condition asks: the action itself has changed it.
func TestARepeatedActionIsNotRefusedForItsOwnChange(t *testing.T) {
	s, c := clustered(t)
	ask := func(key string) reply {
		return s.do("POST", "/cluster/actions/standby", `{"node":"n2"}`, "Content-Type: application/json", `If-Match: "0:12"`, "Idempotency-Key: "+key)
	}
	first := ask("week-31-standby")
	first.wants(t, 200, nil)
	c.Change(func(v *cluster.Status) { v.Epoch.Epoch++ })
	again := ask("week-31-standby")
	again.wants(t, 200, nil)
	if got, want := again.header.Get("Location"), first.header.Get("Location"); got != want || got == "" || len(c.Done()) != 1 {
		t.Errorf("the job is %q, expected %q; carried out %d", got, want, len(c.Done()))
	}
	ask("week-31-another").refused(t, 412, "precondition_failed")
	s.do("POST", "/cluster/simulate/standby", `{"node":"n2"}`, "Content-Type: application/json", `If-Match: "0:12"`).refused(t, 412, "precondition_failed")
}

func TestFailuresOfPacemakersToolsHaveAStatus(t *testing.T) {
	s, c := clustered(t)
	for kind, want := range map[cluster.ErrorKind]struct {
		status int
		code   string
	}{
		cluster.KindForbidden: {503, "unavailable"}, cluster.KindNotConnected: {503, "unavailable"}, cluster.KindNotInstalled: {503, "unavailable"},
		cluster.KindTimedOut: {503, "unavailable"}, cluster.KindNoQuorum: {503, "unavailable"}, cluster.KindFailed: {503, "unavailable"},
		cluster.KindNotFound: {404, "not_found"}, cluster.KindStale: {409, "conflict"}, cluster.KindExists: {409, "conflict"},
		cluster.KindUnsafe: {409, "conflict"}, cluster.KindInvalid: {422, "refused"},
	} {
		c.Fail(&cluster.Error{Tool: "crm_resource", Kind: kind, Code: 1})
		f := s.do("POST", "/cluster/actions/standby", `{"node":"n1"}`).refused(t, want.status, want.code)
		if !strings.Contains(f.Error, kind.Meaning()) {
			t.Errorf("%s: %s", kind, f.Error)
		}
	}
	c.Fail(&cluster.Error{Tool: "cibadmin", Kind: cluster.KindForbidden, Code: 4, User: "ann"})
	if f := s.do("POST", "/cluster/actions/standby", `{"node":"n1"}`).refused(t, 403, "forbidden"); !strings.Contains(f.Error, "do not let ann") {
		t.Errorf("%q", f.Error)
	}
	c.Fail(&cluster.Error{Tool: "cibadmin", Kind: cluster.KindNotConnected, Code: 102})
	s.get("/cluster/cib.xml").refused(t, 503, "unavailable")
}

func TestMonitorAnswersAtOnceWhenTheCIBIsAnother(t *testing.T) {
	s, c := clustered(t)
	for _, query := range []string{"", "?0:12:33", "?0:12:35", "?1:0:0", "?0%3A12%3A0"} {
		same(t, s.get("/monitor"+query).body, `{"epoch":"0:12:34"}`)
		same(t, s.get("/monitor.json"+query).body, `{"epoch":"0:12:34"}`)
	}
	s.get("/monitor?12").refused(t, 400, "invalid")
	for _, query := range []string{"epoch=0:12:34", "0:1:2&0:1:2", "0:1:2&wait=soon", "0:1:2&wait=11m", "0:1:2&heartbeat=1ms", "0:1:2&hearbeat=5s", "%zz"} {
		s.get("/monitor?"+query).refused(t, 400, "invalid")
	}
	c.Change(func(v *cluster.Status) { v.State = cluster.StateOffline })
	s.get("/monitor?0:12:34").refused(t, 503, "unavailable")
}

// Monitor requests end before proxies give up, and send blanks when they are to wait
// longer.
func TestMonitorWaitsAsLongAsItMay(t *testing.T) {
	for query, want := range map[string]struct {
		took   time.Duration
		blanks int
	}{
		"0:12:34": {25 * time.Second, 0}, "0:12:34&wait=90s": {90 * time.Second, 0}, "wait=0s&0:12:34": {0, 0},
		"0:12:34&wait=61s&heartbeat=10s": {61 * time.Second, 6}, "0:12:34&heartbeat=30s": {25 * time.Second, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, cfg := apitest.Prepare(t)
			c := apitest.NewCluster()
			cfg.Cluster, cfg.ClusterActions = c, c
			begun, w := time.Now(), httptest.NewRecorder()
			api.New(cfg).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/monitor?"+query, nil))
			if w.Code != 200 || time.Since(begun) != want.took {
				t.Errorf("%s: %d after %s: %s", query, w.Code, time.Since(begun), w.Body)
			}
			if got, expected := w.Body.String(), strings.Repeat(" ", want.blanks)+`{"epoch":"0:12:34"}`+"\n"; got != expected {
				t.Errorf("%s: %q, expected %q", query, got, expected)
			}
		})
	}
}

// After a blank, the status has been sent: what goes wrong then is in the body.
func TestMonitorFailsAfterAHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cfg := apitest.Prepare(t)
		c := apitest.NewCluster()
		cfg.Cluster, cfg.ClusterActions = c, c
		time.AfterFunc(1500*time.Millisecond, func() { c.Change(func(v *cluster.Status) { v.State = cluster.StateOffline }) })
		w := httptest.NewRecorder()
		api.New(cfg).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/monitor?0:12:34&heartbeat=1s", nil))
		if w.Code != 200 || w.Body.String() != ` {"error":"Pacemaker does not answer on this node"}`+"\n" {
			t.Errorf("%d %q", w.Code, w.Body)
		}
	})
}

// A change between the look and the wait must not be lost, for none of many.
func TestMonitorLosesNoChange(t *testing.T) {
	_, cfg := apitest.Prepare(t)
	c := apitest.NewCluster()
	cfg.Cluster, cfg.ClusterActions = c, c
	handler := api.New(cfg)
	const clients, changes = 2000, 50
	var seen sync.WaitGroup
	var answers atomic.Int64
	last := cluster.Epoch{Epoch: 12 + changes}
	for range clients {
		seen.Go(func() {
			known := "0:12:34"
			for known != last.String() {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/monitor?"+known, nil))
				answers.Add(1)
				known = strings.Split(w.Body.String(), `"`)[3]
			}
		})
	}
	for i := range changes {
		c.Change(func(v *cluster.Status) { v.Epoch = cluster.Epoch{Epoch: uint64(13 + i)} })
	}
	seen.Wait() // a lost change would take a minute, and the test's time
	t.Logf("%d clients, %d answers", clients, answers.Load())
}

func TestClusterRoles(t *testing.T) {
	s, _ := clustered(t, apitest.Guarded(t))
	s.get("/cluster", bearer(apitest.ReadToken)).wants(t, 200, nil)
	s.do("POST", "/cluster/actions/cleanup", "", bearer(apitest.DeployToken)).refused(t, 403, "forbidden")
	s.do("POST", "/cluster/actions/cleanup", "", bearer(apitest.AdminToken)).wants(t, 200, nil)
	s.get("/monitor").refused(t, 401, "unauthorized")
}

func TestClusterTopic(t *testing.T) {
	c := apitest.NewCluster()
	s := streamingFixture(t, inCluster(c))
	p := s.subscriber(t)
	p.say(`{"type":"subscribe","topics":["cluster"]}`)
	p.wait("cluster", "cluster", func(v map[string]any) bool { return v["epoch"] == "0:12:34" && v["role"] == "active" })
	c.Change(func(v *cluster.Status) { v.Epoch.Updates, v.DC = 35, "n2" })
	p.wait("cluster", "cluster", func(v map[string]any) bool { return v["epoch"] == "0:12:35" && v["dc"] == "n2" })
}

// In parts, the cluster is the same; of a change, clients get only what is different.
func TestClusterParts(t *testing.T) {
	c := apitest.NewCluster()
	s := streamingFixture(t, inCluster(c))
	p := s.subscriber(t)
	p.say(`{"type":"subscribe","topics":["clusterparts"]}`)
	is := func(m message) bool {
		return m.Topic == "clusterparts" && len(m.Objects)+len(m.Changed)+len(m.Removed) > 0
	}
	p.until(is)
	same := func() {
		t.Helper()
		parts := p.known["clusterparts"]
		order := parts["order"]
		whole := maps.Clone(parts["state"]["cluster"].(map[string]any))
		for list, kind := range map[string]string{"nodes": "node", "resources": "resource"} {
			if _, has := whole[list]; has {
				t.Errorf("the state has its %s", list)
			}
			all := []any{}
			for _, id := range order[list].([]any) {
				all = append(all, parts[kind+"/"+id.(string)][kind])
			}
			whole[list] = all
		}
		var want map[string]any
		s.get("/cluster").wants(t, 200, &want)
		if got, _ := json.Marshal(whole); len(parts) != 2+len(order["nodes"].([]any))+len(order["resources"].([]any)) || !reflect.DeepEqual(whole, want) {
			t.Errorf("%d parts: %s, expected %v", len(parts), got, want)
		}
	}
	same()
	changed := func(change func(v *cluster.Status)) (ids, removed []string) {
		t.Helper()
		c.Change(change)
		m := p.until(is)
		for _, o := range m.Changed {
			ids = append(ids, o["id"].(string))
		}
		same()
		return ids, m.Removed
	}
	if ids, _ := changed(func(v *cluster.Status) { v.Epoch.Updates, v.Resources[1].State = 35, "failed" }); !slices.Equal(ids, []string{"state", "resource/vip"}) {
		t.Errorf("a failed resource: %q", ids)
	}
	ids, removed := changed(func(v *cluster.Status) { v.Epoch.Updates, v.Resources = 36, v.Resources[:1] })
	if !slices.Equal(ids, []string{"state", "order"}) || !slices.Equal(removed, []string{"resource/vip"}) {
		t.Errorf("one resource less: %q, without %q", ids, removed)
	}
	c.Change(func(v *cluster.Status) { v.State = cluster.StateNone })
	if p.until(is); len(p.known["clusterparts"]) != 0 {
		t.Errorf("in no cluster: %v", p.known)
	}
}
