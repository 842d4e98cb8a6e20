package pacemaker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
)

// A tool that fails on the running cluster may repeat a value of the CIB, or of a change
// that Pacemaker refuses, in any words.
func TestMessagesOnTheRunningClusterHaveNoSecrets(t *testing.T) {
	cib, err := os.ReadFile(filepath.Join("testdata", "canary.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cibadmin, stdin, says string
	}{
		"of the CIB":               {cibadmin: "exec cat cib.xml", says: "the agent said hunter22 to it"},
		"of the change":            {cibadmin: "echo '<cib/>'", stdin: `<diff><change><change-result><nvpair name="x" value="hunter22"/></change-result></change></diff>`, says: "no hunter22 here"},
		"as XML":                   {cibadmin: "exec cat cib.xml", says: `cannot use <nvpair id="x" name="login" value="hunter22"/>`},
		"the CIB cannot be read":   {cibadmin: "exit 102", says: "not connected, password=hunter22"},
		"the CIB is none":          {cibadmin: "echo '<cib'", says: "no such node, password=hunter22"},
		"the CIB takes its time":   {cibadmin: "exec sleep 60", says: "no such node, password=hunter22"},
		"nothing of it is secret":  {cibadmin: "exec cat cib.xml", says: "node n7 is unknown"},
		"a part of a longer value": {cibadmin: "exec cat cib.xml", says: "mount failed: option hunter22"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range map[string]string{
				"cib.xml":       strings.ReplaceAll(string(cib), "@@", "hunter22"),
				"cibadmin":      "#!/bin/sh\ncd " + dir + "\n" + c.cibadmin + "\n",
				"crm_attribute": "#!/bin/sh\necho '" + c.says + "' >&2\nexit 1\n",
			} {
				if err := testkit.WriteProgram(filepath.Join(dir, file), []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			tools := &tools{cfg: Config{Tools: dir, Timeout: time.Second}.withDefaults()}
			_, err := tools.run(t.Context(), call{tool: "crm_attribute", stdin: []byte(c.stdin)})
			if err == nil || strings.Contains(err.Error(), "hunter22") {
				t.Fatalf("%v", err)
			}
			if word, _, _ := strings.Cut(c.says, " "); !strings.Contains(err.Error(), word) {
				t.Errorf("the message is missing: %v", err)
			}
		})
	}
}

// Tools for whose results nobody waits leave the processors to others.
func TestToolsInTheBackground(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := "#!/bin/sh\nsleep 0.3\nexec nice\n"
	if err := testkit.WriteProgram(filepath.Join(dir, "crm_simulate"), []byte(script)); err != nil {
		t.Fatal(err)
	}
	tools := &tools{cfg: Config{Tools: dir}.withDefaults()}
	nicenessOf := func(ctx context.Context) string {
		out, err := tools.run(ctx, call{tool: "crm_simulate"})
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	nice := strconv.Itoa(backgroundNice)
	if got := nicenessOf(t.Context()); got == nice {
		t.Errorf("what somebody waits for has the niceness %s", got)
	}
	if got := nicenessOf(InBackground(t.Context())); got != nice {
		t.Errorf("in the background the niceness is %s", got)
	}
}

// What the ACLs of a user forbid is told as such; other refusals are about the agent.
func TestWhatACLsForbidIsAboutTheirUser(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := testkit.WriteProgram(filepath.Join(dir, "cibadmin"), []byte("#!/bin/sh\necho no >&2\nexit 4\n")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ user, option, want string }{{"ann", "--patch", "ann"}, {"ann", "-Q", ""}, {"", "--patch", ""}} {
		tools := &tools{cfg: Config{Tools: dir, user: c.user}.withDefaults()}
		_, err := tools.run(t.Context(), call{tool: "cibadmin", args: []string{c.option}, plain: true})
		e, ok := errors.AsType[*cluster.Error](err)
		if !ok || e.Kind != cluster.KindForbidden || e.User != c.want {
			t.Errorf("%s of %q: %v", c.option, c.user, err)
		}
	}
}
