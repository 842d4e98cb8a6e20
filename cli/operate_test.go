package cli_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	nodeapi "thalassa/api/node"
	"thalassa/cli"
	"thalassa/lb"
)

// upSince hides how long the node has been up, and keeps the line.
func upSince(out string) string {
	return regexp.MustCompile(`up \S+`).ReplaceAllString(out, "up TIME")
}

func TestTables(t *testing.T) {
	s := shop(t)
	s.Discover("blog") // no backend names it
	s.does(`BACKEND  TYPE     SERVICE  VERSION  MODE  BALANCE     MEMBERS
files    static   -        -        http  leastconn   1
live     dynamic  shop     1.0.0    http  roundrobin  2
`, "backends")
	s.does(`FRONTEND  BIND             MODE  BACKEND  RULES
www       *:80,[::1]:8080  http  live     1
`, "frontends", "-o", "table")
	r := s.run("status")
	if want := `agent     thalassa 1.2.3, edge, up TIME
haproxy   2.6.12, master 100, worker 101, 0 reloads, 0 old workers
revision  3, in effect 3

SERVICE  VERSION  HEALTHY  CONSUL
blog     -        0 of 0   confirmed
shop     1.0.0    2 of 2   confirmed
shop     2.0.0    1 of 1   confirmed
`; r.code != cli.ExitOK || upSince(r.out) != want {
		t.Errorf("exit code %d %s, got\n%s\nwant\n%s", r.code, r.errors, upSince(r.out), want)
	}
	s.does("frontend www\nbackend files\n  server 10.10.10.10:8080 10.10.10.10:8080\nbackend live\n  server 10.1.0.1:8080 10.1.0.1:8080\n  server 10.1.0.2:8080 10.1.0.2:8080\n", "config")
}

func TestAccept(t *testing.T) {
	s := shop(t)
	s.fails(cli.ExitConflict, "no instances are held", "accept", "shop")
	s.fails(cli.ExitNotFound, "service/none does not exist", "accept", "none")
	s.Hold("shop")
	if r := s.run("status"); r.code != cli.ExitOK || !strings.Contains(r.out, "2 of 2   held: 3 of 3 instances disappeared at once: nothing shows that consul lets the agent read its catalog\n") {
		t.Errorf("%+v", r)
	}
	s.does("service/shop follows Consul again, with 0 instances\n", "accept", "shop")
	s.Hold("shop")
	sameJSON(t, "accept", s.run("accept", "shop", "-o", "json").out, string(s.answered()))
}

