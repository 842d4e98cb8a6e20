package api_test

import (
	"slices"
	"strings"
	"testing"

	nodeapi "thalassa/api/node"
	"thalassa/lb"
)

const canaryBody = `{"version":"2.0.0","steps":[5,100],"every":"1h"`

// canaryFixture is a backend with two versions, and canaries that are carried out.
func canaryFixture(t *testing.T) *fixture {
	t.Helper()
	s := newFixture(t)
	s.Discover("shop", "10.1.0.1:8080 1.0.0", "10.1.0.2:8080 2.0.0")
	s.do("PUT", "/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`).wants(t, 200, nil)
	s.do("PUT", "/backends/files", `{"type":"static","members":[]}`).wants(t, 200, nil)
	go func() { _ = s.Node.Run(t.Context()) }()
	return s
}

func (f *fixture) canary(t *testing.T, method, path, body string) nodeapi.Canary {
	t.Helper()
	var c nodeapi.Canary
	f.do(method, "/backends/live/canary"+path, body).wants(t, 200, &c)
	return c
}

func TestCanary(t *testing.T) {
	s := canaryFixture(t)
	s.do("GET", "/backends/live/canary", "").refused(t, 404, "not_found")
	c := s.canary(t, "POST", "", canaryBody+`,"abortOn":"","lease":"1m"}`)
	if c.Phase != lb.CanaryRunning || c.Percent != 5 || c.Selection != "1.0.0=95,2.0.0=5" || c.From != "1.0.0" || c.Backend != "live" ||
		c.Service != "shop" || c.Every != "1h0m0s" || c.AbortOn != "" || c.MinRequests != 20 || c.Lease != "1m0s" || len(c.History) != 1 {
		t.Errorf("%+v", c)
	}
	var status nodeapi.Status
	s.get("/status").wants(t, 200, &status)
	if len(status.Canaries) != 1 || status.Canaries[0].Percent != 5 {
		t.Errorf("status has %+v", status.Canaries)
	}
	s.do("POST", "/backends/live/canary", canaryBody+"}").refused(t, 409, "conflict")
	s.canary(t, "POST", "/renew", "")
	if c := s.canary(t, "POST", "/pause", ""); c.Phase != lb.CanaryPaused {
		t.Errorf("%+v", c)
	}
	if c := s.canary(t, "POST", "/resume", ""); c.Phase != lb.CanaryRunning {
		t.Errorf("%+v", c)
	}
	if c := s.canary(t, "POST", "/back", ""); c.Phase != lb.CanaryBack || c.Selection != "1.0.0" || c.Ended.IsZero() {
		t.Errorf("%+v", c)
	}
	s.do("POST", "/backends/live/canary/back", "").refused(t, 409, "conflict")
	status = nodeapi.Status{}
	s.get("/status").wants(t, 200, &status)
	if len(status.Canaries) != 0 {
		t.Errorf("status has %+v", status.Canaries)
	}
	if c := s.canary(t, "GET", "", ""); c.Phase != lb.CanaryBack {
		t.Errorf("%+v", c)
	}
	s.canary(t, "POST", "", canaryBody+"}")
	if c := s.canary(t, "POST", "/finish", ""); c.Phase != lb.CanaryDone || c.Selection != "2.0.0" {
		t.Errorf("%+v", c)
	}
}

func TestCanariesThatAreRefused(t *testing.T) {
	s := canaryFixture(t)
	post := func(path, body string, status int, code string, headers ...string) errorBody {
		t.Helper()
		return s.do("POST", path, body, headers...).refused(t, status, code)
	}
	post("/backends/none/canary", canaryBody+"}", 404, "not_found")
	post("/backends/files/canary", canaryBody+"}", 409, "conflict")
	post("/backends/live/canary", `{"version":"3.0.0","steps":[5,100]}`, 409, "conflict")
	post("/backends/live/canary", canaryBody+"}", 412, "precondition_failed", "If-Match: \"x\"")
	post("/backends/live/canary", canaryBody+"}", 412, "precondition_failed", "If-None-Match: *")
	post("/backends/live/canary/jump", "", 400, "invalid")
	post("/backends/live/canary/back", "", 404, "not_found")
	f := post("/backends/live/canary", `{"version":"","steps":[5,5],"every":"0s","abortOn":"4xx>1%","minRequests":0,"wait":"x","lease":"1ms"}`, 400, "invalid")
	var paths []string
	for _, field := range f.Fields {
		paths = append(paths, field.Path)
	}
	if want := []string{"version", "steps", "every", "abortOn", "minRequests", "wait", "lease"}; !slices.Equal(paths, want) {
		t.Errorf("fields %v, want %v", paths, want)
	}
	if list := s.Canaries.Canaries(); len(list) > 0 {
		t.Errorf("%+v", list)
	}
}

// What the document lets a client send is what the API takes.
func TestCanariesOfTheDocument(t *testing.T) {
	s := canaryFixture(t)
	d := openDocument(t)
	properties, _ := d.members(map[string]any{"$ref": "#/components/schemas/CanaryBody"})
	for name := range properties {
		r := s.do("POST", "/backends/live/canary", `{"`+name+`":[[]]}`)
		if strings.Contains(r.refused(t, 400, "invalid").Error, "is not a field") {
			t.Errorf("the document describes %s, which the API does not know", name)
		}
	}
	f := s.do("POST", "/backends/live/canary", canaryBody+`,"surprise":1}`).refused(t, 400, "invalid")
	if f.Fields[0].Path != "surprise" {
		t.Errorf("%+v", f.Fields)
	}
}

// The topic of the websocket has each step of a canary and its end.
func TestCanariesInStreams(t *testing.T) {
	s := streamingFixture(t)
	s.Discover("shop", "10.1.0.1:8080 1.0.0", "10.1.0.2:8080 2.0.0")
	s.put("/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`)
	go func() { _ = s.Node.Run(t.Context()) }()
	p := s.subscriber(t)
	p.next()
	p.say(`{"type":"subscribe","topics":["canaries"],"keys":["live"]}`)
	s.canary(t, "POST", "", canaryBody+"}")
	p.wait("canaries", "canary/live", func(o map[string]any) bool {
		return o["phase"] == "running" && o["percent"] == 5.0 && o["new"] != nil && o["old"] != nil
	})
	s.canary(t, "POST", "/back", "")
	p.wait("canaries", "canary/live", func(o map[string]any) bool { return o["phase"] == "back" && o["selection"] == "1.0.0" })
}
