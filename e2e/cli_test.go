package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"thalassa/client"
	"thalassa/internal/testkit"
)

// A shell is where an operator works: the program's environment there.
type shell struct {
	tb  testing.TB
	env []string
}

// shell of an operator of this node who shows the token; empty: none.
func (n *node) shell(token string) shell {
	return shell{tb: n.tb, env: []string{fmt.Sprintf("THALASSA_AGENT=127.0.0.1:%d", n.api), "THALASSA_TOKEN=" + token}}
}

func (s shell) command(ctx context.Context, args ...string) *exec.Cmd {
	s.tb.Helper()
	cmd := exec.CommandContext(ctx, build(s.tb), args...)
	cmd.Env = append(os.Environ(), s.env...)
	return cmd
}

// run runs a command to its end with something on standard input, and demands
// the exit code. Only a command that fails may say something on stderr.
func (s shell) run(code int, stdin string, args ...string) (stdout, stderr string) {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(s.tb.Context(), 2*patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := s.command(ctx, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if got := exitCode(cmd.Run()); got != code || (code == 0) != (errs.Len() == 0) {
		s.tb.Fatalf("%v: exit code %d, expected %d\nstdout: %s\nstderr: %s", args, got, code, &out, &errs)
	}
	return out.String(), errs.String()
}

// holds demands that text holds every part.
func holds(tb testing.TB, what, text string, parts ...string) {
	tb.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			tb.Errorf("%s: %q is missing in\n%s", what, p, text)
		}
	}
}