func TestChangesTellWhatBecameOfThem(t *testing.T) {
	s := shop(t)
	file := filepath.Join(t.TempDir(), "b-1.json")
	if err := os.WriteFile(file, []byte(`{"type":"static","members":[{"host":"10.4.0.1","port":80}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	const how = " and in effect after 2 ms (reload, revision "
	s.does("backend/b stored"+how+"4)\n", "backends", "put", "b", file)
	s.does("backend/b stored, nothing had to change (revision 4)\n", "backends", "put", "b", file)
	s.does("backend/b deleted"+how+"5)\n", "backends", "delete", "b")
	s.does("backend/live is at shop 2.0.0 with 1 member"+how+"6)\n", "deploy", "live", "2.0.0")
	s.does("backend/live is at shop 1.0.0 with 2 members"+how+"7)\n", "deploy", "live", "1.0.0", "--wait", "1s")
	s.does("backend/live is at shop 9 with 0 members"+how+"8)\n"+
		"warning: backend/live has no member: version 9 of service shop has no healthy instance; Consul knows 1.0.0 (2 of 2 healthy), 2.0.0 (1 of 1 healthy)\n", "deploy", "live", "9", "--force")
	s.Discover("toys", "10.3.0.1:80 1")
	s.does("backend/live is at toys 1 with 1 member"+how+"9)\n", "deploy", "live", "1", "--service", "toys")
	s.does("frontend/www deleted"+how+"10)\n", "frontends", "delete", "www")
}

// What a command shows as JSON is what the API answered to it.
func TestJSONIsTheAPIs(t *testing.T) {
	s := shop(t)
	const frontend = `{"bind":"127.0.0.1:81","backend":"live","keepalive":"close","rules":[{"type":"header","header":"host","operation":"hdr","value":"a b","backend":"files"}]}`
	for _, c := range []struct{ stdin, command string }{
		{"", "status -o json"},
		{"", "backends -o json"},
		{"", "backends get live"},
		{"", "backends get files -o table"}, // an object has no table
		{"", "frontends --output=json"},
		{"", "frontends get www -o json"},
		{frontend, "frontends put new - -o json"},
		{`{"type":"static","members":[{"host":"::1","port":1}],"health":{"method":"HEAD","interval":500}}`, "backends put new - -o json"},
		{"", "deploy live 2.0.0 -o json"},
		{"", "frontends delete new -o json"},
		{"", "backends delete new -o json"},
	} {
		r := s.runWith(c.stdin, strings.Fields(c.command)...)
		if r.code != cli.ExitOK {
			t.Errorf("%s: exit code %d %s", c.command, r.code, r.errors)
		}
		sameJSON(t, c.command, r.out, string(s.answered()))
	}
	r := s.run("activity", "-o", "json", "-n", "2")
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if len(lines) != 2 {
		t.Fatalf("two events are %d lines: %s", len(lines), r.out)
	}
	sameJSON(t, "activity", "["+strings.Join(lines, ",")+"]", string(s.answered()))
}

// What get shows can be put back, and is the same then.
func TestWhatGetShowsCanBePut(t *testing.T) {
	s := shop(t)
	for _, kind := range []string{"backends", "frontends"} {
		key := map[string]string{"backends": "files", "frontends": "www"}[kind]
		shown := s.run(kind, "get", key).out
		r := s.runWith(shown, kind, "put", key, "-")
		if r.code != cli.ExitOK || !strings.Contains(r.out, "nothing had to change") {
			t.Errorf("%s %s: %+v", kind, key, r)
		}
	}
}

// docs/cli.md is the contract.
func TestExitCodes(t *testing.T) {
	s := shop(t)
	// 1: what is named nowhere else.
	s.Fail(errors.New("the disk is on fire"))
	s.fails(cli.ExitFailure, "incident", "status")
	s.Fail(nil)
	// 2: input.
	s.failsWith(`{"type":"dynamic","mode":"udp"}`, cli.ExitUsage, "3 fields are wrong:\n  ", "backends", "put", "b", "-")
	s.failsWith(`{"type":"dynamic","name":"shop","version":"1 2"}`, cli.ExitUsage, "version: ", "backends", "put", "b", "-")
	s.failsWith(`"`+strings.Repeat("x", 2<<20)+`"`, cli.ExitUsage, "larger than", "backends", "put", "b", "-")
	s.fails(cli.ExitUsage, "key: ", "backends", "get", "a/b")
	s.fails(cli.ExitUsage, "wait: ", "deploy", "live", "2.0.0", "--wait", "11m")
	// 3
	s.fails(cli.ExitNotFound, "backend/none does not exist", "backends", "get", "none")
	s.fails(cli.ExitNotFound, "frontend/none does not exist", "frontends", "delete", "none")
	s.fails(cli.ExitNotFound, "backend/none does not exist", "deploy", "none", "1")
	// 4
	s.fails(cli.ExitConflict, "version 3.0.0 of service shop has no healthy instance", "deploy", "live", "3.0.0", "--wait", "10ms")
	s.fails(cli.ExitConflict, "frontend/www", "backends", "delete", "live")
	s.fails(cli.ExitConflict, "static", "deploy", "files", "1")
	// 5
	s.Fail(&lb.RefusedError{At: "check", Output: "[ALERT] parsing [haproxy.cfg:7] : unknown keyword 'x'\n[ALERT] Fatal errors found"})
	s.fails(cli.ExitRefused, "thalassa: haproxy refused the configuration (check):\n[ALERT] parsing [haproxy.cfg:7] : unknown keyword 'x'\n[ALERT] Fatal errors found\n",
		"deploy", "live", "2.0.0")
	// 6: nobody is there, or cannot answer now.
	s.Fail(&lb.UnavailableError{What: "not now"})
	s.fails(cli.ExitUnavailable, "not now", "backends")
	s.Fail(nil)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	s.fails(cli.ExitUnavailable, "asking the agent", "status", "--agent", closed.URL)
	stranger := httptest.NewServer(http.NotFoundHandler())
	defer stranger.Close()
	s.fails(cli.ExitUnavailable, "404 Not Found: this is not a Thalassa agent", "backends", "get", "live", "--agent", stranger.URL)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }))
	defer page.Close()
	s.fails(cli.ExitUnavailable, "/status answers no JSON: this is not a Thalassa agent", "status", "--agent", page.URL)
	s.fails(cli.ExitUnavailable, "/haproxy/config answers no text: this is not a Thalassa agent", "config", "--agent", page.URL)
}

// A change that waits for HAProxy is told on both streams: what was stored, and
// that it is not in effect.
func TestStoredAndNotInEffect(t *testing.T) {
	s := shop(t)
	s.SetDown(true)
	r := s.run("deploy", "live", "2.0.0")
	if r.code != cli.ExitUnavailable || r.out != "backend/live is at shop 2.0.0 with 1 member as revision 4\n" ||
		r.errors != "thalassa: stored, but not yet in effect: HAProxy is not running\n" {
		t.Errorf("%+v", r)
	}
	r = s.run("status")
	if r.code != cli.ExitUnavailable || !strings.Contains(r.out, "haproxy   not running\n") || !strings.Contains(r.out, "problem   HAProxy is not running\n") ||
		r.errors != "thalassa: HAProxy does not run the requested configuration: HAProxy is not running\n" {
		t.Errorf("%+v", r)
	}
	var shown nodeapi.Status
	if err := json.Unmarshal([]byte(s.run("status", "-o", "json").out), &shown); err != nil || shown.HAProxy.Running {
		t.Errorf("%+v, %v", shown, err)
	}
}

func TestDocuments(t *testing.T) {
	s := open(t)
	dir := t.TempDir()
	bad := filepath.Join(dir, "my-file.json")
	if err := os.WriteFile(bad, []byte("{\n \"type\": \"static\",\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.fails(cli.ExitUsage, bad+":3: invalid character '}'", "backends", "put", "b", bad)
	s.fails(cli.ExitUsage, "no such file", "backends", "put", "b", filepath.Join(dir, "none"))
	s.fails(cli.ExitUsage, "is a directory", "backends", "put", "b", dir)
	s.fails(cli.ExitUsage, "standard input is empty", "frontends", "put", "f", "-")
	s.failsWith(`{} {}`, cli.ExitUsage, "standard input:1: ", "frontends", "put", "f", "-")
	s.failsWith(`[]`, cli.ExitUsage, "", "frontends", "put", "f", "-")
	if s.answered() == nil {
		t.Error("no document came to the API")
	}
}

func TestBackendsWithoutMembers(t *testing.T) {
	s := shop(t)
	const document = `{"type":"dynamic","name":"shop","version":"9"}`
	s.failsWith(document, cli.ExitConflict, "version 9 of service shop has no healthy instance", "backends", "put", "live", "-")
	s.failsWith(document, cli.ExitConflict, "has no healthy instance after 10ms", "backends", "put", "live", "-", "--wait", "10ms")
	const warning = "warning: backend/live has no member: version 9 of service shop has no healthy instance"
	if r := s.runWith(document, "backends", "put", "live", "-", "--force"); r.code != cli.ExitOK || !strings.Contains(r.out, warning) {
		t.Errorf("%+v", r)
	}
	r := s.execute("", "status")
	if r.code != cli.ExitUnavailable || !strings.Contains(r.errors, "backends without members: backend/live") || !strings.Contains(r.out, "empty     backend/live has no member") {
		t.Errorf("%+v", r)
	}
}

func TestReload(t *testing.T) {
	s := shop(t)
	s.does("haproxy reloaded after 2 ms, worker 101 serves\n", "reload")
	sameJSON(t, "reload", s.run("reload", "-o", "json").out, string(s.answered()))
}
