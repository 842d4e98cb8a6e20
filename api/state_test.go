package api_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"thalassa/activity"
	"thalassa/api/apitest"
	"thalassa/api/node"
	"thalassa/lb"
)

func TestIndexListsTheRoutes(t *testing.T) {
	var index struct {
		Name, Version string
		Routes        []struct{ Method, Path string }
	}
	newFixture(t).get("/").wants(t, 200, &index)
	if index.Name != "Thalassa" || index.Version != "1.2.3" || len(index.Routes) < 20 {
		t.Errorf("index %+v", index)
	}
}

func TestHAProxyConfig(t *testing.T) {
	s := newFixture(t)
	s.get("/haproxy/config").refused(t, 503, "unavailable")
	s = filledFixture(t)
	r := s.get("/haproxy/config")
	r.wants(t, 200, nil)
	if ct := r.header.Get("Content-Type"); !strings.HasPrefix(ct, "text/plain") {
		t.Errorf("Content-Type %s", ct)
	}
	want := "frontend www\nbackend files\n  server 10.10.10.10:8080 10.10.10.10:8080\n  server ::1:81 [::1]:81\n" +
		"backend live\n  server 10.1.0.1:8080 10.1.0.1:8080\n  server 10.1.0.2:8080 10.1.0.2:8080\n"
	if string(r.body) != want {
		t.Errorf("config\n%s\nwant\n%s", r.body, want)
	}
}

func TestServices(t *testing.T) {
	s := filledFixture(t)
	s.put("/backends/later", `{"type":"dynamic","name":"unheard","version":"1"}`)
	var list []lb.ServiceStatus
	s.get("/services").wants(t, 200, &list)
	if len(list) != 3 || list[0].Service != "blog" || list[1].Service != "shop" || list[2].Service != "unheard" {
		t.Fatalf("services %+v", list)
	}
	if got := list[1].Versions; len(got) != 2 || got[0] != (lb.VersionCount{Version: "1.0.0", Total: 2, Healthy: 2}) || !list[1].Known {
		t.Errorf("versions of shop: %+v", list[1])
	}
	if list[2].Known || list[2].Versions == nil {
		t.Errorf("a service that Consul has not told of: %+v", list[2])
	}
	var one struct {
		Service   string
		Versions  []lb.VersionCount
		Instances []lb.Instance
	}
	s.get("/services/shop").wants(t, 200, &one)
	if one.Service != "shop" || len(one.Versions) != 2 || len(one.Instances) != 3 || one.Instances[2].Address.String() != "10.1.0.3:8080" {
		t.Errorf("shop %+v", one)
	}
	s.get("/services/unheard").wants(t, 200, &one)
	if len(one.Instances) != 0 {
		t.Errorf("instances of an unknown service: %+v", one)
	}
	s.get("/services/nobody").refused(t, 404, "not_found")
}

func TestAcceptingWhatIsHeld(t *testing.T) {
	s := filledFixture(t, apitest.Guarded(t))
	var held, after struct {
		Hold      *lb.Hold
		Instances []lb.Instance
	}
	deployer := bearer(apitest.DeployToken)
	s.do("POST", "/services/shop/accept", "", deployer).refused(t, 409, "conflict")
	s.do("POST", "/services/nobody/accept", "", deployer).refused(t, 404, "not_found")
	s.do("POST", "/services/a b/accept", "", deployer).refused(t, 400, "invalid")
	s.Hold("shop")
	s.do("GET", "/services/shop", "", deployer).wants(t, 200, &held)
	if held.Hold == nil || held.Hold.Lost != len(held.Instances) || held.Hold.Reason == "" || !held.Instances[0].Held {
		t.Errorf("held: %+v", held)
	}
	var st lb.Status
	s.do("GET", "/status", "", deployer).wants(t, 200, &st)
	if !slices.ContainsFunc(st.Discovery, func(d lb.ServiceStatus) bool { return d.Service == "shop" && d.Hold != nil }) {
		t.Errorf("the status does not show the hold: %+v", st.Discovery)
	}
	s.do("POST", "/services/shop/accept", "", deployer).wants(t, 200, &after)
	if after.Hold != nil || len(after.Instances) != 0 {
		t.Errorf("after it was accepted: %+v", after)
	}
	var events []activity.Event
	s.do("GET", "/activity?filter=membersReleased", "", deployer).wants(t, 200, &events)
	if len(events) != 1 || events[0].Object.ID != "service/shop" || events[0].Author == "" || events[0].Cause != "POST /services/shop/accept" {
		t.Errorf("events %+v", events)
	}
}

