package api_test

import (
	"strings"
	"testing"

	"thalassa/lb"
)

const wwwJSON = `{"id":"frontend/www","_type":"frontend","key":"www","name":"www","bind":"*:80","backend":"live",
	"mode":"http","keepalive":"default","rules":[],"natives":[]}`

func TestListsAreArrays(t *testing.T) {
	s := newFixture(t)
	for _, path := range []string{"/frontends", "/backends", "/services", "/activity", "/revisions"} {
		same(t, s.get(path).body, `[]`)
	}
}

func TestFrontends(t *testing.T) {
	s := filledFixture(t)
	same(t, s.get("/frontends").body, `[`+wwwJSON+`]`)
	r := s.get("/frontends/www")
	r.wants(t, 200, nil)
	same(t, r.body, wwwJSON)
	if ct := r.header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type %q", ct)
	}
	if f := s.get("/frontends/nobody").refused(t, 404, "not_found"); f.Error != "frontend/nobody does not exist" {
		t.Errorf("error %q", f.Error)
	}
}

func TestPutFrontendCreatesAndReplaces(t *testing.T) {
	s := filledFixture(t)
	body := `{"bind":"127.0.0.1:81,[::1]:83","backend":"files","mode":"http","keepalive":"close",
		"rules":[
			{"type":"path","operation":"path_beg","value":"/a /b","backend":"live"},
			{"type":"url","operation":"url_reg","value":"^/x","backend":"live"},
			{"type":"header","header":"host","operation":"hdr_dom","value":"shop.example","backend":"files"}],
		"natives":["maxconn 100"]}`
	r := s.do("PUT", "/frontends/alt", body, "Content-Type: application/json")
	var put struct {
		ID, Bind, Path string
		Applied        bool
		Revision       uint64
		DurationMS     float64
	}
	r.wants(t, 200, &put)
	if put.ID != "frontend/alt" || put.Bind != "127.0.0.1:81,[::1]:83" || !put.Applied || put.Path != "reload" || put.Revision != 4 || put.DurationMS != 1.5 {
		t.Errorf("answer %s", r.body)
	}
	got := s.get("/frontends/alt")
	if !strings.Contains(string(got.body), `"natives":["maxconn 100"]`) {
		t.Errorf("stored %s", got.body)
	}
	if got.header.Get("Etag") != r.header.Get("Etag") {
		t.Errorf("PUT gives the tag %s, GET %s", r.header.Get("Etag"), got.header.Get("Etag"))
	}
	s.do("PUT", "/frontends/alt", `{"bind":"*:82","backend":"files"}`).wants(t, 200, nil)
	same(t, s.get("/frontends/alt").body, strings.NewReplacer("www", "alt", "*:80", "*:82", `"live"`, `"files"`).Replace(wwwJSON))
}

func TestWhatWasReadCanBePutBack(t *testing.T) {
	s := filledFixture(t)
	for _, path := range []string{"/frontends/www", "/backends/live", "/backends/files"} {
		before := s.get(path)
		var put struct {
			Path     string
			Revision uint64
		}
		s.do("PUT", path, string(before.body)).wants(t, 200, &put)
		if put.Path != "none" || put.Revision != 3 {
			t.Errorf("putting %s back was a change: %+v", path, put)
		}
		same(t, s.get(path).body, string(before.body))
	}
}

