package api_test

import (
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
)

// Requests for routes are counted by the path of the route, also those that are refused.
func TestMetricsOfRoutes(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	s := filledFixture(t, apitest.Limited(t), routed(t, app))
	s.raw("GET", "/read/some/path", bearer(apitest.ReadToken))
	s.raw("GET", "/read/another", bearer(apitest.ReadToken))
	s.raw("GET", "/read/")
	s.raw("GET", "/admin/", bearer(apitest.ReadToken))
	families := parseMetrics(t, s.get("/metrics", bearer(apitest.ReadToken)).body)
	for labels, want := range map[string]float64{"/read/ 2xx": 2, "/read/ 4xx": 1, "/read/ 5xx": 0, "/admin/ 4xx": 1, "/admin/ 2xx": 0} {
		route, code, _ := strings.Cut(labels, " ")
		if got := value(t, families, "thalassa_route_requests_total", "route="+route, "code="+code); got != want {
			t.Errorf("%s: %v, want %v", labels, got, want)
		}
	}
	if value(t, families, "thalassa_route_requests_current", "route=/read/") != 0 || value(t, families, "thalassa_route_request_seconds_total", "route=/read/") <= 0 {
		t.Error("requests under way, or none of their time")
	}
	if text := string(s.get("/metrics", bearer(apitest.BlindReadToken)).body); strings.Contains(text, "thalassa_route") {
		t.Errorf("of one who does not see all: %s", text)
	}
}

// Where somebody must not see all objects, open metrics name none. A token that sees all
// gets them.
func TestOpenMetricsHideWhatSomeMustNotSee(t *testing.T) {
	t.Parallel()
	opened := func(c *api.Config) { c.OpenMetrics = true }
	s := filledFixture(t, apitest.Limited(t), opened)
	for _, headers := range [][]string{nil, {bearer(apitest.BlindReadToken)}, {bearer("unknown-0123456789")}} {
		text := string(s.get("/metrics", headers...).body)
		for _, hidden := range []string{`"shop"`, `"blog"`, `"live"`, `"files"`, `"www"`, "thalassa_backends", "_discovery_"} {
			if strings.Contains(text, hidden) {
				t.Errorf("%v: %s is in %s", headers, hidden, text)
			}
		}
		if !strings.Contains(text, "thalassa_haproxy_up ") || !strings.Contains(text, "go_goroutines") {
			t.Errorf("%v: the figures of the node are missing: %s", headers, text)
		}
	}
	if text := string(s.get("/metrics", bearer(apitest.ReadToken)).body); !strings.Contains(text, `thalassa_discovery_stale{service="shop"}`) {
		t.Errorf("with a token that sees all: %s", text)
	}
	open := filledFixture(t, apitest.Guarded(t), opened)
	if text := string(open.get("/metrics").body); !strings.Contains(text, `thalassa_discovery_stale{service="shop"}`) {
		t.Errorf("nobody is limited: %s", text)
	}
}
