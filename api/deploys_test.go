package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/node"
	"thalassa/lb"
)

func TestSplit(t *testing.T) {
	s := filledFixture(t)
	var got struct {
		Version  string
		Versions map[string]int
		Members  []struct{ Version, Host string }
		Applied  bool
	}
	r := s.do("POST", "/backends/live", `{"versions":{"2.0.0":10,"1.0.0":90}}`)
	r.wants(t, 200, &got)
	if got.Version != "" || fmt.Sprint(got.Versions) != "map[1.0.0:90 2.0.0:10]" || !got.Applied || len(got.Members) != 3 {
		t.Errorf("answer %s", r.body)
	}
	for _, m := range got.Members {
		if (m.Host == "10.1.0.3") != (m.Version == "2.0.0") {
			t.Errorf("member %+v", m)
		}
	}
	// What was read can be put back, members and all.
	read := s.get("/backends/live")
	var again lb.Applied
	s.do("PUT", "/backends/live", string(read.body)).wants(t, 200, &again)
	if again.Path != "none" {
		t.Errorf("putting back what was read: %+v", again)
	}
	if strings.Contains(string(read.body), `"version":""`) {
		t.Errorf("an empty version is shown: %s", read.body)
	}
	s.do("POST", "/backends/live", `{"versions":{"1.0.0":0,"2.0.0":7}}`).wants(t, 200, &got)
	if len(got.Members) != 1 || got.Members[0].Host != "10.1.0.3" {
		t.Errorf("members %+v, want that of 2.0.0 alone", got.Members)
	}
	got.Versions = nil
	s.do("POST", "/backends/live", `{"version":"1.0.0"}`).wants(t, 200, &got)
	if got.Version != "1.0.0" || got.Versions != nil || len(got.Members) != 2 {
		t.Errorf("a plain version does not end the split: %+v", got)
	}
}

func TestSplitRefuses(t *testing.T) {
	s := filledFixture(t)
	s.put("/backends/first", `{"type":"dynamic","name":"shop","version":"1.0.0","balance":"first"}`)
	for body, path := range map[string]string{
		`{"version":"1.0.0","versions":{"1.0.0":1}}`: "versions",
		`{"versions":{}}`:                    "versions",
		`{"versions":[1]}`:                   "versions",
		`{"versions":{"1.0.0":0}}`:           "versions",
		`{"versions":{"1.0.0":1.5}}`:         `versions["1.0.0"]`,
		`{"versions":{"1.0.0":1,"1.0.0":2}}`: `versions["1.0.0"]`,
	} {
		if f := s.do("POST", "/backends/live", body).refused(t, 400, "invalid"); f.Fields[0].Path != path {
			t.Errorf("%s: fields %+v, want %s", body, f.Fields, path)
		}
	}
	if f := s.do("POST", "/backends/first", `{"versions":{"1.0.0":1,"2.0.0":1}}`).refused(t, 400, "invalid"); f.Fields[0].Path != "versions" {
		t.Errorf("balance first: %+v", f.Fields)
	}
	f := s.do("POST", "/backends/live", `{"versions":{"1.0.0":1,"9":1,"8":0}}`).refused(t, 409, "conflict")
	if !strings.Contains(f.Error, "version 9 of service shop has no healthy instance") {
		t.Errorf("error %q", f.Error)
	}
	var got struct{ Versions map[string]int }
	s.do("POST", "/backends/live", `{"versions":{"1.0.0":1,"9":1},"force":true}`).wants(t, 200, &got)
	if got.Versions["9"] != 1 {
		t.Errorf("forced to %v", got.Versions)
	}
}

