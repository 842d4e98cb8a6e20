// Package figures keeps what long runs of the tests have measured: a file of one JSON
// document a line, to which each run appends, and the page that shows it.
package figures

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Env names the file that Append writes to; unset: no run is kept.
const Env = "THALASSA_FIGURES"

// A Run is what one run of a test has measured.
type Run struct {
	// What the run was: "fuzz", "soak", "staged", "linearizable", "foretold", "hundred", "faults",
	// "damage" or "memory".
	What string `json:"what"`
	// Target is the fuzz target, as package.Name.
	Target string    `json:"target,omitempty"`
	Date   time.Time `json:"date"`
	// Commit of the source, shortened; with "+" if it had other changes.
	Commit  string `json:"commit"`
	Seconds int    `json:"seconds"`
	// Seed of the run's choices; 0: it has none.
	Seed uint64 `json:"seed,omitempty"`
	// Counts is what was done, and how often. Words of the page.
	Counts map[string]int `json:"counts,omitempty"`
	Failed bool           `json:"failed,omitempty"`
}

// Append has the run kept at the end of the test, as Keep does. It has failed if the test
// has. counts is called then.
func Append(tb testing.TB, what string, begun time.Time, seed uint64, counts func() map[string]int) {
	tb.Helper()
	tb.Cleanup(func() {
		if tb.Skipped() {
			return
		}
		r := Run{What: what, Date: begun, Seconds: int(time.Since(begun).Seconds()), Seed: seed, Counts: counts(), Failed: tb.Failed()}
		if err := Keep(r); err != nil {
			tb.Error(err)
		}
	})
}

// Keep appends a run to the file that Env names, with the commit of the source. It does
// nothing where Env is not set.
func Keep(r Run) error {
	path := os.Getenv(Env)
	if path == "" {
		return nil
	}
	r.Date, r.Commit = r.Date.UTC().Truncate(time.Second), commit()
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keeping the figures: %w", err)
	}
	f, err := os.OpenFile(filepath.Clean(path), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644) //nolint:gosec // a file of the repository
	if err != nil {
		return fmt.Errorf("keeping the figures: %w", err)
	}
	if _, err = f.Write(append(line, '\n')); err != nil {
		err = fmt.Errorf("keeping the figures: %w", err)
	}
	return errors.Join(err, f.Close())
}

func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short=7", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	mark := ""
	if exec.Command("git", "diff", "--quiet", "HEAD").Run() != nil {
		mark = "+"
	}
	return strings.TrimSpace(string(out)) + mark
}