func TestStatus(t *testing.T) {
	s := filledFixture(t)
	var st lb.Status
	s.get("/status").wants(t, 200, &st)
	if st.Version != "1.2.3" || st.Label != "edge" || st.Revision != 3 || !st.HAProxy.Running || len(st.Discovery) != 2 {
		t.Errorf("status %+v", st)
	}
}

func TestHealthAndReadiness(t *testing.T) {
	s := filledFixture(t, apitest.Guarded(t)) // both take no token
	s.get("/healthz").wants(t, 200, nil)
	same(t, s.get("/readyz").body, `{"ready":true,"reasons":[]}`)
	s.Lose("shop", "no route to host")
	same(t, s.get("/readyz").body, `{"ready":true,"reasons":[],"stale":["shop: no route to host"]}`)
	s.Lose("shop", "")
	s.SetDown(true)
	r := s.get("/readyz")
	r.wants(t, 503, nil)
	same(t, r.body, `{"ready":false,"reasons":["HAProxy is not running"]}`)
	s.Fail(&lb.UnavailableError{What: "the store is closed"})
	r = s.get("/readyz")
	r.wants(t, 503, nil)
	same(t, r.body, `{"ready":false,"reasons":["the store is closed"]}`)
	s.Fail(errors.New("secret detail"))
	r = s.get("/readyz")
	r.wants(t, 503, nil)
	if strings.Contains(string(r.body), "secret") {
		t.Errorf("an inner error is told: %s", r.body)
	}
	s.get("/healthz").wants(t, 200, nil)
}

func TestVersion(t *testing.T) {
	same(t, newFixture(t).get("/version").body, `{"version":"1.2.3"}`)
}

func TestRevisions(t *testing.T) {
	s := filledFixture(t)
	var list []node.Revision
	s.get("/revisions").wants(t, 200, &list)
	if len(list) != 3 || list[0].Number != 3 || list[2].Number != 1 {
		t.Fatalf("revisions %+v", list)
	}
	r := list[0]
	if r.Cause != "PUT /frontends/www" || len(r.Changes) != 1 || r.Changes[0].ID != "frontend/www" || string(r.Changes[0].Before) != "null" {
		t.Errorf("the newest revision: %+v", r)
	}
	s.get("/revisions?limit=1&before=3").wants(t, 200, &list)
	if len(list) != 1 || list[0].Number != 2 {
		t.Errorf("the one before 3: %+v", list)
	}
	for q, path := range map[string]string{
		"?before=x": "before", "?before=-1": "before", "?limit=0": "limit", "?limit=1001": "limit", "?limit=": "",
		"?limit=1&limit=2": "limit", "?befor=1": "befor", "?%zz": "query", "?a;b": "query",
	} {
		if path == "" {
			s.get("/revisions"+q).wants(t, 200, nil)
			continue
		}
		if f := s.get("/revisions"+q).refused(t, 400, "invalid"); f.Fields[0].Path != path {
			t.Errorf("%s: fields %+v, want %s", q, f.Fields, path)
		}
	}
}

// A backend without members is named everywhere, and no fault of this node.
func TestBackendsWithoutMembersAreNamed(t *testing.T) {
	s := filledFixture(t)
	s.do("PUT", "/backends/live", `{"type":"dynamic","name":"shop","version":"9"}`).refused(t, 409, "conflict")
	s.do("PUT", "/backends/live", `{"type":"dynamic","name":"shop","version":"9","wait":"11m"}`).refused(t, 400, "invalid")
	var applied node.Applied
	s.do("PUT", "/backends/live", `{"type":"dynamic","name":"shop","version":"9","force":true}`).wants(t, 200, &applied)
	const brief = "backend/live has no member: version 9 of service shop has no healthy instance"
	const detail = "Consul knows 1.0.0 (2 of 2 healthy), 2.0.0 (1 of 1 healthy)"
	if !slices.Equal(applied.Warnings, []string{brief + "; " + detail}) {
		t.Errorf("warnings %q", applied.Warnings)
	}
	var status node.Status
	s.get("/status").wants(t, 200, &status)
	if len(status.Empty) != 1 || status.Empty[0].Detail != detail || !slices.Equal(status.Empty[0].RoutedBy, []string{"frontend/www"}) {
		t.Errorf("empty %+v", status.Empty)
	}
	same(t, s.get("/readyz").body, `{"ready":true,"reasons":["`+brief+`"]}`)
}
