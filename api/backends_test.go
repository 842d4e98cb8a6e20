package api_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/lb"
)

// at0 is a clock that stands still.
func at0() time.Time { return time.UnixMilli(1700000000123) }

func withClock(c *api.Config) { c.Now = at0 }

func TestBackends(t *testing.T) {
	s := filledFixture(t)
	var list []struct {
		ID, Type, Key string
		Members       []struct{ ID string }
	}
	s.get("/backends").wants(t, 200, &list)
	if len(list) != 2 || list[0].ID != "backend/files" || list[1].ID != "backend/live" || len(list[1].Members) != 2 {
		t.Errorf("backends %+v", list)
	}
	seen := strconv.FormatInt(s.Snapshot().Services["shop"].Seen.UnixMilli(), 10)
	member := func(host string) string {
		return `{"id":"/shop/1.0.0/` + host + `/8080","name":"shop","version":"1.0.0","host":"` + host + `","port":8080,"lastKnown":` + seen + `,
			"meta":{"version":"1.0.0","hostname":"host-1.0.0","pid":"4711"}}`
	}
	members := `[` + member("10.1.0.1") + `,` + member("10.1.0.2") + `]`
	same(t, s.get("/backends/live/members").body, members)
	same(t, s.get("/backends/live").body, `{"id":"backend/live","_type":"backend","key":"live","type":"dynamic","name":"shop","version":"1.0.0",
		"balance":"roundrobin","mode":"http","natives":[],"members":`+members+`}`)
	same(t, s.get("/backends/files").body, `{"id":"backend/files","_type":"backend","key":"files","type":"static",
		"balance":"roundrobin","mode":"http","natives":[],"members":[
		{"id":"///10.10.10.10/8080","name":"","version":"","host":"10.10.10.10","port":8080,"meta":{}},
		{"id":"///::1/81","name":"","version":"","host":"::1","port":81,"meta":{}}]}`)
	for _, path := range []string{"/backends/nobody", "/backends/nobody/members"} {
		if f := s.get(path).refused(t, 404, "not_found"); f.Error != "backend/nobody does not exist" {
			t.Errorf("%s: error %q", path, f.Error)
		}
	}
}

func TestMembersFollowConsul(t *testing.T) {
	s := filledFixture(t)
	s.Discover("shop", "10.1.0.9:8080 1.0.0")
	var members []struct{ Host string }
	s.get("/backends/live/members").wants(t, 200, &members)
	if len(members) != 1 || members[0].Host != "10.1.0.9" {
		t.Errorf("members %+v", members)
	}
	s.Discover("shop")
	same(t, s.get("/backends/live/members").body, `[]`)
}

func TestPutBackend(t *testing.T) {
	s := filledFixture(t)
	bodies := map[string]string{
		"dynamic":   `{"type":"dynamic","name":"blog","version":"7"}`,
		"healthy":   `{"type":"dynamic","name":"blog","version":"7","host":"blog.example","health":{"method":"HEAD","uri":"/up","httpVersion":"HTTP/1.1","interval":500},"natives":["timeout server 5s"]}`,
		"old-check": `{"type":"dynamic","name":"blog","version":"7","health":{"httpVersion":"HTTP/1.0"}}`,
		"tcp":       `{"type":"static","mode":"tcp","balance":"source","members":[{"host":"db.example","port":5432}]}`,
		"v6":        `{"type":"static","members":[{"host":"2001:db8::1","port":80}]}`,
		"empty":     `{"type":"static","members":[]}`,
		"absent":    `{"type":"static"}`,
	}
	for _, balance := range []string{"roundrobin", "source", "leastconn", "first", "random", "uri"} {
		bodies["by-"+balance] = `{"type":"static","balance":"` + balance + `"}`
	}
	for key, body := range bodies {
		var got lb.Applied
		r := s.do("PUT", "/backends/"+key, body)
		r.wants(t, 200, &got)
		if !got.Applied {
			t.Errorf("%s: %s", body, r.body)
		}
		if tag := s.get("/backends/" + key).header.Get("Etag"); tag == "" || tag != r.header.Get("Etag") {
			t.Errorf("%s: PUT gives the tag %q, GET %q", key, r.header.Get("Etag"), tag)
		}
	}
	var health struct {
		Members []struct{ Host string }
		Health  struct {
			Method, URI, HTTPVersion string
			Interval                 int
		}
	}
	s.get("/backends/healthy").wants(t, 200, &health)
	if h := health.Health; h.Method != http.MethodHead || h.URI != "/up" || h.HTTPVersion != "HTTP/1.1" || h.Interval != 500 {
		t.Errorf("health %+v", h)
	}
	if len(health.Members) != 1 || health.Members[0].Host != "10.2.0.1" {
		t.Errorf("members %+v", health.Members)
	}
	s.get("/backends/old-check").wants(t, 200, &health)
	if h := health.Health; h.Method != http.MethodGet || h.URI != "/" || h.Interval != 2000 {
		t.Errorf("defaults of a check: %+v", h)
	}
}

