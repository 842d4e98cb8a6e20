package e2e_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// shellProgram is what a reader's terminal does. It sources the files of the steps
// whose names it reads, so that they share a working directory and variables. The
// answer is "done STEP", after a line for each command that failed. A step that begins
// with "make demo" runs in the background, after the one of an earlier page has ended.
const shellProgram = `
ip link set lo up
set -m -E -o pipefail
exec 3>&1
demo=
while read -r step; do
	text=$(cat "$steps/$step")
	if [ "${text#make demo}" != "$text" ]; then
		[ -z "$demo" ] || { kill -INT -- "-$demo"; wait "$demo"; } 2>/dev/null
		eval "exec $text" >"$steps/$step.out" 2>&1 </dev/null &
		demo=$!
	else
		trap 'printf "failed %s: %s\n" "$?" "${BASH_COMMAND//$'"'\\n'"'/ }" >&3' ERR
		. "$steps/$step" </dev/null >"$steps/$step.out" 2>&1
	fi
	echo "done $step"
done
`

// A terminal is a shell in a copy of the source, in a network of its own, so that
// every port of the pages is free. It ends with the test, and what it started too.
type terminal struct {
	tb      testing.TB
	steps   string // folder of the steps and their output
	input   io.Writer
	answers chan string
}

func newTerminal(tb testing.TB) *terminal {
	tb.Helper()
	if os.Geteuid() != 0 {
		testkit.Missing(tb, "a network of its own needs root")
	}
	for _, tool := range []string{"unshare", "ip", "make", "curl", "bash", "git"} {
		testkit.Tool(tb, tool)
	}
	testkit.ConsulBinary(tb)
	dir := testkit.SocketDir(tb)
	source, bin := filepath.Join(dir, "src"), filepath.Join(dir, "bin")
	m := &terminal{tb: tb, steps: filepath.Join(dir, "steps"), answers: make(chan string)}
	for _, folder := range []string{source, bin, m.steps, filepath.Join(dir, "home"), filepath.Join(dir, "tmp")} {
		if err := os.Mkdir(folder, 0o755); err != nil { //nolint:gosec // HAProxy's workers enter it
			tb.Fatal(err)
		}
	}
	copySource(tb, source)
	curl, err := exec.LookPath("curl")
	if err != nil {
		tb.Fatal(err)
	}
	script := "#!/bin/sh\nexec " + curl + ` --max-time 60 --write-out '%{stderr}\nHTTP status: %{http_code}\n' "$@"` + "\n"
	if err := testkit.WriteProgram(filepath.Join(bin, "curl"), []byte(script)); err != nil {
		tb.Fatal(err)
	}
	if err := os.Symlink(testkit.HAProxy(tb), filepath.Join(bin, "haproxy")); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", shellProgram)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "steps="+m.steps, "TMPDIR="+filepath.Join(dir, "tmp"))
	m.start(cmd)
	return m
}

func (m *terminal) start(cmd *exec.Cmd) {
	input, err := cmd.StdinPipe()
	if err != nil {
		m.tb.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		m.tb.Fatal(err)
	}
	cmd.Stderr = m.tb.Output()
	if err := cmd.Start(); err != nil {
		m.tb.Fatal(err)
	}
	go func() {
		defer close(m.answers)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			m.answers <- lines.Text()
		}
	}()
	m.input = input
	m.tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range m.answers {
		}
		_ = cmd.Wait()
	})
}

// copySource copies what a clone of the repository would have, with what is not
// committed yet.
func copySource(tb testing.TB, to string) {
	tb.Helper()
	const script = `git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c 'for f; do [ ! -f "$f" ] || printf "%s\0" "$f"; done' sh | xargs -0 cp --parents --no-dereference --target-directory "$1"`
	cmd := exec.Command("sh", "-ec", script, "copy", to)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("copying the source: %v: %s", err, out)
	}
}

// run runs a step and returns its output and a line for each command that failed.
func (m *terminal) run(step, commands string) (output string, failed []string) {
	m.tb.Helper()
	path := filepath.Join(m.steps, step)
	if !strings.HasPrefix(commands, demoCommand) {
		commands += "trap - ERR\n"
	}
	if err := errors.Join(os.WriteFile(path, []byte(commands), 0o600), os.WriteFile(path+".out", nil, 0o600)); err != nil {
		m.tb.Fatal(err)
	}
	if _, err := fmt.Fprintln(m.input, step); err != nil {
		m.tb.Fatal(err)
	}
	limit := time.After(2 * time.Minute)
	for {
		select {
		case line, open := <-m.answers:
			if !open {
				m.tb.Fatalf("the shell has ended in step %s", step)
			}
			if line == "done "+step {
				return m.output(step), failed
			}
			failed = append(failed, line)
		case <-limit:
			m.tb.Fatalf("step %s has not ended: %s", step, m.output(step))
		}
	}
}

