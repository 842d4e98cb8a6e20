package api_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"

	"thalassa/activity"
	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/lb"
)

func TestErrorsBecomeStatuses(t *testing.T) {
	tests := []struct {
		err     error
		status  int
		code    string
		message string
	}{
		{&lb.InvalidError{Fields: []lb.FieldError{{Path: "a", Problem: "is odd"}}}, 400, "invalid", "a: is odd"},
		{&lb.InvalidError{}, 400, "invalid", "the request is not valid"},
		{&lb.NotFoundError{ID: "backend/x"}, 404, "not_found", "backend/x does not exist"},
		{&lb.ConflictError{ID: "backend/x", Reason: "is busy", By: []string{"frontend/a"}}, 409, "conflict", "backend/x: is busy"},
		{&lb.StaleRevisionError{Base: 1, Current: 2}, 409, "conflict", "moved on"},
		{&lb.PreconditionError{ID: "backend/x", Current: `"t"`}, 412, "precondition_failed", `"t"`},
		{&lb.RefusedError{At: "check", Output: "line 1\nline 2"}, 422, "refused", "line 1"},
		{&lb.UnavailableError{What: "Consul has not answered yet"}, 503, "unavailable", "Consul has not answered yet"},
	}
	for _, tc := range tests {
		for _, err := range []error{tc.err, fmt.Errorf("storing /secret/path: %w", tc.err), errors.Join(tc.err, errors.New("secret"))} {
			s := filledFixture(t)
			s.Fail(err)
			for _, r := range []reply{
				s.do("DELETE", "/frontends/www", ""),
				s.do("POST", "/backends/live", `{"version":"2.0.0"}`),
			} {
				f := r.refused(t, tc.status, tc.code)
				if !strings.Contains(f.Error, tc.message) || strings.Contains(string(r.body), "secret") {
					t.Errorf("%v: %s", err, r.body)
				}
			}
		}
	}
}

func TestErrorsCarryTheirDetails(t *testing.T) {
	s := filledFixture(t)
	s.Fail(&lb.RefusedError{At: "check", Output: "[ALERT] one\n[ALERT] two"})
	if f := s.do("DELETE", "/frontends/www", "").refused(t, 422, "refused"); f.Output != "[ALERT] one\n[ALERT] two" {
		t.Errorf("output %q", f.Output)
	}
	s.Fail(&lb.UnavailableError{What: "HAProxy is not running"})
	r := s.do("DELETE", "/frontends/www", "")
	r.refused(t, 503, "unavailable")
	if r.header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
	}
	s.Fail(&lb.ConflictError{ID: "x", Reason: "y", By: []string{"frontend/a", "frontend/b"}})
	if f := s.do("DELETE", "/frontends/www", "").refused(t, 409, "conflict"); !slices.Equal(f.By, []string{"frontend/a", "frontend/b"}) {
		t.Errorf("by %v", f.By)
	}
}

func TestOtherErrorsStayInside(t *testing.T) {
	var log bytes.Buffer
	s := filledFixture(t, func(c *api.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	s.Fail(errors.New("opening /var/lib/thalassa/secret: no such file"))
	for _, path := range []string{"/frontends", "/backends/live", "/status", "/services", "/revisions", "/haproxy/config"} {
		r := s.get(path)
		f := r.refused(t, 500, "internal")
		if strings.Contains(string(r.body), "secret") {
			t.Errorf("an inner error is told: %s", r.body)
		}
		if f.Incident == "" || !strings.Contains(f.Error, f.Incident) || !strings.Contains(log.String(), "incident="+f.Incident) {
			t.Errorf("incident %q: answer %s, log %s", f.Incident, r.body, log.String())
		}
	}
	if !strings.Contains(log.String(), "secret") {
		t.Errorf("the log lacks the error: %s", log.String())
	}
}

func TestPanicsStayInside(t *testing.T) {
	var log bytes.Buffer
	s := filledFixture(t, func(c *api.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Activity = nil
	})
	f := s.get("/activity").refused(t, 500, "internal")
	if !strings.Contains(log.String(), f.Incident) || !strings.Contains(log.String(), "activity.go") {
		t.Errorf("the log lacks incident or stack: %s", log.String())
	}
	s.get("/frontends").wants(t, 200, nil)
}

func TestRequestsAreLoggedAtDebugOnly(t *testing.T) {
	for level, want := range map[slog.Level]bool{slog.LevelDebug: true, slog.LevelInfo: false} {
		var log bytes.Buffer
		s := filledFixture(t, func(c *api.Config) {
			c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))
		}, apitest.Guarded(t))
		s.get("/frontends/nobody", bearer(apitest.ReadToken))
		if got := strings.Contains(log.String(), "path=/frontends/nobody status=404") && strings.Contains(log.String(), "author=reader"); got != want {
			t.Errorf("level %v: logged %v, want %v: %s", level, got, want, log.String())
		}
		if strings.Contains(log.String(), apitest.ReadToken) {
			t.Errorf("the log tells the token: %s", log.String())
		}
	}
}

