package template_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/lb"
	"thalassa/template"
)

// auditConfig is a small configuration with a bit of everything.
func auditConfig() lb.Config {
	return lb.Config{
		Process: lb.Process{StatsSocket: "/run/haproxy.sock"},
		Frontends: []lb.Frontend{
			{
				Key: "web", Mode: "http", Keepalive: "default", Backend: "live", Binds: []lb.Bind{{Port: 80}, {Host: "::1", Port: 81}},
				Rules: []lb.Rule{
					{Type: "path", Operation: "path_beg", Values: []string{"/a"}, Backend: "api"},
					{Type: "path", Operation: "path_beg", Values: []string{"it's"}, Backend: "live"},
				},
				Natives: []lb.RawLine{"option forwardfor", "# a remark", "bind *:82"},
			},
		},
		Backends: []lb.ResolvedBackend{
			{Backend: lb.Backend{Key: "api", Mode: "http", Balance: "roundrobin"}},
			{
				Backend: lb.Backend{Key: "live", Mode: "http", Balance: "roundrobin", Natives: []lb.RawLine{"server a 10.0.0.9:80"}},
				Members: []lb.Member{{Address: lb.HostPort{Host: "10.0.0.1", Port: 80}}, {Address: lb.HostPort{Host: "10.0.0.2", Port: 80}}},
			},
		},
	}
}

// TestTemplatesOfOperators are those that may be used, and HAProxy takes what
// they make.
func TestTemplatesOfOperators(t *testing.T) {
	t.Parallel()
	everySection := `
userlist staff
    user ann insecure-password a
mailers mail
    mailer one 127.0.0.1:25
peers 'some-peers'
    peer one 127.0.0.1:1024
resolvers dns
    nameserver one 127.0.0.1:53
cache small
    total-max-size 4
ring buffer
    size 32768
http-errors pages
defaults second
    timeout connect 5s
    timeout client 5s
    timeout server 5s
listen own
    bind 127.0.0.1:9
    mode tcp
frontend own-front
    bind 127.0.0.1:10
    mode tcp
    default_backend own-back
backend own-back
    mode tcp
    server one 127.0.0.1:11
`
	for name, source := range map[string]string{
		"small":             skeletonTemplate("", "", ""),
		"fixed lines":       skeletonTemplate("", "    option http-buffer-request", "    option prefer-last-server"),
		"preprocessor":      skeletonTemplate(".if version_atleast(2.4)\n.notice \"new enough\"\n.endif", "", ""),
		"every section":     skeletonTemplate("", "", "") + everySection,
		"lines by the view": skeletonTemplate("", `{{if eq .Mode "http"}}    option http-buffer-request{{end}}`, ""),
		"options":           strings.ReplaceAll(skeletonTemplate("", "", ""), "bind {{.}}", "bind {{.}} tfo defer-accept"),
		"quoted names":      strings.ReplaceAll(skeletonTemplate("", "", ""), "backend {{.Key}}", `backend "{{.Key}}"`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := parse(t, source).Render(auditConfig())
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "haproxy.cfg")
			if err := os.WriteFile(file, out.Bytes, 0o600); err != nil {
				t.Fatal(err)
			}
			if words, accepted := haproxyCheck(t, file); !accepted {
				t.Errorf("haproxy refuses it:\n%s\n%s", words, out.Bytes)
			}
		})
	}
}