func (m *terminal) output(step string) string {
	data, err := os.ReadFile(filepath.Join(m.steps, step+".out"))
	if err != nil {
		m.tb.Fatal(err)
	}
	return string(data)
}

// demoCommand begins the block that starts the demo.
const demoCommand = "make demo"

var httpStatus = regexp.MustCompile(`(?m)^HTTP status: (\d+)\n`)

// perform runs a block and reports what does not go as the page says. next is the
// block that follows, which may show an answer. The output is without the statuses.
func (m *terminal) perform(path string, b, next block) string {
	m.tb.Helper()
	at := fmt.Sprintf("%s:%d", path, b.line)
	step := strings.NewReplacer("/", "-", ":", "-").Replace(at)
	m.tb.Logf("%s: %s", at, b.text)
	if strings.HasPrefix(b.text, demoCommand) {
		m.run(step, b.text)
		testkit.Eventually(m.tb, 2*patience, func() error {
			if out := m.output(step); !strings.Contains(out, "Activity:") {
				return fmt.Errorf("%s: no demo yet: %s", at, out)
			}
			return nil
		})
		return ""
	}
	// A minute is too long for a test.
	output, failed := m.run(step, strings.ReplaceAll(strings.ReplaceAll(b.text, "--every 5s", "--every 1s"), "--every 1m", "--every 1s"))
	if code, expected := strings.CutPrefix(b.info, "exit "); expected {
		if len(failed) != 1 || !strings.HasPrefix(failed[0], "failed "+code+": ") {
			m.tb.Errorf("%s: failed commands are %q, expected one with exit code %s: %s", at, failed, code, output)
		}
	} else if len(failed) > 0 {
		m.tb.Errorf("%s: %q:\n%s", at, failed, output)
	}
	statuses := httpStatus.FindAllStringSubmatch(output, -1)
	for i, s := range statuses {
		want := regexp.MustCompile("^2..$")
		if i == len(statuses)-1 && next.language == "json" && next.info != "" {
			want = regexp.MustCompile("^" + next.info + "$")
		}
		if !want.MatchString(s[1]) {
			m.tb.Errorf("%s: answer %d has the status %s, expected %s:\n%s", at, i+1, s[1], want, output)
		}
	}
	return httpStatus.ReplaceAllString(output, "")
}

// outputs are texts that the commands of a page print, in this order.
var outputs = map[string][]string{
	"README.md": {
		"demo 1.0.0, instance ", `"path":"runtime"`, "demo 1.1.0, instance ", `"code":"conflict"`,
		"backend/live is at demo 1.0.0", "backend/live is at demo 1.1.0", "3 of 3",
		`"applied":true`, `"applied":true`, "demo 1.1.0, instance ",
	},
	"docs/getting-started.md": {
		"demo 1.0.0, instance ", "demo 1.1.0, instance ",
		"3 of 3", "backend/live is at demo 1.1.0", "demo 1.1.0, instance ", "backend/live is at demo 1.0.0",
		"backend/live is at demo 1.0.0=90,1.1.0=10", "backend/live is at demo 1.0.0",
		"going back: version 1.2.0 broke 5xx>1%", "backend/live was rolled back to demo 1.0.0", "back at 10%", "canaryWentBack",
		"backend/next stored and in effect", "frontend/next stored and in effect", "demo 1.1.0, instance ",
		"backend/next stored, nothing had to change", "frontend/next deleted", "backend/next deleted",
		"configurationChanged", "\nfrontend web\n", "live",
	},
}

// What the pages tell a reader to run works as written, in order, against the demo.
func TestCommandsOfThePagesWork(t *testing.T) {
	m := newTerminal(t)
	for _, p := range pages(t) {
		t.Run(p.path, func(t *testing.T) {
			m.tb = t
			var all strings.Builder
			for i, b := range p.blocks {
				if b.language != "sh" || b.notRun != "" {
					continue
				}
				var next block
				if i+1 < len(p.blocks) {
					next = p.blocks[i+1]
				}
				all.WriteString(m.perform(p.path, b, next))
			}
			rest := all.String()
			for _, want := range outputs[p.path] {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%q is missing, or not in order:\n%s", want, all.String())
				}
				rest = after
			}
		})
	}
}