// Parse reads the lines of a file of runs.
func Parse(data []byte) ([]Run, error) {
	var runs []Run
	for n, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		var r Run
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// Page is the page about the runs, in Markdown.
func Page(runs []Run) []byte {
	var b bytes.Buffer
	b.WriteString(head)
	b.WriteString("\n## Random runs\n\n| | runs | failed | time | done altogether | seeds |\n|---|---|---|---|---|---|\n")
	for _, kind := range []struct{ what, text string }{
		{"soak", "[Soak](testing.md#soak)"},
		{"staged", "[Drafts and revisions](testing.md#drafts-and-revisions)"},
		{"linearizable", "[Linearizability](testing.md#linearizability)"},
		{"foretold", "[What was foretold](testing.md#what-was-foretold)"},
		{"hundred", "[A hundred steps](testing.md#a-hundred-steps)"},
		{"faults", "[Faults](faults.md)"},
		{"damage", "Damaged databases"},
		{"memory", "[Little memory](testing.md#little-memory)"},
	} {
		some := slices.DeleteFunc(slices.Clone(runs), func(r Run) bool { return r.What != kind.what })
		if len(some) == 0 {
			continue
		}
		s := sum(some)
		counts := s.counts()
		if kind.what == "memory" { // writeMemory shows them
			counts = "requests: " + thousands(s.done["requests"])
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %s | %s | %s |\n", kind.text, len(some), s.failed, period(s.seconds), counts, seeds(some))
	}
	writeMemory(&b, runs)
	b.WriteString("\n## Fuzzing\n\n| target | runs | failed | time | inputs tried | newest run |\n|---|---|---|---|---|---|\n")
	targets := map[string][]Run{}
	for _, r := range runs {
		if r.What == "fuzz" {
			targets[r.Target] = append(targets[r.Target], r)
		}
	}
	var all total
	for _, target := range slices.Sorted(maps.Keys(targets)) {
		s := sum(targets[target])
		all.seconds += s.seconds
		all.failed += s.failed
		fmt.Fprintf(&b, "| `%s` | %d | %d | %s | %s | %s |\n", target, len(targets[target]), s.failed, period(s.seconds),
			thousands(s.done["inputs"]), s.newest.Format(time.DateOnly))
	}
	fmt.Fprintf(&b, "| all %d | | %d | %s | | |\n", len(targets), all.failed, period(all.seconds))
	return b.Bytes()
}

// writeMemory shows the newest run with little memory: what was the most there, in MB.
func writeMemory(b *bytes.Buffer, runs []Run) {
	for _, r := range slices.Backward(runs) {
		if r.What != "memory" {
			continue
		}
		fmt.Fprintf(b, "\n## Memory\n\nThe most that agent and HAProxy took together in the newest run of\n"+
			"[Little memory](testing.md#little-memory), with a limit of %d MB and %s requests (%s):\n\n| what callers did | MB |\n|---|---|\n", r.Counts["limit MB"], thousands(r.Counts["requests"]), r.Date.Format(time.DateOnly))
		for _, name := range slices.Sorted(maps.Keys(r.Counts)) {
			if what, ok := strings.CutPrefix(name, "MB: "); ok {
				fmt.Fprintf(b, "| %s | %d |\n", what, r.Counts[name])
			}
		}
		return
	}
}

const head = `# Reliability figures

What long runs of the tests have measured so far, on machines with two cores. Each run of these
appends a line to [bench/reliability.jsonl](../bench/reliability.jsonl) with its date, commit, time
and seed, whether it passed or failed:

- ` + "`make soak`, `make staged`, `make linearizable`, `make foretold`, `make hundred`, `make faults`," + `
  ` + "`make memory`, `make fuzz`" + `

` + "`make figures`" + ` writes this page from that file, and a test compares the two. [Testing](testing.md)
explains what the tests do, [Faults](faults.md) and [When Consul fails](reliability.md) list single
faults.
`

// total is what several runs have done together.
type total struct {
	seconds, failed int
	done            map[string]int
	newest          time.Time
}

func sum(runs []Run) total {
	t := total{done: map[string]int{}}
	for _, r := range runs {
		t.seconds += r.Seconds
		if r.Failed {
			t.failed++
		}
		for name, n := range r.Counts {
			t.done[name] += n
		}
		if r.Date.After(t.newest) {
			t.newest = r.Date
		}
	}
	return t
}

func (t total) counts() string {
	parts := make([]string, 0, len(t.done))
	for _, name := range slices.Sorted(maps.Keys(t.done)) {
		parts = append(parts, name+": "+thousands(t.done[name]))
	}
	return strings.Join(parts, ", ")
}

func period(seconds int) string {
	if seconds < 3600 {
		return fmt.Sprintf("%.1f min", float64(seconds)/60)
	}
	return fmt.Sprintf("%.1f h", float64(seconds)/3600)
}

// thousands writes a number with commas.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// seeds are those of the newest runs.
func seeds(runs []Run) string {
	const most = 5
	var out []string
	for _, r := range slices.Backward(runs) {
		if r.Seed != 0 && len(out) < most {
			out = append(out, strconv.FormatUint(r.Seed, 10))
		}
	}
	return strings.Join(out, ", ")
}