// words of the lines of a table, a blank between them.
func words(table string) string {
	var lines []string
	for line := range strings.Lines(table) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestOperatorAtTheCommandLine(t *testing.T) {
	n, consul := serving(t)
	s := n.shell("")

	status, _ := s.run(0, "", "status")
	holds(t, "status", words(status), ", test, up ", fmt.Sprintf("master %d, worker %v,", n.haproxyPID(), n.worker()), "shop 1.0.0 1 of 1 confirmed")
	if config, _ := s.run(0, "", "config"); config != n.config() {
		t.Errorf("config shows\n%s\nand the file is\n%s", config, n.config())
	}
	put, _ := s.run(0, `{"type": "static", "members": [{"host": "127.0.0.1", "port": 9}]}`, "backends", "put", "files", "-")
	holds(t, "put", put, "backend/files stored and in effect after ", "revision 3)")
	list, _ := s.run(0, "", "backends")
	holds(t, "backends", words(list), "files static - - http roundrobin 1", "live dynamic shop 1.0.0 http roundrobin 1")
	holds(t, "haproxy.cfg", n.config(), "backend files\n")

	n.undisturbed(func() {
		_, refusal := s.run(4, "", "deploy", "live", "1.1.0", "--wait", "50ms")
		holds(t, "deploy", refusal, "version 1.1.0", "1.0.0 (1 of 1 healthy)")
		bad := fmt.Sprintf(`{"bind": "127.0.0.1:%d", "backend": "live", "natives": ["no-such-keyword at all"]}`, testkit.Port(t))
		_, refusal = s.run(5, bad, "frontends", "put", "bad", "-")
		holds(t, "put", refusal, "thalassa: haproxy refused the configuration (check):\n", "no-such-keyword", n.path("haproxy.cfg"))
	})

	done := make(chan string, 1)
	go func() {
		out, err := s.command(t.Context(), "deploy", "live", "1.1.0", "--wait", "1m").CombinedOutput()
		done <- fmt.Sprint(string(out), exitCode(err))
	}()
	service(t, consul, "1.1.0", 1)
	holds(t, "deploy --wait", <-done, "backend/live is at shop 1.1.0 with 1 member and in effect after ", ")\n0")
	n.answers("1.1.0-0")
	events, _ := s.run(0, "", "activity", "--filter", "/live")
	holds(t, "activity", events, "backendSwitched", "(POST /backends/live by anonymous@127.0.0.1)  shop 1.0.0 → shop 1.1.0")

	n.signal(syscall.SIGTERM)
	_, gone := s.run(6, "", "status")
	holds(t, "status of an agent that is gone", gone, "asking the agent", "connection refused")
	n.answers("1.1.0-0")
}

// A reader that has seen enough, such as head, and Ctrl-C end the output.
func TestFollowingActivityEnds(t *testing.T) {
	n, _ := serving(t)
	for name, end := range map[string]func(cmd *exec.Cmd, out io.Closer) error{
		"Ctrl-C":             func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(os.Interrupt) },
		"the reader's end":   func(_ *exec.Cmd, out io.Closer) error { return out.Close() },
		"the terminal's end": func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(syscall.SIGHUP) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		cmd := n.shell("").command(ctx, "activity", "-f", "-n", "1")
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err == nil {
			_, err = out.Read(make([]byte, 1)) // it follows
		}
		if err = errors.Join(err, end(cmd, out)); err != nil {
			t.Fatalf("%s: %v %s", name, err, &errs)
		}
		n.call(200, "PUT", "/backends/other", `{"type":"static","members":[],"host":"`+strconv.Itoa(cmd.Process.Pid)+`.example"}`) // something to show
		err = cmd.Wait()
		if ctx.Err() != nil || errs.Len() > 0 || name != "the reader's end" && err != nil {
			t.Errorf("%s: %v (%v) %s", name, err, ctx.Err(), &errs)
		}
		cancel()
	}
}

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
		"haproxy-log": "", "haproxy-stats-bind": "", "service-reg": "127.0.0.1:1",
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
	testkit.Tool(t, "haproxy")
	good := readFile(t, "../template/default.haproxy.cfg.tmpl")
	b := newBench(t)
	all := []string{"settings", "tokens", "folders", "haproxy", "template", "consul"}
	for name, c := range map[string]struct {
		change map[string]string
		wrong  string // the step
		says   []string
	}{
		"nothing":          {},
		"consul's address": {map[string]string{"service-reg": "ftp://consul"}, "settings", []string{"ftp"}},
		"a certificate":    {map[string]string{"consul-ca-file": b.dir + "/none.pem"}, "settings", []string{"none.pem"}},
		"a token": {
			map[string]string{"token-file": b.write(t, "tokens", "# who may do what\nroot ann SECRET-SECRET-SECRET\n")},
			"tokens",
			[]string{"/tokens:2: the role is none of"},
		},
		"no tokens":     {map[string]string{"token-file": b.dir + "/none"}, "tokens", []string{"/none: no such file"}},
		"cfg folder":    {map[string]string{"haproxy-cfg-path": b.dir + "/none/haproxy.cfg", "template-file": ""}, "folders", []string{"haproxy-cfg-path: " + b.dir + "/none cannot be written to"}},
		"db folder":     {map[string]string{"db-path": b.write(t, "file", "") + "/db"}, "folders", []string{"db-path: " + b.dir + "/file/db cannot be written to"}},
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

func TestCheckOfAWholeInstallation(t *testing.T) {
	testkit.Tool(t, "haproxy")
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
	holds(t, "haproxy", found["haproxy"], "2.")
}

func readFile(tb testing.TB, path string) string {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

func TestRolesAndAuthors(t *testing.T) {
	const reader, deployer, boss = "reader-0123456789", "deployer-0123456789", "boss-0123456789ab"
	file := filepath.Join(t.TempDir(), "tokens")
	digest := sha256.Sum256([]byte(deployer))
	write := func(lines ...string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := []string{"read   rita  " + reader, "deploy devon sha256:" + hex.EncodeToString(digest[:]), "admin  ann   " + boss}
	write(lines...)
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address(), "--token-file", file)
	n.start()
	service(t, consul, "1.0.0", 1)
	service(t, consul, "1.1.0", 1)
	nobody, rita, devon, ann := n.shell(""), n.shell(reader), n.shell(deployer), n.shell(boss)

	const backend = `{"type": "dynamic", "name": "shop", "version": "1.0.0"}`
	ann.run(0, backend, "backends", "put", "live", "-")
	ann.run(0, fmt.Sprintf(`{"bind": "127.0.0.1:%d", "backend": "live"}`, n.web), "frontends", "put", "web", "-")
	n.answers("1.0.0-0")

	_, refusal := nobody.run(7, "", "status")
	holds(t, "without a token", refusal, "--token-file or THALASSA_TOKEN")
	_, refusal = n.shell("nobody-knows-this-one").run(7, "", "backends")
	holds(t, "with an unknown token", refusal, "not known")
	rita.run(0, "", "status")
	_, refusal = rita.run(7, "", "deploy", "live", "1.1.0")
	holds(t, "read", refusal, "rita", "deploy")
	_, refusal = devon.run(7, backend, "backends", "put", "live", "-")
	holds(t, "deploy", refusal, "devon", "admin")
	n.answers("1.0.0-0")
	devon.run(0, "", "deploy", "live", "1.1.0", "--wait", "30s")
	n.answers("1.1.0-0")

	c, err := client.New(client.Config{Address: fmt.Sprintf("127.0.0.1:%d", n.api), Token: reader})
	if err != nil {
		t.Fatal(err)
	}
	revisions, err := c.Revisions(t.Context(), 0, 0)
	var history []string
	for _, r := range revisions {
		history = append(history, fmt.Sprintf("%d %s %s", r.Number, r.Author, r.Cause))
	}
	if want := []string{"3 devon POST /backends/live", "2 ann PUT /frontends/web", "1 ann PUT /backends/live"}; err != nil || !slices.Equal(history, want) {
		t.Errorf("the history is %q (%v), expected %q", history, err, want)
	}
	events, _ := rita.run(0, "", "activity", "--filter", "devon")
	holds(t, "activity", events, "backend/live", "(POST /backends/live by devon)")
	if everything := events + n.log.String(); strings.Contains(everything, deployer) || strings.Contains(everything, boss) {
		t.Error("a token is in the activity or in the log")
	}

	write(lines[0], lines[2]) // devon has left
	testkit.Eventually(t, patience, func() error {
		err := devon.command(t.Context(), "status").Run()
		if code := exitCode(err); code != 7 {
			return fmt.Errorf("the revoked token gives exit code %d (%w)", code, err)
		}
		return nil
	})
	ann.run(0, "", "status")
}
