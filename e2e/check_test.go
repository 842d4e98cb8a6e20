package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// A bench is what `thalassa check` is tried on: settings that are right, in a
// folder of their own.
type bench struct {
	dir      string
	settings map[string]string
}

func newBench(tb testing.TB) bench {
	tb.Helper()
	dir := tb.TempDir()
	b := bench{dir: dir, settings: map[string]string{
		"haproxy-cfg-path": dir + "/haproxy.cfg", "haproxy-socket-path": dir + "/s", "haproxy-pid-path": dir + "/p", "db-path": dir + "/made/later",
		"haproxy-log": "", "haproxy-stats-bind": "", "service-reg": "127.0.0.1:1", "haproxy-binary": testkit.HAProxy(tb), "port": "0",
	}}
	return b
}

// write makes a file in the folder and returns its path.
func (b bench) write(tb testing.TB, name, content string) string {
	tb.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// files in the folder.
func (b bench) files(tb testing.TB) []string {
	tb.Helper()
	list, err := filepath.Glob(b.dir + "/*")
	hidden, hiddenErr := filepath.Glob(b.dir + "/.*")
	if err := errors.Join(err, hiddenErr); err != nil {
		tb.Fatal(err)
	}
	return append(list, hidden...)
}

// check runs `thalassa check` and returns its lines by what they are about.
func (b bench) check(tb testing.TB, code int, change map[string]string) map[string]string {
	tb.Helper()
	settings := maps.Clone(b.settings)
	maps.Copy(settings, change)
	args := []string{"check"}
	for name, value := range settings {
		args = append(args, "--"+name+"="+value)
	}
	before := b.files(tb)
	cmd := shell{tb: tb}.command(tb.Context(), args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if got := exitCode(err); got != code || errs.Len() > 0 {
		tb.Fatalf("%v: exit code %d, expected %d\n%s\nstderr: %s", args, got, code, out, &errs)
	}
	if after := b.files(tb); !slices.Equal(after, before) {
		tb.Errorf("%v: the files were %v and are %v", args, before, after)
	}
	return steps(string(out))
}

// steps tells the report apart: a step begins at the line's beginning.
func steps(report string) map[string]string {
	found := map[string]string{}
	what := ""
	for line := range strings.Lines(report) {
		if fields := strings.Fields(line); line[0] != ' ' && len(fields) > 1 {
			what = fields[1]
		}
		found[what] += line
	}
	return found
}

func TestCheckFindsWhatIsWrongInEachStep(t *testing.T) {
	good := readFile(t, "../template/default.haproxy.cfg.tmpl")
	b := newBench(t)
	stranger := another(t)
	all := []string{"settings", "api", "tokens", "folders", "haproxy", "template", "consul"}
	for name, c := range map[string]struct {
		change map[string]string
		wrong  string // the step
		says   []string
	}{
		"nothing":          {},
		"consul's address": {map[string]string{"service-reg": "ftp://consul"}, "settings", []string{"ftp"}},
		"the port":         {map[string]string{"port": stranger}, "api", []string{"127.0.0.1:" + stranger + " is taken by another program"}},
		"the address":      {map[string]string{"host": "192.0.2.1", "insecure-no-auth": "true"}, "api", []string{"192.0.2.1:0", "cannot assign requested address"}},
		"a certificate":    {map[string]string{"consul-ca-file": b.dir + "/none.pem"}, "settings", []string{"none.pem"}},
		"a token": {
			map[string]string{"token-file": b.write(t, "tokens", "# who may do what\nroot ann SECRET-SECRET-SECRET\n")},
			"tokens",
			[]string{"/tokens:2: the role is not one of"},
		},
		"no tokens":     {map[string]string{"token-file": b.dir + "/none"}, "tokens", []string{"/none: no such file"}},
		"cfg folder":    {map[string]string{"haproxy-cfg-path": b.dir + "/none/haproxy.cfg", "template-file": ""}, "folders", []string{"haproxy-cfg-path: " + b.dir + "/none cannot be written to: no such file or directory\n"}},
		"db folder":     {map[string]string{"db-path": b.write(t, "file", "") + "/db"}, "folders", []string{"db-path: " + b.dir + "/file/db cannot be written to: not a directory\n"}},
		"copy's folder": {map[string]string{"persistence": b.dir + "/none/thalassa.json"}, "folders", []string{"persistence: " + b.dir + "/none cannot be written to"}},
		"haproxy":       {map[string]string{"haproxy-binary": "/no/haproxy"}, "haproxy", []string{"/no/haproxy"}},
		"syntax":        {map[string]string{"template-file": b.write(t, "1.tmpl", "global\n\n{{range .Frontends}\n")}, "template", []string{"/1.tmpl:3"}},
		"a section":     {map[string]string{"template-file": b.write(t, "2.tmpl", good+"\n{{range .Backends}}backend {{.Key}}-twin\n{{end}}")}, "template", []string{"-twin"}},
		"a keyword":     {map[string]string{"template-file": b.write(t, "3.tmpl", good+"\nbackend extra\n    no-such-keyword\n")}, "template", []string{b.dir + "/haproxy.cfg:", "no-such-keyword"}},
		"the copy":      {map[string]string{"persistence": b.write(t, "copy.json", `{"version":1,"backends":[{"key":"b","type":"solid"}]}`)}, "template", []string{"copy.json", `"solid"`}},
	} {
		t.Run(name, func(t *testing.T) {
			code := 0
			if c.wrong != "" {
				code = 1
			}
			found := b.check(t, code, c.change)
			for _, step := range all {
				begins := "ok "
				switch {
				case step == c.wrong:
					begins = "FAIL "
				case step == "consul": // away, which is no reason not to start
					begins = "warn "
				case name == "haproxy" && step == "template", name == "cfg folder" && step == "template":
					continue // needs both
				}
				if !strings.HasPrefix(found[step], begins) {
					t.Errorf("%s begins with %q, expected %q", step, found[step], begins)
				}
			}
			holds(t, c.wrong, found[c.wrong], c.says...)
			if strings.Contains(fmt.Sprint(found), "SECRET") {
				t.Errorf("a token is shown: %v", found)
			}
		})
	}
}

// another is the port of a program that is neither an agent nor Consul.
func another(tb testing.TB) string {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<html>\n<p>Not here</p>\n</html>", http.StatusNotFound)
	}))
	tb.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	return port
}

