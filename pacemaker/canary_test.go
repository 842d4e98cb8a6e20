package pacemaker_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/pacemaker"
)

// canaries writes a CIB with a secret of its own at each @@, and returns what uses it.
func canaries(t *testing.T, log *slog.Logger, change func(cib string) string) *pacemaker.Cluster {
	t.Helper()
	_, path := onFile(t, "canary.xml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	text := regexp.MustCompile("@@").ReplaceAllStringFunc(change(string(data)), func(string) string {
		n++
		return fmt.Sprintf("canary%03d", n)
	})
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return pacemaker.New(pacemaker.Config{File: path, Logger: log, Timeout: 20 * time.Second})
}

// answers is everything that the package says about a cluster: status, CIB, plans,
// predictions and errors. It counts those that were no errors.
func answers(t *testing.T, c *pacemaker.Cluster, brief bool) (all string, well int) {
	t.Helper()
	var said []any
	note := func(result any, err error) {
		said = append(said, result)
		if err != nil {
			said = append(said, err.Error())
		} else {
			well++
		}
	}
	note(c.Now(t.Context()))
	cib, err := c.Query(t.Context())
	if note(nil, err); err == nil {
		said = append(said, string(cib.Masked()))
	}
	descriptions := []pacemaker.Description{
		{Agent: "ocf:heartbeat:Dummy", Addresses: prefixes(t, "192.0.2.10/24")},
		{Addresses: prefixes(t, "192.0.2.10/24"), Topology: pacemaker.Group},
	}
	actions := []cluster.Action{
		{Kind: cluster.Standby, Node: "n1"}, {Kind: cluster.StartMaintenance, Resource: "api"}, {Kind: cluster.Cleanup}, {Kind: cluster.Fence, Node: "n1"},
	}
	if brief {
		descriptions, actions = descriptions[:1], actions[:1]
	} else {
		note(c.PlanDestroy(t.Context(), "haproxy"))
	}
	for _, d := range descriptions {
		note(c.Plan(t.Context(), d))
	}
	for _, a := range actions {
		note(c.Predict(t.Context(), a))
	}
	_, err = c.Do(t.Context(), cluster.Action{Kind: cluster.Start, Resource: "api", Wait: time.Millisecond})
	note(nil, err)
	text, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), well
}

// A secret in any place of the CIB where one can be leaves by no answer, error or log.
func TestNoSecretLeaves(t *testing.T) {
	nothing := func(cib string) string { return cib }
	for name, tc := range map[string]struct {
		change func(string) string
		well   int // answers without error, at least
	}{
		"valid":                        {nothing, 6},
		"an option that is none":       {func(s string) string { return strings.Replace(s, `value="ignore"`, `value="@@"`, 1) }, 4},
		"an interval that is none":     {func(s string) string { return strings.Replace(s, `interval="11s"`, `interval="@@"`, 1) }, 4},
		"a score that is none":         {func(s string) string { return strings.Replace(s, `score="51"`, `score="@@"`, 1) }, 0},
		"a word that is none":          {func(s string) string { return strings.Replace(s, `kind="Optional"`, `kind="@@"`, 1) }, 0},
		"an attribute that is unknown": {func(s string) string { return strings.Replace(s, `interval="11s"`, `interval="11s" auth="@@"`, 1) }, 0},
		"an element that is unknown":   {func(s string) string { return strings.Replace(s, `<tags>`, `<login password="@@">@@</login><tags>`, 1) }, 0},
		"a threshold that is none":     {func(s string) string { return strings.Replace(s, `value="1000000"`, `value="@@"`, 1) }, 4},
		"a schema that does not matter": {func(s string) string {
			return strings.Replace(strings.Replace(s, "pacemaker-3.9", "none", 1), `<op id="api-monitor"`, `<op auth="@@" id="api-monitor"`, 1)
		}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			c := canaries(t, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), tc.change)
			said, well := answers(t, c, name != "valid")
			var found []string
			for _, m := range regexp.MustCompile(`.{0,60}canary\d*.{0,20}`).FindAllString(said+log.String(), -1) {
				if !slices.Contains(found, m) {
					found = append(found, m)
				}
			}
			if len(found) > 0 {
				t.Errorf("secrets leave:\n%s", strings.Join(found, "\n"))
			}
			if well < tc.well {
				t.Errorf("%d answers without an error, expected %d:\n%s", well, tc.well, said)
			}
		})
	}
}

// The copies of a CIB that tools read are nobody else's, and do not stay.
func TestCopiesAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c := canaries(t, slog.New(slog.DiscardHandler), func(s string) string { return s })
	if _, err := c.Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "thalassa-*")); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}