func TestPutBackendNamesTheBadField(t *testing.T) {
	s := filledFixture(t)
	tests := []struct{ body, path string }{
		{`{}`, "type"},
		{`{"type":"magic"}`, "type"},
		{`{"type":"dynamic","version":"1"}`, "name"},
		{`{"type":"dynamic","name":"shop"}`, "version"},
		{`{"type":"dynamic","name":"shop","version":1}`, "version"},
		{`{"type":"static","balance":"fairly"}`, "balance"},
		{`{"type":"static","mode":"tcp","balance":"uri"}`, "balance"},
		{`{"type":"static","members":[{"host":"a b","port":80}]}`, "members[0].host"},
		{`{"type":"static","members":[{"host":"a","port":0}]}`, "members[0].port"},
		{`{"type":"static","members":"a:80"}`, "members"},
		{`{"type":"static","health":{"httpVersion":"HTTP/1.1"}}`, "host"},
		{`{"type":"static","health":{"httpVersion":"HTTP/2"}}`, "health.httpVersion"},
		{`{"type":"static","health":{"interval":0}}`, "health.interval"},
		{`{"type":"static","health":{"uri":"x"}}`, "health.uri"},
		{`{"type":"static","natives":["listen x"]}`, "natives[0]"},
		{`{"type":"static","membres":[]}`, "membres"},
	}
	for _, tc := range tests {
		f := s.do("PUT", "/backends/x", tc.body).refused(t, 400, "invalid")
		if len(f.Fields) != 1 || f.Fields[0].Path != tc.path {
			t.Errorf("%s: fields %+v, want one about %s", tc.body, f.Fields, tc.path)
		}
	}
}

func TestABackendInUseStays(t *testing.T) {
	s := filledFixture(t)
	s.put("/frontends/alt", `{"bind":"*:81","backend":"files","rules":[{"type":"path","operation":"path","value":"/","backend":"live"}]}`)
	f := s.do("DELETE", "/backends/live", "").refused(t, 409, "conflict")
	if strings.Join(f.By, " ") != "frontend/alt frontend/www" || !strings.Contains(f.Error, "frontend/alt") {
		t.Errorf("conflict %+v", f)
	}
	s.do("DELETE", "/frontends/alt", "").wants(t, 200, nil)
	s.do("DELETE", "/frontends/www", "").wants(t, 200, nil)
	s.do("DELETE", "/backends/live", "").wants(t, 200, nil)
	s.do("DELETE", "/backends/live", "").refused(t, 404, "not_found")
}

func TestSwitch(t *testing.T) {
	s := filledFixture(t)
	before := s.get("/backends/live").header.Get("Etag")
	var got struct {
		ID, Name, Version, Path string
		Applied                 bool
		Revision                uint64
		Members                 []struct{ Host string }
	}
	r := s.do("POST", "/backends/live", `{"version":"2.0.0"}`)
	r.wants(t, 200, &got)
	if got.ID != "backend/live" || got.Name != "shop" || got.Version != "2.0.0" || !got.Applied || got.Revision != 4 ||
		len(got.Members) != 1 || got.Members[0].Host != "10.1.0.3" {
		t.Errorf("answer %s", r.body)
	}
	if tag := r.header.Get("Etag"); tag == before || tag != s.get("/backends/live").header.Get("Etag") {
		t.Errorf("entity tag %s after %s", tag, before)
	}
	s.do("POST", "/backends/live", `{"name":"blog","version":"7"}`).wants(t, 200, &got)
	if got.Name != "blog" || got.Version != "7" {
		t.Errorf("switched to %s %s, want blog 7", got.Name, got.Version)
	}
	s.do("POST", "/backends/live", `{"name":"blog","version":"7"}`).wants(t, 200, &got)
	if got.Path != "none" {
		t.Errorf("a switch to what is there took the path %s", got.Path)
	}
}

