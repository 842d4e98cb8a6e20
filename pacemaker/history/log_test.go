package history_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/pacemaker"
	"thalassa/pacemaker/history"
)

// Pacemaker logs a change before its scheduler runs, and a secret may be there for a moment only: it is
// masked if any version of the configuration has it, from the one before an interval to the one after.
func TestSecretsOfAMomentAreMasked(t *testing.T) {
	a := open(t, t.TempDir(), history.Bounds{})
	secrets := []string{"first-of-all", "for-a-moment", "not-yet-there"}
	for i, s := range secrets {
		text := bytes.ReplaceAll(input(noon.Add(time.Duration(i)*10*time.Second), i+1, false, "0s"), []byte(secret), []byte(s))
		add(t, a, fmt.Sprintf("pe-input-%d.bz2", i), text)
	}
	p := history.Past{Archive: a, Elsewhere: &history.Elsewhere{Lines: func(context.Context, time.Time, time.Time) ([]cluster.LogLine, []cluster.LogSource, bool) {
		var lines []cluster.LogLine
		for _, s := range secrets {
			lines = append(lines, cluster.LogLine{Time: noon.Add(9 * time.Second), Source: "pacemaker.log", Text: "++ value=" + s})
		}
		return lines, nil, false
	}}}
	for _, to := range []time.Duration{9 * time.Second, 12 * time.Second, 30 * time.Second} {
		log := p.Log(t.Context(), noon.Add(5*time.Second), noon.Add(to), 100)
		hidden := secrets
		if to < 10*time.Second {
			hidden = secrets[:2] // the third came later
		}
		var all strings.Builder
		for _, l := range log.Lines {
			all.WriteString(l.Text + "\n")
		}
		text := all.String()
		for _, s := range hidden {
			if strings.Contains(text, s) {
				t.Errorf("until %s: %s", to, text)
			}
		}
	}
}

// journalWith are tools whose journal has a line with a text at a time.
func journalWith(t *testing.T, at time.Time, text string) pacemaker.Config {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\ncat <<'EOF'\n{\"__REALTIME_TIMESTAMP\":\"%d\",\"MESSAGE\":\"%s\",\"SYSLOG_IDENTIFIER\":\"pacemaker-fenced\"}\nEOF\n", at.UnixMicro(), text)
	if err := testkit.WriteProgram(filepath.Join(dir, "journalctl"), []byte(script)); err != nil {
		t.Fatal(err)
	}
	return pacemaker.Config{Tools: dir}
}

// liveSecrets are those of a configuration that the cluster has now.
func liveSecrets(t *testing.T) func() (pacemaker.Secrets, bool) {
	t.Helper()
	cib, err := pacemaker.ParseCIB(input(noon, 1, false, "0s"))
	if err != nil {
		t.Fatal(err)
	}
	return func() (pacemaker.Secrets, bool) { return pacemaker.SecretsOf(cib), true }
}

// A node that was never the DC has no inputs: what is secret in its log is what is secret in the
// cluster now. While nothing of it is known, no line is shown.
func TestSecretsWithoutInputs(t *testing.T) {
	isFenced := func(l cluster.LogLine) bool { return l.Daemon == "pacemaker-fenced" }
	for name, known := range map[string]struct{ input, live bool }{"the live configuration": {live: true}, "an input": {input: true}, "nothing": {}} {
		p := history.Past{
			Archive: open(t, t.TempDir(), history.Bounds{}), Tools: journalWith(t, noon, "logging in as "+secret+" failed"),
			Nodes:   func() (string, []string) { return "n2", []string{"n3"} },
			Secrets: func() (pacemaker.Secrets, bool) { return pacemaker.Secrets{}, false },
			Others: func(context.Context, time.Time, time.Time, bool) cluster.Logged {
				return cluster.Logged{Node: "n2", Lines: []cluster.LogLine{{Time: noon, Node: "n1", Text: "theirs"}}, Missing: []string{"n1", "n3"}}
			},
		}
		if known.live {
			p.Secrets = liveSecrets(t)
		}
		if known.input {
			add(t, p.Archive, "pe-input-1.bz2", input(noon.Add(-time.Hour), 1, false, "0s"))
		}
		log := p.Log(t.Context(), noon.Add(-time.Minute), noon.Add(time.Minute), 100)
		i := slices.IndexFunc(log.Lines, isFenced)
		if i >= 0 && strings.Contains(log.Lines[i].Text, secret) {
			t.Errorf("with %s, the log has %q", name, log.Lines[i].Text)
		}
		lacks := []string{"n1", "n3"}
		if shown := known.input || known.live; !shown {
			lacks = []string{"n1", "n2", "n3"}
			if len(log.Lines) != 1 || len(log.Sources) == 0 || slices.ContainsFunc(log.Sources, func(s cluster.LogSource) bool { return s.Problem == "" }) {
				t.Errorf("with %s, lines are %+v of %+v", name, log.Lines, log.Sources)
			}
		} else if i < 0 || log.Sources[0].Problem != "" {
			t.Errorf("with %s, lines are %+v of %+v", name, log.Lines, log.Sources)
		}
		if !slices.Equal(log.Missing, lacks) {
			t.Errorf("with %s, missing are %v", name, log.Missing)
		}
	}
}
