package api_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/auth"
)

const browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

// page asks as a browser does, past the comparison with openapi.json, which
// describes what programs get.
func (f *fixture) page(path string, headers ...string) reply {
	f.tb.Helper()
	return f.raw("GET", path, append(headers, browser)...)
}

func TestBrowsersGetPages(t *testing.T) {
	s := filledFixture(t)
	for _, path := range []string{
		"/overview", "/overview/backends/live", "/overview/frontends/not.there:yet", "/activity", "/config", "/certificates", "/drafts", "/drafts/none", "/cluster", "/login", "/account", "/access", "/audit", "/openapi",
		"/activity?q=live&verb=online",
	} {
		r := s.page(path)
		if r.status != 200 || !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") || !strings.Contains(string(r.body), "<div id=\"app\">") {
			t.Errorf("%s: %d %s", path, r.status, r.header.Get("Content-Type"))
		}
		if !slices.Contains(r.header.Values("Vary"), "Accept") {
			t.Errorf("%s: Vary is %v", path, r.header.Values("Vary"))
		}
	}
	if r := s.page("/"); r.status != 302 || r.header.Get("Location") != "/overview" {
		t.Errorf("/: %d to %q", r.status, r.header.Get("Location"))
	}
}

func TestProgramsGetTheAPI(t *testing.T) {
	s := filledFixture(t)
	for path, want := range map[string]int{"/": 200, "/activity": 200, "/certificates": 200, "/overview": 404, "/config": 404, "/overview/backends/live": 404} {
		for _, accept := range []string{"", "Accept: */*", "Accept: application/json", "Accept: application/json, text/html;q=0.9", "Accept: text/html;q=0"} {
			r := s.raw("GET", path, slices.DeleteFunc([]string{accept}, func(h string) bool { return h == "" })...)
			if r.status != want || r.json() == nil {
				t.Errorf("%s with %q: %d %s", path, accept, r.status, r.body)
			}
		}
	}
	for _, path := range []string{"/activity", "/certificates"} {
		if r := s.raw("GET", path); !slices.Contains(r.header.Values("Vary"), "Accept") {
			t.Errorf("the JSON of %s has Vary %v", path, r.header.Values("Vary"))
		}
	}
	if r := s.page("/overview/backends/a/b"); r.status != 404 {
		t.Errorf("a path below a page: %d", r.status)
	}
	for _, path := range []string{"/overwiew", "/overview/backend/live", "/backends/live/x/y/z", "/nothing"} {
		if r := s.page(path); r.status != 404 || !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") || r.header.Get("Content-Security-Policy") == "" {
			t.Errorf("a browser at %s: %d %s", path, r.status, r.header.Get("Content-Type"))
		}
		if r := s.raw("GET", path); r.status != 404 || r.json() == nil {
			t.Errorf("a program at %s: %d %s", path, r.status, r.body)
		}
	}
	if r := s.page("/backends/nobody"); r.status != 404 || r.json() == nil { // an answer of the API
		t.Errorf("an object that does not exist: %d %s", r.status, r.body)
	}
	if r := s.raw("POST", "/overview", browser); r.status != 404 && r.status != 405 {
		t.Errorf("POST of a page: %d", r.status)
	}
}

func TestPagesTakeNoTokenAndDataDoes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("admin ops "+strings.Repeat("t", 16)), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := auth.Open(file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := newFixture(t, func(c *api.Config) { c.Authority = auth.NewAuthority(tokens, nil) })
	r := s.page("/activity")
	if r.status != 200 {
		t.Fatalf("the page: %d", r.status)
	}
	asset := regexp.MustCompile(`/ui/[^"]+main\.js`).FindString(string(r.body))
	if got := s.raw("GET", asset); got.status != 200 {
		t.Errorf("%s: %d", asset, got.status)
	}
	if got := s.raw("GET", "/activity"); got.status != 401 {
		t.Errorf("the data: %d", got.status)
	}
}

// The page may only load what this program serves; no other answer may load
// anything.
func TestThePolicyOfThePageIsItsOwn(t *testing.T) {
	s := newFixture(t)
	policy := s.page("/overview").header.Values("Content-Security-Policy")
	if len(policy) != 1 || !strings.Contains(policy[0], "script-src 'self' 'sha256-") || !strings.Contains(policy[0], "frame-ancestors 'none'") {
		t.Errorf("the page's policy is %q", policy)
	}
	if strings.Contains(policy[0], "unsafe") || strings.Contains(policy[0], "http") || strings.Contains(policy[0], "*") {
		t.Errorf("the page's policy is too wide: %s", policy[0])
	}
	if got := s.raw("GET", "/version").header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'") {
		t.Errorf("the policy of data is %q", got)
	}
}

func TestAPageIsNotServedUnderAForeignName(t *testing.T) {
	s := newFixture(t, func(c *api.Config) { c.Loopback = true })
	if r := s.page("/overview", "Host: evil.example"); r.status != 403 {
		t.Errorf("the page under a foreign name: %d", r.status)
	}
}
