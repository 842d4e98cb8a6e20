package template_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/api/node"
	"thalassa/lb"
	"thalassa/template"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// A golden is an input of the golden tests: what operators asked for in the
// words of the REST dialect, what Consul said, and what HAProxy makes of it.
type golden struct {
	About     string            `json:"about"`
	Refused   string            `json:"refused"`  // words HAProxy refuses it with; empty: it is taken
	Warnings  []string          `json:"warnings"` // words of the warnings it is taken with
	Process   lb.Process        `json:"process"`
	Frontends []json.RawMessage `json:"frontends"`
	Backends  []json.RawMessage `json:"backends"`
	Snapshot  lb.Snapshot       `json:"snapshot"`
}

func (g golden) config(tb testing.TB) lb.Config {
	tb.Helper()
	in := lb.Intent{Frontends: map[lb.Name]lb.Frontend{}, Backends: map[lb.Name]lb.Backend{}}
	for _, body := range g.Frontends {
		f, err := node.ParseFrontend(keyOf(tb, body), body)
		if err != nil {
			tb.Fatal(err)
		}
		in.Frontends[f.Key] = f
	}
	for _, body := range g.Backends {
		b, err := node.ParseBackend(keyOf(tb, body), body)
		if err != nil {
			tb.Fatal(err)
		}
		in.Backends[b.Key] = b
	}
	if err := in.Validate(); err != nil {
		tb.Fatal(err)
	}
	return lb.Resolve(in, g.Snapshot, g.Process)
}

// keyOf is the key that a body names.
func keyOf(tb testing.TB, body []byte) string {
	tb.Helper()
	var named struct{ Key, ID string }
	if err := json.Unmarshal(body, &named); err != nil {
		tb.Fatal(err)
	}
	_, key, _ := strings.Cut(named.ID, "/")
	return cmp.Or(named.Key, key)
}

func readGolden(tb testing.TB, path string) golden {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
	return g
}

func TestGolden(t *testing.T) {
	t.Parallel()
	inputs, err := filepath.Glob("testdata/*.json")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no inputs: %v", err)
	}
	for _, path := range inputs {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := readGolden(t, path)
			rendered, err := template.Default().Render(g.config(t))
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, rendered.Bytes, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(rendered.Bytes); got != string(want) {
				t.Errorf("%s differs from what was rendered (go test ./template -run Golden -update writes it anew):\n%s", file, got)
			}
			checkGolden(t, g, file)
		})
	}
}

// checkGolden has the real HAProxy read the file.
func checkGolden(t *testing.T, g golden, file string) {
	t.Helper()
	out, accepted := haproxyCheck(t, file)
	if g.Refused != "" {
		if accepted || !strings.Contains(out, g.Refused) {
			t.Errorf("accepted = %v, want it refused with %q:\n%s", accepted, g.Refused, out)
		}
		return
	}
	if !accepted {
		t.Errorf("refused:\n%s", out)
	}
	for line := range strings.Lines(out) {
		if strings.Contains(line, "[WARNING]") && !containsOne(line, g.Warnings) {
			t.Errorf("unexpected warning: %s", line)
		}
	}
}

func containsOne(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}