func TestSwitchRefuses(t *testing.T) {
	s := filledFixture(t)
	s.do("POST", "/backends/nobody", `{"version":"2.0.0"}`).refused(t, 404, "not_found")
	s.do("POST", "/backends/files", `{"version":"2.0.0"}`).refused(t, 409, "conflict")
	f := s.do("POST", "/backends/live", `{"version":"9"}`).refused(t, 409, "conflict")
	if !strings.Contains(f.Error, "version 9 of service shop has no healthy instance") {
		t.Errorf("error %q", f.Error)
	}
	for body, path := range map[string]string{
		`{}`: "version", `{"version":7}`: "version", `{"version":"2.0.0","wait":"11m"}`: "wait",
		`{"version":"2.0.0","wait":5}`: "wait", `{"version":"2.0.0","balance":"source"}`: "balance", ``: "body",
	} {
		if f := s.do("POST", "/backends/live", body).refused(t, 400, "invalid"); f.Fields[0].Path != path {
			t.Errorf("%s: fields %+v, want %s", body, f.Fields, path)
		}
	}
	var got struct{ Version string }
	s.get("/backends/live").wants(t, 200, &got)
	if got.Version != "1.0.0" {
		t.Errorf("a refused switch left version %s", got.Version)
	}
	s.do("POST", "/backends/live", `{"version":"9","force":true}`).wants(t, 200, &got)
	if got.Version != "9" {
		t.Errorf("forced to version %s", got.Version)
	}
}

func TestSwitchWaitsForTheVersion(t *testing.T) {
	s := filledFixture(t)
	done := make(chan reply, 1)
	go func() { done <- s.do("POST", "/backends/live", `{"version":"3.0.0","wait":"5m"}`) }()
	s.Discover("shop", "10.1.0.1:8080 1.0.0", "10.1.0.4:8080 3.0.0")
	var got struct{ Version string }
	(<-done).wants(t, 200, &got)
	if got.Version != "3.0.0" {
		t.Errorf("version %s", got.Version)
	}
}

func TestChangesCarryAuthorCauseAndTime(t *testing.T) {
	s := filledFixture(t, apitest.Guarded(t), withClock)
	s.do("POST", "/backends/live", `{"version":"2.0.0"}`, bearer(apitest.DeployToken)).wants(t, 200, nil)
	s.do("DELETE", "/frontends/%77ww", "", bearer(apitest.AdminToken)).wants(t, 200, nil)
	list, err := s.Revisions(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := list[0].Origin, (lb.Origin{Author: "boss", Cause: "DELETE /frontends/www", Time: at0()}); got != want {
		t.Errorf("stamp %+v, want %+v", got, want)
	}
	if got, want := list[1].Origin, (lb.Origin{Author: "deployer", Cause: "POST /backends/live", Time: at0()}); got != want {
		t.Errorf("stamp %+v, want %+v", got, want)
	}
	if by := list[2].Author; by != "anonymous@127.0.0.1" {
		t.Errorf("author without tokens: %s", by)
	}
}

func TestClaimedAddressesAreNotBelieved(t *testing.T) {
	s := filledFixture(t)
	s.do("POST", "/backends/live", `{"version":"2.0.0"}`, "X-Forwarded-For: 192.0.2.1", "X-Real-IP: 192.0.2.1").wants(t, 200, nil)
	list, err := s.Revisions(t.Context(), 0, 1)
	if err != nil || list[0].Author != "anonymous@127.0.0.1" {
		t.Errorf("author %+v, %v", list, err)
	}
}

// Parameters that a change would ignore are refused: what was to be a dry run is not carried out.
func TestUnknownParametersChangeNothing(t *testing.T) {
	s := newFixture(t)
	s.put("/backends/live", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
	for request := range strings.Lines("PUT /backends/live\nDELETE /backends/live\nPOST /backends/live\nPUT /frontends/web\nDELETE /certificates/x\nPOST /haproxy/reload\nPUT /haproxy/global\nPOST /drafts\n") {
		method, path, _ := strings.Cut(strings.TrimSpace(request), " ")
		if f := s.do(method, path+"?dryRun=1", `{}`).refused(t, 400, "invalid"); len(f.Fields) != 1 || f.Fields[0].Path != "dryRun" {
			t.Errorf("%s: %+v", request, f)
		}
	}
	for _, query := range []string{"dryRun", "dryRun=", "dryRun=yes", "dryRun=%31%00", "dryRun=1&dryRun=1", "dryrun=1", "dryRun=1;", "%64ryRun=2"} {
		s.do("POST", "/changes?"+query, `{"edits":[{"method":"DELETE","path":"/backends/live"}]}`).refused(t, 400, "invalid")
	}
	s.get("/backends/live").wants(t, 200, nil)
}