// TestAuditRefuses are templates that make something else than what went in.
// Each breaks when the configuration has a backend "api", which the trial of
// Parse has not.
func TestAuditRefuses(t *testing.T) {
	t.Parallel()
	small := skeletonTemplate("", "", "")
	when := func(what, otherwise string) string {
		return `{{if and $.Backends (eq (index $.Backends 0).Key "api")}}` + what + `{{else}}` + otherwise + `{{end}}`
	}
	replace := func(old, changed string) string {
		if !strings.Contains(small, old) {
			t.Fatalf("no %q in the small template", old)
		}
		return strings.ReplaceAll(small, old, when(changed, old))
	}
	for _, c := range []struct{ name, source, want string }{
		{"another section", skeletonTemplate("", "", when("\nbackend evil", "")), `opens the section "backend evil", which was not asked for`},
		{"another kind of section", skeletonTemplate("", "", when("\ncrt-store evil", "")), `opens the section "crt-store evil"`},
		{"another name", replace("backend {{.Key}}\n", "backend x{{.Key}}\n"), `opens the section "backend xapi"`},
		{"no sections", replace("frontend {{.Key}}", "#"), `the section "frontend web" is missing`},
		{"twice", skeletonTemplate("", "", when("\nbackend {{.Key}}", "")), `"backend api", which was not asked for`},
		{"unquoted value", replace("{{quote .Values}}", `{{join " " .Values}}`), "has a quote without its other half"},
		{"no natives", replace("    {{.}}\n", "\n"), `the section "frontend web" lacks the line "option forwardfor"`},
		{"another bind", replace("bind {{.}}\n", "bind {{.}}0\n"), `has a bind line with "*:800" where "*:80" went in`},
		{"one bind more", skeletonTemplate("", when("    bind *:83", ""), ""), `has a bind line with "*:83", which was not asked for`},
		{"two binds on a line", replace("bind {{.}}\n", "bind {{.}},*:83\n"), `has a bind line with "*:80,*:83"`},
		{"no rules", replace("use_backend {{.Backend}} if", "# use_backend {{.Backend}} if"), `lacks a use_backend line with "api"`},
		{"no default backend", replace("default_backend {{.}}", ""), `lacks a default_backend line with "live"`},
		{"another target", replace("use_backend {{.Backend}}", "use_backend live"), `has a use_backend line with "live" where "api" went in`},
		{"another server", replace("server {{.Name}} {{.Address}}", "server {{.Name}} 127.0.0.1"), `has a server line with "127.0.0.1" where "10.0.0.1:80" went in`},
		{"another server name", replace("server {{.Name}}", "server x"), `has a server line with "x"`},
		{"no servers", replace("server {{.Name}}", "#"), `lacks a server line with "10.0.0.1:80"`},
		{"bind in a backend", skeletonTemplate("", "", when("    bind *:84", "")), `has a bind line with "*:84"`},
		{"server in a frontend", skeletonTemplate("", when("    server x 127.0.0.1:1", ""), ""), `has a server line with "x"`},
		{"preprocessor in a section", skeletonTemplate("", when(".if 0", ""), ""), "preprocessor lines are 1, and 0 without"},
		{"quoted keyword", skeletonTemplate("", "", when(`    "bind" *:84`, "")), "begins with a quoted word"},
		{"escaped keyword", skeletonTemplate("", "", when(`    \x62ackend evil`, "")), "begins with a quoted word"},
		{"empty keyword", skeletonTemplate("", "", when(`    '' evil`, "")), "begins with an empty word"},
		{"negated section", skeletonTemplate("", "", when(`    no backend evil`, "")), "negates a section"},
		{"commented section", skeletonTemplate("", "", when(`    global#`, "")), `opens the section "global"`},
		{"control character", skeletonTemplate("", "", when("    option\vhttpclose", "")), "holds a control character"},
		{"endless line", skeletonTemplate("", "", when("    "+strings.Repeat("x", 61<<10), "")), "is longer than 60 KiB"},
		{"outside of sections", skeletonTemplate(when("daemon", ""), "", ""), "is outside of any section"},
		{"a library's section", skeletonTemplate("", "", when("###_config-snippet_### BEGIN", "")), "can be read in two ways"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(t, c.source).Render(auditConfig())
			var refused *lb.RefusedError
			if !errors.As(err, &refused) || refused.At != "render" || !strings.Contains(refused.Output, c.want) {
				t.Errorf("got %v\nwant %q in it", err, c.want)
			}
		})
	}
}

// TestAuditRefusesValues are values that no parser of package lb lets through.
func TestAuditRefusesValues(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*lb.Config){
		"native":         func(c *lb.Config) { c.Frontends[0].Natives[0] = "option forwardfor\nbackend evil" },
		"native section": func(c *lb.Config) { c.Frontends[0].Natives[0] = "backend evil" },
		"pattern":        func(c *lb.Config) { c.Frontends[0].Rules[0].Values[0] = "/a\nbackend evil" },
		"carriage":       func(c *lb.Config) { c.Frontends[0].Rules[0].Values[0] = "/a\r" },
		"zero":           func(c *lb.Config) { c.Backends[1].Natives[0] = "a\x00b" },
		"host":           func(c *lb.Config) { c.Backends[1].Host = "a\nglobal" },
		"socket":         func(c *lb.Config) { c.Process.StatsSocket = "/a\nglobal" },
		"log":            func(c *lb.Config) { c.Process.Log = "a\nglobal" },
		"key":            func(c *lb.Config) { c.Backends[1].Key = "a b" },
		"balance":        func(c *lb.Config) { c.Backends[1].Balance = "source\n server x 127.0.0.1:1" },
		"server":         func(c *lb.Config) { c.Backends[1].Members[0].Address.Host = "10.0.0.1 backup" },
		"bind":           func(c *lb.Config) { c.Frontends[0].Binds[0].Host = "/etc/x #" },
		"same key":       func(c *lb.Config) { c.Backends[0].Key = "live" },
		"health": func(c *lb.Config) {
			c.Backends[0].Health = &lb.Health{Method: "GET", URI: "/\n", Version: "HTTP/1.0"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := auditConfig()
			change(&config)
			out, err := template.Default().Render(config)
			var refused *lb.RefusedError
			if !errors.As(err, &refused) || refused.At != "render" {
				t.Errorf("got %v\n%s", err, out.Bytes)
			}
		})
	}
}
