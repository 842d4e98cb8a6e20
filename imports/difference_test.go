package imports_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"thalassa/imports"
)

// isKnown reports whether a difference is one of every import: how the agent runs HAProxy.
func isKnown(line string) bool {
	return slices.ContainsFunc([]string{
		"global: description", "global: stats socket", "global: server-state-file", "global: mworker-max-reloads", "global: httpclient.ssl.verify",
		"global: stats", "load-server-state-from-file", "option idle-close-on-response", "global: localpeer", "global: daemon", "global: pidfile", "global: user", "global: group",
		"global: uid", "global: gid", "global: ulimit-n",
	}, func(part string) bool { return strings.Contains(line, part) })
}

// TestImportsDifferInNothingElse: of the configurations of testdata, the result has the same
// effective settings, but for how the agent runs HAProxy.
func TestImportsDifferInNothingElse(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	for _, name := range configurations(t) {
		text := site.file(t, name).text
		rendered := render(t, read(t, text, site.dir))
		list, err := imports.Compare(text, rendered)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			if line := fmt.Sprintf("%s: %s: %q → %q", strings.Join(d.Objects, ","), d.Setting, d.Before, d.After); !isKnown(line) {
				t.Errorf("%s: %s (lines %v)", name, line, d.Lines)
			}
		}
	}
}

// TestDifferencesAreFound compares a file with results that do something else.
func TestDifferencesAreFound(t *testing.T) {
	t.Parallel()
	original := `global
  maxconn 100
defaults
  mode http
  timeout client 30s
  timeout server 30000
  option httplog
frontend f
  bind :80
  acl api path_beg /api
  use_backend a if api
  use_backend b if { path /b }
  default_backend a
backend a
  balance leastconn
  default-server inter 5s
  server one 10.0.0.1:80 check
  server two 10.0.0.2:80 check weight 5
backend b
  server one 10.0.0.1:80
listen l
  bind :81
  server one 10.0.0.1:80
`
	same := strings.NewReplacer("timeout server 30000", "timeout server 30s", "use_backend a if api", "use_backend a if { path_beg -- /api }",
		"  default-server inter 5s\n", "", "10.0.0.1:80 check\n", "10.0.0.1:80 check inter 5000ms weight 1\n", "10.0.0.2:80 check weight 5", "10.0.0.2:80 check inter 5s weight 5",
		"backend b\n", "backend b\n  balance roundrobin\n").Replace(original)
	for _, c := range []struct{ old, changed, want string }{
		{"", "", ""},
		{"maxconn 100", "maxconn 200", `global: maxconn: "100" → "200"`},
		{"timeout client 30s", "timeout client 50s", `frontend/f,backend/a,backend/b,listen/l: timeout client: "30000 ms" → "50000 ms"`},
		{"  option httplog\n", "", `frontend/f,backend/a,backend/b,listen/l: option httplog: "yes" → ""`},
		{"  balance leastconn\n", "", `backend/a: balance: "leastconn" → ""`},
		{"bind :80", "bind :82", `frontend/f: bind: ":80" → ""`},
		{"10.0.0.2:80 check inter 5s weight 5", "10.0.0.2:80 check inter 5s weight 6", `backend/a: server: "10.0.0.2:80 check inter 5000 weight 5" → ""`},
		{"  use_backend a if { path_beg -- /api }\n  use_backend b if { path /b }\n", "  use_backend b if { path /b }\n  use_backend a if { path_beg /api }\n", `frontend/f: order of use_backend: "a if { path_beg /api }; b if { path /b }" → "b if { path /b }; a if { path_beg /api }"`},
		{"listen l\n", "listen l2\n", `listen/l: listen: "listen l" → ""`},
		{"  default_backend a\n", "  option idle-close-on-response\n  default_backend a\n", `frontend/f: option idle-close-on-response: "" → "yes"`},
	} {
		result := same
		if c.old != "" {
			if result = strings.Replace(same, c.old, c.changed, 1); result == same {
				t.Fatalf("no %q in\n%s", c.old, same)
			}
		}
		list, err := imports.Compare([]byte(original), []byte(result))
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, d := range list {
			lines = append(lines, fmt.Sprintf("%s: %s: %q → %q", strings.Join(d.Objects, ","), d.Setting, d.Before, d.After))
		}
		if c.want == "" && len(lines) > 0 || c.want != "" && !slices.Contains(lines, c.want) {
			t.Errorf("%s → %s: got %q, want %q", c.old, c.changed, lines, c.want)
		}
	}
}
