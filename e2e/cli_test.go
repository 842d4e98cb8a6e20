package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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
	n, consul := serving(t, 1)
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
	n, _ := serving(t, 1)
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