func TestMembersWithStats(t *testing.T) {
	s := filledFixture(t)
	s.Count("10.1.0.1:8080", lb.ServerStats{Requests: 12, Responses: lb.Responses{Success: 10, ServerError: 1}, ConnectErrors: 1, ResponseTimeMS: 5, Check: "L7OK"})
	var got []struct {
		Host  string
		Stats *node.ServerStats
	}
	s.get("/backends/live/members?stats=1").wants(t, 200, &got)
	want := node.ServerStats{
		Server: "s1", Status: "UP", Weight: 1, Check: "L7OK", Requests: 12, Responses: node.Responses{Success: 10, ServerError: 1}, ConnectErrors: 1, ResponseTimeMS: 5,
	}
	if len(got) != 2 || got[0].Host != "10.1.0.1" || *got[0].Stats != want || got[1].Stats == nil || got[1].Stats.Requests != 0 {
		t.Errorf("members %+v", got)
	}
	for _, query := range []string{"", "?stats=0", "?stats=false"} {
		if r := s.get("/backends/live/members" + query); strings.Contains(string(r.body), `"stats"`) {
			t.Errorf("%q: %s", query, r.body)
		}
	}
	same(t, s.get("/backends/files/members?stats=true").body, `[
		{"id":"///10.10.10.10/8080","name":"","version":"","host":"10.10.10.10","port":8080,"meta":{},"stats":`+zero("s1")+`},
		{"id":"///::1/81","name":"","version":"","host":"::1","port":81,"meta":{},"stats":`+zero("s2")+`}]`)
	for _, query := range []string{"?stats=maybe", "?stats=", "?stats", "?stat=1", "?stats=1&stats=1"} {
		s.get("/backends/live/members"+query).refused(t, 400, "invalid")
	}
	s.get("/backends/nobody/members?stats=1").refused(t, 404, "not_found")
	s.SetDown(true)
	s.get("/backends/live/members?stats=1").refused(t, 503, "unavailable")
	s.get("/backends/live/members").wants(t, 200, nil)
}

func noLines(context.Context, lb.Name) ([]lb.ServerStats, error) { return nil, nil }

func zero(server string) string {
	return `{"server":"` + server + `","status":"UP","weight":1,"check":"","sessions":0,"queue":0,"requests":0,
		"responses":{"1xx":0,"2xx":0,"3xx":0,"4xx":0,"5xx":0,"other":0},"connectErrors":0,"redispatches":0,"responseErrors":0,"responseTimeMs":0}`
}

// A member that HAProxy does not have yet is shown without stats.
func TestMembersThatHAProxyDoesNotHave(t *testing.T) {
	s := filledFixture(t, func(c *api.Config) { c.Stats = nil })
	s.get("/backends/live/members?stats=1").refused(t, 503, "unavailable")
	s = filledFixture(t, func(c *api.Config) { c.Stats = noLines })
	if r := s.get("/backends/live/members?stats=1"); r.status != 200 || strings.Contains(string(r.body), "stats") {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// overtaken is a Changer whose switches are followed by a change of somebody else before
// they are answered.
type overtaken struct {
	api.Changer
	by lb.Edit
}

func (o overtaken) Switch(ctx context.Context, s lb.Switch) (lb.Applied, error) {
	applied, err := o.Changer.Switch(ctx, s)
	if err == nil {
		_, err = o.Edit(ctx, o.by)
	}
	return applied, err
}

// The answer to a deploy has what the deploy has made, and the entity tag of that: who
// sends it back does not undo the change of somebody else.
func TestDeployIsAnsweredWithItsOwnBackend(t *testing.T) {
	for _, by := range []lb.Edit{
		{Backend: &lb.Backend{Key: "free", Type: "dynamic", Service: "shop", Version: "2.0.0", Balance: "roundrobin", Mode: "http", Host: "other"}},
		{Delete: "backend/free"},
	} {
		s := filledFixture(t, func(c *api.Config) { c.Changes = overtaken{c.Changes, by} })
		s.put("/backends/free", `{"type":"dynamic","name":"shop","version":"2.0.0"}`)
		var got struct{ Version, Host string }
		r := s.do("POST", "/backends/free", `{"version":"1.0.0"}`)
		r.wants(t, 200, &got)
		if got.Version != "1.0.0" || got.Host != "" {
			t.Errorf("the answer is %s", r.body)
		}
		s.do("PUT", "/backends/free", `{"type":"dynamic","name":"shop","version":"1.0.0"}`, "If-Match: "+r.header.Get("ETag")).wants(t, 412, nil)
	}
}
