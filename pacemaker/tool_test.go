package pacemaker_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/pacemaker"
)

// tools are fake tools: shell scripts by their names.
func tools(tb testing.TB, scripts map[string]string) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, script := range scripts {
		if err := testkit.WriteProgram(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n")); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// Each exit code of Pacemaker's has its meaning, and what a tool prints about a
// refused CIB never gets out.
func TestExitCodesHaveMeanings(t *testing.T) {
	for code, want := range map[int]cluster.ErrorKind{
		1: cluster.KindFailed, 4: cluster.KindForbidden, 5: cluster.KindNotInstalled, 6: cluster.KindNotFound, 64: cluster.KindUsage,
		65: cluster.KindInvalid, 70: cluster.KindCrashed, 77: cluster.KindForbidden, 78: cluster.KindInvalid, 102: cluster.KindNotConnected,
		103: cluster.KindStale, 105: cluster.KindNotFound, 106: cluster.KindNoQuorum, 107: cluster.KindUnsafe, 108: cluster.KindExists,
		124: cluster.KindTimedOut, 200: cluster.KindFailed,
	} {
		script := fmt.Sprintf(`echo '<cib><nvpair name="passwd" value="secret"/></cib>'; echo 'cibadmin: what it says' >&2; exit %d`, code)
		c := pacemaker.New(pacemaker.Config{Tools: tools(t, map[string]string{"cibadmin": script})})
		_, err := c.Query(t.Context())
		if !cluster.IsKind(err, want) {
			t.Errorf("%d: %v, expected %s", code, err, want)
			continue
		}
		if text := err.Error(); !strings.Contains(text, want.Meaning()) || !strings.Contains(text, "what it says") || strings.Contains(text, "secret") {
			t.Errorf("%d: %s", code, text)
		}
	}
}

func TestToolThatDoesNotEnd(t *testing.T) {
	c := pacemaker.New(pacemaker.Config{Tools: tools(t, map[string]string{"cibadmin": "exec sleep 600"}), Timeout: 50 * time.Millisecond})
	if _, err := c.Query(t.Context()); !cluster.IsKind(err, cluster.KindTimedOut) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Query(ctx); err == nil || cluster.IsKind(err, cluster.KindTimedOut) {
		t.Errorf("a call that was given up: %v", err)
	}
}

func TestToolThatCrashes(t *testing.T) {
	c := pacemaker.New(pacemaker.Config{Tools: tools(t, map[string]string{"cibadmin": "kill -SEGV $$"})})
	if _, err := c.Query(t.Context()); !cluster.IsKind(err, cluster.KindCrashed) {
		t.Errorf("%v", err)
	}
}

func TestToolThatIsNotThere(t *testing.T) {
	c := pacemaker.New(pacemaker.Config{Tools: t.TempDir()})
	if _, err := c.Query(t.Context()); !cluster.IsKind(err, cluster.KindNotInstalled) || c.Installed() {
		t.Errorf("%v, installed: %t", err, c.Installed())
	}
}

func TestToolsGetNoShellAndFewVariables(t *testing.T) {
	t.Setenv("CIB_user", "somebody") // would change whose rights count
	script := `echo "$#|$*|$CIB_user|$LC_ALL|$TZ" >"$(dirname "$0")/called"; exit 105`
	dir := tools(t, map[string]string{"cibadmin": "exit 105", "corosync-cmapctl": script})
	c := pacemaker.New(pacemaker.Config{Tools: dir})
	_, _ = pacemaker.TotemIn(t.Context(), c)
	if got, err := os.ReadFile(filepath.Join(dir, "called")); err != nil || string(got) != "0|||C|UTC\n" {
		t.Errorf("called with %q, %v", got, err)
	}
}

func TestNonsenseInsteadOfACIB(t *testing.T) {
	for _, answer := range []string{"", "<cib", "<pacemaker-result/>", `<cib epoch="x" admin_epoch="0" num_updates="0"/>`, "<a/><b/>", strings.Repeat("<a>", 200) + strings.Repeat("</a>", 200)} {
		c := pacemaker.New(pacemaker.Config{Tools: tools(t, map[string]string{"cibadmin": "cat <<'END'\n" + answer + "\nEND"})})
		if cib, err := c.Query(t.Context()); err == nil {
			t.Errorf("%.40q is taken for %s", answer, cib.Epoch)
		}
	}
}