func TestUnknownPaths(t *testing.T) {
	s := filledFixture(t)
	for _, path := range []string{
		"/nowhere", "/frontends/", "/frontends/www/", "/frontends/a/b", "/frontends/a%2Fb/c", "/backends/live/member/x",
		"//", "/%2e", "/haproxy", "/Frontends", "/favicon.ico",
	} {
		for _, method := range []string{"GET", "PUT", "POST", "DELETE"} {
			r := s.do(method, path, `{}`)
			if r.status == 405 { // of a path that other methods know
				continue
			}
			f := r.refused(t, 404, "not_found")
			if !strings.Contains(f.Error, "is not a path of this API") {
				t.Errorf("%s %s: %q", method, path, f.Error)
			}
		}
	}
	long := s.get("/"+strings.Repeat("a", 5000)).refused(t, 404, "not_found")
	if len(long.Error) > 300 {
		t.Errorf("the error repeats %d characters", len(long.Error))
	}
	if f := s.get("/a%0Ab").refused(t, 404, "not_found"); !strings.Contains(f.Error, `"/a\nb"`) {
		t.Errorf("error %q", f.Error)
	}
}

func TestOtherMethods(t *testing.T) {
	s := filledFixture(t)
	tests := []struct{ method, path, allow string }{
		{"PATCH", "/frontends/www", "DELETE, GET, HEAD, OPTIONS, PUT"},
		{"POST", "/frontends/www", "DELETE, GET, HEAD, OPTIONS, PUT"},
		{"PUT", "/frontends", "GET, HEAD, OPTIONS"},
		{"BREW", "/backends/live", "DELETE, GET, HEAD, OPTIONS, POST, PUT"},
		{"DELETE", "/healthz", "GET, HEAD, OPTIONS"},
		{"POST", "/", "GET, HEAD, OPTIONS"},
		{"TRACE", "/status", "GET, HEAD, OPTIONS"},
	}
	sorted := func(r reply) string {
		list := strings.Split(r.header.Get("Allow"), ", ")
		slices.Sort(list)
		return strings.Join(list, ", ")
	}
	for _, tc := range tests {
		r := s.do(tc.method, tc.path, "")
		f := r.refused(t, 405, "method_not_allowed")
		if sorted(r) != tc.allow || !strings.Contains(f.Error, tc.method) {
			t.Errorf("%s %s: Allow %q, want %q; %q", tc.method, tc.path, sorted(r), tc.allow, f.Error)
		}
		r = s.do("OPTIONS", tc.path, "")
		if r.status != 204 || sorted(r) != tc.allow {
			t.Errorf("OPTIONS %s: %d, Allow %q", tc.path, r.status, sorted(r))
		}
	}
	s.do("OPTIONS", "/nowhere", "").refused(t, 404, "not_found")
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	s := filledFixture(t)
	for _, path := range []string{"/", "/frontends", "/frontends/www", "/backends/live", "/haproxy/config", "/readyz", "/frontends/nobody"} {
		get, head := s.get(path), s.do("HEAD", path, "")
		if head.status != get.status || len(head.body) != 0 || head.header.Get("Content-Length") != strconv.Itoa(len(get.body)) ||
			head.header.Get("Etag") != get.header.Get("Etag") || head.header.Get("Content-Type") != get.header.Get("Content-Type") {
			t.Errorf("%s: GET %d %v, HEAD %d %v", path, get.status, get.header, head.status, head.header)
		}
	}
}

func TestLargeBodies(t *testing.T) {
	s := filledFixture(t)
	body := func(size int) string { return `{"type":"static"` + strings.Repeat(" ", size-17) + `}` }
	s.do("PUT", "/backends/x", body(1<<20)).wants(t, 200, nil)
	for _, size := range []int{1<<20 + 1, 4 << 20} {
		f := s.do("PUT", "/backends/x", body(size)).refused(t, 413, "too_large")
		if !strings.Contains(f.Error, "1048576") {
			t.Errorf("error %q", f.Error)
		}
	}
	s.get("/frontends").wants(t, 200, nil)
}

// What callers see of an event is what was recorded, whatever it holds.
func TestAnswersSurviveOddText(t *testing.T) {
	s := newFixture(t)
	s.Log.Record(t.Context(), activity.Event{
		Verb: activity.TemplateRefused, Object: activity.Object{ID: "template", Type: "template"}, Error: "\x00\xff<script>\u2028",
	})
	s.get("/activity").wants(t, 200, nil)
}
