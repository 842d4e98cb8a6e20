package api_test

import (
	"strings"
	"testing"
)

func TestGetIsConditional(t *testing.T) {
	s := filledFixture(t)
	for _, path := range []string{"/frontends", "/frontends/www", "/backends", "/backends/files"} {
		tag := s.get(path).header.Get("Etag")
		if tag == "" || tag != s.get(path).header.Get("Etag") {
			t.Fatalf("%s: entity tag %q", path, tag)
		}
		for _, condition := range []string{tag, `"x", ` + tag, "W/" + tag, "*"} {
			r := s.get(path, "If-None-Match: "+condition)
			if r.status != 304 || len(r.body) != 0 || r.header.Get("Etag") != tag {
				t.Errorf("%s If-None-Match %s: %d %s", path, condition, r.status, r.body)
			}
		}
		for _, condition := range []string{`"x"`, "", "garbage", strings.Trim(tag, `"`)} {
			if r := s.get(path, "If-None-Match: "+condition); r.status != 200 {
				t.Errorf("%s If-None-Match %q: %d", path, condition, r.status)
			}
		}
	}
}

// The tag of a dynamic backend is that of its definition; its members may have
// changed all the same.
func TestMembersAreNeverKeptBack(t *testing.T) {
	s := filledFixture(t)
	tag := s.get("/backends/live").header.Get("Etag")
	s.Discover("shop", "10.1.0.9:8080 1.0.0")
	r := s.get("/backends/live", "If-None-Match: "+tag)
	if r.status != 200 || !strings.Contains(string(r.body), "10.1.0.9") || r.header.Get("Etag") != tag {
		t.Errorf("%d %s %s", r.status, r.header.Get("Etag"), r.body)
	}
	list := s.get("/backends").header.Get("Etag")
	s.Discover("shop", "10.1.0.10:8080 1.0.0")
	if r := s.get("/backends", "If-None-Match: "+list); r.status != 200 {
		t.Errorf("the list is kept back: %d", r.status)
	}
}

func TestIfMatchGuardsChanges(t *testing.T) {
	changes := []struct{ method, path, body string }{
		{"PUT", "/frontends/www", `{"bind":"*:81","backend":"live"}`},
		{"PUT", "/backends/live", `{"type":"dynamic","name":"shop","version":"2.0.0"}`},
		{"POST", "/backends/live", `{"version":"2.0.0"}`},
		{"DELETE", "/frontends/www", ""},
		{"DELETE", "/backends/files", ""},
	}
	for _, c := range changes {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			s := filledFixture(t)
			tag := s.get(c.path).header.Get("Etag")
			for _, condition := range []string{`"0000000000000000"`, "W/" + tag, `"a", "b"`} {
				r := s.do(c.method, c.path, c.body, "If-Match: "+condition)
				r.refused(t, 412, "precondition_failed")
				if r.header.Get("Etag") != tag {
					t.Errorf("the present tag is told as %q, want %s", r.header.Get("Etag"), tag)
				}
			}
			for _, condition := range []string{"garbage", `"a`, `"a" "b"`, `W/a`, `*, "a"`, `a"b"`} {
				f := s.do(c.method, c.path, c.body, "If-Match: "+condition).refused(t, 400, "invalid")
				if f.Fields[0].Path != "If-Match" {
					t.Errorf("If-Match %s: fields %+v", condition, f.Fields)
				}
			}
			s.do(c.method, c.path, c.body, "If-Match: "+`"a"`, "If-Match: "+tag).wants(t, 200, nil)
		})
		t.Run(c.method+" "+c.path+" any", func(t *testing.T) {
			filledFixture(t).do(c.method, c.path, c.body, "If-Match: *").wants(t, 200, nil)
		})
	}
}

func TestALostUpdateIsRefused(t *testing.T) {
	s := filledFixture(t)
	tag := s.get("/backends/live").header.Get("Etag")
	first := s.do("POST", "/backends/live", `{"version":"2.0.0"}`, "If-Match: "+tag)
	first.wants(t, 200, nil)
	s.do("POST", "/backends/live", `{"version":"3.0.0","force":true}`, "If-Match: "+tag).refused(t, 412, "precondition_failed")
	s.do("POST", "/backends/live", `{"version":"3.0.0","force":true}`, "If-Match: "+first.header.Get("Etag")).wants(t, 200, nil)
}

func TestIfNoneMatchGuardsCreation(t *testing.T) {
	s := filledFixture(t)
	const condition = "If-None-Match: *"
	s.do("PUT", "/backends/new", `{"type":"static"}`, condition).wants(t, 200, nil)
	for _, c := range []struct{ method, path, body string }{
		{"PUT", "/backends/new", `{"type":"static"}`},
		{"PUT", "/frontends/www", `{"bind":"*:80","backend":"live"}`},
		{"POST", "/backends/live", `{"version":"2.0.0"}`},
		{"DELETE", "/backends/new", ""},
		{"DELETE", "/frontends/www", ""},
	} {
		r := s.do(c.method, c.path, c.body, condition)
		r.refused(t, 412, "precondition_failed")
		if r.header.Get("Etag") != s.get(c.path).header.Get("Etag") {
			t.Errorf("%s %s: the present tag is told as %q", c.method, c.path, r.header.Get("Etag"))
		}
		if f := s.do(c.method, c.path, c.body, `If-None-Match: "a"`).refused(t, 400, "invalid"); f.Fields[0].Path != "If-None-Match" {
			t.Errorf("fields %+v", f.Fields)
		}
	}
	s.do("POST", "/backends/nobody", `{"version":"1"}`, condition).refused(t, 404, "not_found")
	s.do("DELETE", "/backends/nobody", "", condition).refused(t, 404, "not_found")
	r := s.do("PUT", "/backends/nobody", `{"type":"static"}`, `If-Match: "a"`)
	r.refused(t, 412, "precondition_failed")
	if _, ok := r.header["Etag"]; ok {
		t.Error("an object that does not exist has an entity tag")
	}
}