func TestCheckSaysWhoElseIsThere(t *testing.T) {
	b := newBench(t)
	found := b.check(t, 0, map[string]string{"service-reg": "127.0.0.1:" + another(t)})
	holds(t, "consul", found["consul"], "warn  consul     asking consul: Unexpected response code: 404 (<html> <p>Not here</p> </html>)\n")

	n := newNode(t, "127.0.0.1:1")
	n.start()
	found = b.check(t, 0, map[string]string{"port": strconv.Itoa(n.api)})
	holds(t, "api", found["api"], fmt.Sprintf("ok    api        an agent answers on 127.0.0.1:%d\n", n.api))
}

func TestCheckOfAWholeInstallation(t *testing.T) {
	b := newBench(t)
	found := b.check(t, 0, map[string]string{
		"service-reg":   testkit.Consul(t).Address(),
		"template-file": b.write(t, "haproxy.tmpl", "# mine\n"+readFile(t, "../template/default.haproxy.cfg.tmpl")),
		"token-file":    b.write(t, "tokens", "admin ann 0123456789abcdef\n"),
		"persistence": b.write(t, "thalassa.json", `{"version":1,
			"frontends":[{"key":"web","bind":"127.0.0.1:65000","backend":"live"}],
			"backends":[{"key":"live","type":"dynamic","name":"shop","version":"1.0.0"}]}`),
	})
	for step, line := range found {
		if !strings.HasPrefix(line, "ok ") {
			t.Errorf("%s: %s", step, line)
		}
	}
	holds(t, "template", found["template"], "/haproxy.tmpl, accepted by haproxy with "+b.dir+"/thalassa.json")
	holds(t, "consul", found["consul"], "its leader is")
	holds(t, "haproxy", found["haproxy"], testkit.HAProxies(t)[0].Version)
}

// Consul's community edition has no namespaces, and answers every query with 400.
func TestCheckMakesTheAgentsQueries(t *testing.T) {
	b := newBench(t)
	consul := testkit.Consul(t).Address()
	for setting, value := range map[string]string{"consul-namespace": "x", "consul-partition": "x"} {
		found := b.check(t, 1, map[string]string{"service-reg": consul, setting: value})
		holds(t, setting, found["queries"], "FAIL  queries")
	}
}

func readFile(tb testing.TB, path string) string {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}
