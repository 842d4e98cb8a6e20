package natives_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"thalassa/api/node"
	"thalassa/lb"
	"thalassa/natives"
)

// A machine is a tree of files for a policy.
type machine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T) machine {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := machine{t, root}
	for _, dir := range []string{"etc/haproxy/maps", "etc/ssl/private", "etc/letsencrypt/live/a", "etc/letsencrypt/archive/a", "etc/thalassa", "var/lib/thalassa", "run/thalassa", "root"} {
		if err := os.MkdirAll(m.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{
		"etc/haproxy/maps/hosts", "etc/haproxy/haproxy.cfg", "etc/haproxy/.haproxy.cfg-12", "etc/haproxy/tokens", "etc/ssl/private/a.pem",
		"etc/letsencrypt/archive/a/a1.pem", "etc/thalassa/tokens", "var/lib/thalassa/thalassa.db", "root/secret",
	} {
		if err := os.WriteFile(m.path(file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m.link("../../archive/a/a1.pem", "etc/letsencrypt/live/a/a.pem")
	m.link("/"+strings.TrimPrefix(m.path("root"), "/"), "etc/haproxy/out")
	m.link("../../root/secret", "etc/haproxy/secret")
	m.link("maps/hosts", "etc/haproxy/hosts")
	m.link("../../root/later", "etc/haproxy/later")
	m.link("tokens", "etc/haproxy/alias")
	if err := os.Link(m.path("etc/thalassa/tokens"), m.path("etc/haproxy/hard")); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m machine) path(name string) string { return filepath.Join(m.root, name) }

func (m machine) link(target, name string) {
	m.t.Helper()
	if err := os.Symlink(target, m.path(name)); err != nil {
		m.t.Fatal(err)
	}
}

// policy of an agent on that machine.
func (m machine) policy() natives.Policy {
	return natives.Policy{
		Dirs:            []string{m.path("etc/haproxy"), m.path("usr/share/haproxy")},
		CertificateDirs: []string{m.path("etc/ssl"), m.path("etc/letsencrypt")},
		Own: []string{
			m.path("etc/haproxy/haproxy.cfg"), m.path("etc/haproxy/tokens"), m.path("etc/thalassa/tokens"), m.path("var/lib/thalassa"),
			m.path("run/thalassa/haproxy.sock"),
		},
	}
}

// refusal is what a policy says of a line, ROOT being the machine's.
func (m machine) refusal(p natives.Policy, line string) string {
	m.t.Helper()
	n, err := lb.ParseRawLine(strings.ReplaceAll(line, "ROOT", m.root))
	if err != nil {
		m.t.Fatal(err)
	}
	edit := lb.Edit{Frontend: &lb.Frontend{Key: "web", Natives: []lb.RawLine{"option httplog", n}}}
	refused, doubt := p.Check(edit)
	if backend, _ := p.Check(lb.Edit{Backend: &lb.Backend{Key: "web", Natives: edit.Frontend.Natives}}); (backend == nil) != (refused == nil) {
		m.t.Errorf("%s: a frontend is judged %v, a backend %v", line, refused, backend)
	}
	switch {
	case refused != nil:
		return strings.ReplaceAll(refused.Error(), m.root, "ROOT")
	case doubt != nil:
		return "doubt: " + doubt.Error()
	}
	return ""
}

func TestCheck(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	const outside, own = "is in none of the directories", "is the agent's own"
	for line, want := range map[string]string{
		"option forwardfor":                                    "",
		"acl x path -f ROOT/etc/haproxy/maps/hosts":            "",
		"acl x path -f ROOT/etc/haproxy/maps/../maps/hosts":    "",
		"acl x path -f ROOT/etc/haproxy/../haproxy/maps/hosts": "",
		"acl x path -f ROOT/etc/haproxy//./maps/hosts":         "",
		"acl x path -f ROOT/etc/haproxy/hosts":                 "",
		"acl x path -f ROOT/etc/haproxy/maps/not-yet":          "",
		"errorfile 503 ROOT/usr/share/haproxy/errors/503.http": "",
		"bind :443 ssl crt ROOT/etc/ssl/private/a.pem":         "",
		"bind :443 ssl crt ROOT/etc/letsencrypt/live/a/a.pem":  "",
		"bind :443 ssl crt ROOT/etc/ssl/private":               "",
		"bind :443 ssl crt ROOT/etc/haproxy/maps":              "",
		"server x a:443 ssl ca-file ROOT/etc/ssl/certs/ca.pem": "",
		"log /dev/log local0":                                  "",
		"log unix@/dev/log local0":                             "",
		"log 127.0.0.1:514 local0":                             "",

		"acl x path -f ROOT/root/secret":                             outside,
		"acl x path -f ROOT/etc/haproxy/../../root/secret":           outside,
		"acl x path -f ROOT/etc/haproxy/secret":                      `leads to "ROOT/root/secret", which ` + outside,
		"acl x path -f ROOT/etc/haproxy/out/secret":                  `leads to "ROOT/root/secret"`,
		"acl x path -f ROOT/etc/haproxy/out/new":                     `leads to "ROOT/root/new"`,
		"acl x path -f ROOT/etc/haproxy/out/../haproxy.cfg":          own, // by what it looks like; it is ROOT/haproxy.cfg
		"acl x path -f ROOT/etc/haproxy/later":                       "does not exist",
		"acl x path -f ROOT/etc/haproxy/no/../maps/hosts":            "does not exist",
		"acl x path -f ROOT/etc/haproxy-other/x":                     outside,
		"acl x path -f hosts":                                        "relative name",
		"acl x path -f ../root/secret":                               "relative name",
		"acl x path -f ROOT/etc/ssl/private/a.pem":                   outside,
		"bind :443 ssl crt-list ROOT/etc/ssl/private/a.pem":          outside,
		"http-request return file ROOT/etc/thalassa/tokens":          own,
		"http-request return file ROOT/etc/haproxy/tokens":           own,
		"http-request return file ROOT/etc/haproxy/tokens~":          own,
		"http-request return file ROOT/etc/haproxy/alias":            own,
		"http-request return file ROOT/etc/haproxy/hard":             own,
		"http-request return file ROOT/etc/haproxy/haproxy.cfg":      own,
		"http-request return file ROOT/etc/haproxy/.haproxy.cfg-12":  own,
		"http-request return file ROOT/etc/haproxy/haproxy.cfg.old":  own,
		"http-request return file ROOT/var/lib/thalassa/thalassa.db": own,
		"http-request return file ROOT/var/lib/thalassa/x":           own,
		"bind :443 ssl crt ROOT/etc/haproxy":                         "directory with files of the agent's own",
		"bind :443 ssl crt ROOT/etc/haproxy/":                        "directory with files of the agent's own",
		"server x unix@ROOT/x":                                       "no network address",
		"bind ROOT/x":                                                "no network address",
		"log ROOT/x local0":                                          "no network address",
		"bind /dev/log":                                              "no network address",
		"log stdout local0":                                          "no network address",
		"external-check command /bin/sh":                             "runs a program",
		"bind :80 mode 777":                                          "uses rights",
		`http-request set-header X "$CONSUL_HTTP_TOKEN"`:             `environment variable "CONSUL_HTTP_TOKEN"`,
		"http-request set-header X %[env(CONSUL_HTTP_TOKEN)]":        "environment variable",
		"acl x path -f ROOT/etc/haproxy/maps/hosts\\x00":             "zero byte",
		"newkeyword x": "doubt: ",
	} {
		got := m.refusal(m.policy(), line)
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s\n got %s\nwant %s", line, got, want)
		}
		if got != "" && !strings.Contains(got, "natives[1]: ") {
			t.Errorf("%s: %s does not name the line", line, got)
		}
	}
	const exact = `natives[1]: -f: the file "ROOT/root/secret" is in none of the directories for raw lines, expected a file in ROOT/etc/haproxy or ROOT/usr/share/haproxy (natives-dirs)`
	if got := m.refusal(m.policy(), "acl x path -f ROOT/root/secret"); got != exact {
		t.Errorf("got %s\nwant %s", got, exact)
	}
}

// TestCheckAny takes everything but the agent's own files.
func TestCheckAny(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	p := m.policy()
	p.Any = true
	for line, allowed := range map[string]bool{
		"acl x path -f ROOT/root/secret":                         true,
		"acl x path -f hosts":                                    true,
		"bind unix@ROOT/x mode 777":                              true,
		"external-check command /bin/true":                       true,
		`http-request set-header X "$HOME"`:                      true,
		"newkeyword x":                                           true,
		"http-request set-dst hdr_ip(x)":                         true,
		"server x 0.0.0.0":                                       true,
		"http-request return file ROOT/etc/thalassa/tokens":      false,
		"http-request return file ROOT/root/../etc/haproxy/hard": false,
		"bind unix@ROOT/run/thalassa/haproxy.sock":               false,
		"server x ROOT/run/thalassa/haproxy.sock":                false,
	} {
		if got := m.refusal(p, line); (got == "") != allowed {
			t.Errorf("%s: %q", line, got)
		}
	}
}

// TestCheckBalance judges the expression of an algorithm.
func TestCheckBalance(t *testing.T) {
	t.Parallel()
	b, err := node.ParseBackend("x", []byte(`{"type":"static","balance":"hash src,map_ip(tokens)"}`))
	if err != nil {
		t.Fatal(err)
	}
	if refused, _ := (natives.Policy{}).Check(lb.Edit{Backend: &b}); refused == nil || !strings.HasPrefix(refused.Error(), "balance: ") {
		t.Errorf("got %v", refused)
	}
	if refused, doubt := (natives.Policy{}).Check(lb.Edit{Delete: "backend/x"}); refused != nil || doubt != nil {
		t.Errorf("deleting: %v, %v", refused, doubt)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	in := lb.Intent{
		Frontends: map[lb.Name]lb.Frontend{"web": {Key: "web", Natives: []lb.RawLine{"option httplog", "bind unix@/x"}}},
		Backends:  map[lb.Name]lb.Backend{"b": {Key: "b", Natives: []lb.RawLine{"newkeyword"}}, "a": {Key: "a", Natives: []lb.RawLine{"option external-check"}}},
	}
	got := natives.Policy{}.Warnings(in)
	if len(got) != 3 || !strings.HasPrefix(got[0], "backend/a: natives[0]: ") || !strings.HasPrefix(got[1], "backend/b: natives[0]: ") ||
		!strings.HasPrefix(got[2], "frontend/web: natives[1]: ") || !strings.HasSuffix(got[2], "; it stays in effect until it is edited") {
		t.Errorf("got %q", got)
	}
}

// TestCheckAsStranger has an agent without rights on the way to a certificate: root
// alone writes there, so the name counts. Contents must be seen to be judged.
func TestCheckAsStranger(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	if err := os.Chmod(m.path("etc/letsencrypt/live"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(m.path("etc/haproxy/maps"), 0o700); err != nil {
		t.Fatal(err)
	}
	open := filepath.Dir(m.root)
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	done := make(chan map[string]string)
	go func() {
		runtime.LockOSThread() // and never given back: the thread ends with the goroutine
		for _, call := range []uintptr{syscall.SYS_SETRESGID, syscall.SYS_SETRESUID} {
			if _, _, errno := syscall.RawSyscall(call, 65534, 65534, 65534); errno != 0 {
				t.Error(errno)
			}
		}
		got := map[string]string{}
		for _, line := range []string{
			"bind :443 ssl crt ROOT/etc/letsencrypt/live/a/a.pem",
			"bind :443 ssl crt ROOT/etc/letsencrypt/live/a/../a/a.pem",
			"acl x path -f ROOT/etc/haproxy/maps/hosts",
		} {
			got[line] = m.refusal(m.policy(), line)
		}
		done <- got
	}()
	for line, got := range <-done {
		if allowed := strings.HasSuffix(line, "live/a/a.pem"); (got == "") != allowed {
			t.Errorf("%s: %q", line, got)
		}
	}
}