func TestPutFrontendNamesTheBadField(t *testing.T) {
	s := filledFixture(t)
	tests := []struct{ body, path string }{
		{``, "body"},
		{`{`, "body"},
		{`[]`, "body"},
		{`"x"`, "body"},
		{`{} {}`, "body"},
		{`{"backend":"live"}`, "bind"},
		{`{"bind":80,"backend":"live"}`, "bind"},
		{`{"bind":"*","backend":"live"}`, "bind"},
		{`{"bind":"*:81,*:81","backend":"live"}`, "bind"},
		{`{"bind":"*:81"}`, "backend"},
		{`{"bind":"*:81","backend":"nobody"}`, "backend"},
		{`{"bind":"*:81","backend":"live","mode":"udp"}`, "mode"},
		{`{"bind":"*:81","backend":"live","mode":"tcp"}`, "backend"},
		{`{"bind":"*:81","backend":"live","keepalive":"always"}`, "keepalive"},
		{`{"bind":"*:81","backend":"live","natives":["backend x"]}`, "natives[0]"},
		{`{"bind":"*:81","backend":"live","natives":["maxconn 1\nbackend x"]}`, "natives[0]"},
		{`{"bind":"*:81","backend":"live","rules":[{"type":"path","operation":"regex","value":"/","backend":"live"}]}`, "rules[0].operation"},
		{`{"bind":"*:81","backend":"live","rules":[{"type":"path","operation":"path","value":"/","backend":"nobody"}]}`, "rules[0].backend"},
		{`{"bind":"*:81","backend":"live","rules":[{"type":"header","operation":"hdr","value":"x","backend":"live"}]}`, "rules[0].header"},
		{`{"bind":"*:81","backend":"live","binds":[]}`, "binds"},
		{`{"bind":"*:81","backend":"live","key":"other"}`, "key"},
		{`{"bind":"*:81","backend":"live","name":"other"}`, "name"},
		{`{"bind":"*:81","backend":"live","id":"backend/x"}`, "id"},
		{`{"bind":"*:81","backend":"live","_type":"backend"}`, "_type"},
	}
	for _, tc := range tests {
		f := s.do("PUT", "/frontends/x", tc.body).refused(t, 400, "invalid")
		if len(f.Fields) != 1 || f.Fields[0].Path != tc.path || f.Fields[0].Problem == "" {
			t.Errorf("%s: fields %+v, want one about %s", tc.body, f.Fields, tc.path)
		}
	}
	f := s.do("PUT", "/frontends/x", `{"mode":"udp"}`).refused(t, 400, "invalid")
	if len(f.Fields) != 3 || !strings.HasSuffix(f.Error, "(and 2 more)") {
		t.Errorf("several bad fields: %+v", f)
	}
	s.get("/frontends/x").refused(t, 404, "not_found")
}

func TestAnAddressIsBoundOnce(t *testing.T) {
	f := filledFixture(t).do("PUT", "/frontends/x", `{"bind":"*:80","backend":"live"}`).refused(t, 409, "conflict")
	if len(f.By) != 1 {
		t.Errorf("by %v, want the other frontend", f.By)
	}
}

func TestDeleteFrontend(t *testing.T) {
	s := filledFixture(t)
	r := s.do("DELETE", "/frontends/www", "")
	r.wants(t, 200, nil)
	same(t, r.body, `{"id":"frontend/www","applied":true,"path":"reload","revision":4,"durationMs":1.5}`)
	s.do("DELETE", "/frontends/www", "").refused(t, 404, "not_found")
	same(t, s.get("/frontends").body, `[]`)
}

func TestKeys(t *testing.T) {
	s := filledFixture(t)
	valid := map[string]string{
		"/frontends/%77ww": "frontend/www",
		"/frontends/w%77w": "frontend/www",
		"/backends/l%69ve": "backend/live",
	}
	for path, id := range valid {
		var got struct{ ID string }
		s.get(path).wants(t, 200, &got)
		if got.ID != id {
			t.Errorf("%s is %s, want %s", path, got.ID, id)
		}
	}
	long := strings.Repeat("a", 129)
	for _, key := range []string{"a%20b", "a%2Fb", "%2e%2e%2f", "%00", "a%0Ab", "%C3%A4", "%25", "%2525", "a,b", "a@b", "a;b", "+", long} {
		for _, kind := range []string{"/frontends/", "/backends/", "/services/"} {
			f := s.get(kind+key).refused(t, 400, "invalid")
			if want := map[bool]string{true: "name", false: "key"}[kind == "/services/"]; len(f.Fields) != 1 || f.Fields[0].Path != want {
				t.Errorf("%s%s: fields %+v, want one about %s", kind, key, f.Fields, want)
			}
		}
		s.do("PUT", "/backends/"+key, `{"type":"static"}`).refused(t, 400, "invalid")
		s.do("POST", "/backends/"+key, `{"version":"1"}`).refused(t, 400, "invalid")
		s.do("DELETE", "/frontends/"+key, "").refused(t, 400, "invalid")
		s.get("/backends/"+key+"/members").refused(t, 400, "invalid")
	}
	s.get("/backends//members").refused(t, 400, "invalid")
	s.put("/backends/A-z_0.9:x", `{"type":"static"}`)
	s.get("/backends/A-z_0.9:x").wants(t, 200, nil)
	s.get("/backends/A-z_0.9%3Ax").wants(t, 200, nil)
}

func TestAChangeThatIsNotInEffectYet(t *testing.T) {
	s := filledFixture(t)
	s.SetDown(true)
	var got lb.Applied
	s.do("PUT", "/backends/later", `{"type":"static"}`).wants(t, 200, &got)
	if got.Applied || got.Reason != "HAProxy is not running" || got.Revision != 4 {
		t.Errorf("answer %+v", got)
	}
}
