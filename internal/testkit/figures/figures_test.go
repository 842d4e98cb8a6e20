package figures_test

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit/figures"
)

var update = flag.Bool("update", false, "write docs/figures.md anew")

const (
	file = "../../../bench/reliability.jsonl"
	page = "../../../docs/figures.md"
)

// The page shows what the file has.
func TestPageOfFigures(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	runs, err := figures.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range runs {
		if r.What == "" || r.Commit == "" || r.Date.IsZero() || r.Seconds < 0 || (r.What == "fuzz") != (r.Target != "") {
			t.Errorf("line %d is incomplete: %+v", i+1, r)
		}
	}
	want := figures.Page(runs)
	if *update {
		if err := os.WriteFile(page, want, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(page); err != nil || string(got) != string(want) {
		t.Errorf("docs/figures.md is not what bench/reliability.jsonl has (make figures writes it anew): %v\n%s", err, want)
	}
}

// Runs add up, and those that failed count.
func TestSums(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	got := string(figures.Page([]figures.Run{
		{What: "soak", Date: at, Commit: "a", Seconds: 3000, Seed: 1, Counts: map[string]int{"requests": 900, "kills": 1}},
		{What: "soak", Date: at, Commit: "b", Seconds: 1500, Seed: 2, Counts: map[string]int{"requests": 1100}, Failed: true},
		{What: "memory", Date: at, Commit: "b", Seconds: 60, Counts: map[string]int{"limit MB": 300, "requests": 1234, "MB: backups": 200}},
		{What: "fuzz", Target: "lb.FuzzName", Date: at, Commit: "b", Seconds: 90, Counts: map[string]int{"inputs": 1234567}},
	}))
	for _, row := range []string{
		"| [Soak](testing.md#soak) | 2 | 1 | 1.2 h | kills: 1, requests: 2,000 | 2, 1 |",
		"| [Little memory](testing.md#little-memory) | 1 | 0 | 1.0 min | requests: 1,234 |  |",
		"| backups | 200 |",
		"| `lb.FuzzName` | 1 | 0 | 1.5 min | 1,234,567 | 2026-11-01 |",
		"| all 1 | | 0 | 1.5 min | | |",
	} {
		if !strings.Contains(got, row+"\n") {
			t.Errorf("%s is missing in\n%s", row, got)
		}
	}
}

// A test that fails keeps its figures as those of a failure.
func TestAppend(t *testing.T) {
	if os.Getenv("THALASSA_FIGURES_FAIL") != "" {
		figures.Append(t, "soak", time.Now(), 7, func() map[string]int { return map[string]int{"requests": 3} })
		t.Error("on purpose")
		return
	}
	path := t.TempDir() + "/runs"
	cmd := exec.Command(os.Args[0], "-test.run", "^TestAppend$") //nolint:gosec // this program
	cmd.Env = append(os.Environ(), figures.Env+"="+path, "THALASSA_FIGURES_FAIL=1")
	if err := cmd.Run(); err == nil {
		t.Fatal("it passed")
	}
	data, err := os.ReadFile(path) //nolint:gosec // the test's own
	if err != nil {
		t.Fatal(err)
	}
	runs, err := figures.Parse(data)
	if err != nil || len(runs) != 1 || !runs[0].Failed || runs[0].Seed != 7 || runs[0].Counts["requests"] != 3 || runs[0].Commit == "" {
		t.Errorf("%+v, %v", runs, err)
	}
}
