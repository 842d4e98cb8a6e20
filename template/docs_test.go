package template_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"thalassa/template"
)

const docs = "../docs/template.md"

func readFile(tb testing.TB, path string) string {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

// documented are the fenced parts of the documentation in a language.
func documented(tb testing.TB, language string) []string {
	tb.Helper()
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(readFile(tb, docs), -1) {
		out = append(out, m[1])
	}
	if len(out) == 0 {
		tb.Fatalf("%s has no %s", docs, language)
	}
	return out
}

// patched is source with a diff applied: each hunk replaces the one place that
// has its unchanged lines.
func patched(tb testing.TB, source, diff string) string {
	tb.Helper()
	hunks := regexp.MustCompile(`(?m)^@@.*\n`).Split(diff, -1)[1:]
	for _, hunk := range hunks {
		var before, after strings.Builder
		for line := range strings.Lines(hunk) {
			switch line[0] {
			case ' ':
				before.WriteString(line[1:])
				after.WriteString(line[1:])
			case '+':
				after.WriteString(line[1:])
			case '-':
				before.WriteString(line[1:])
			default:
				tb.Fatalf("not a line of a diff: %q", line)
			}
		}
		if n := strings.Count(source, before.String()); n != 1 {
			tb.Fatalf("the default template has these lines %d times, expected once:\n%s", n, before.String())
		}
		source = strings.Replace(source, before.String(), after.String(), 1)
	}
	return source
}

// The templates of the documentation render all that the default template
// renders, and HAProxy takes it.
func TestDocumentedTemplates(t *testing.T) {
	t.Parallel()
	inputs, err := filepath.Glob("testdata/*.json")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no inputs: %v", err)
	}
	sources := documented(t, "template")
	for _, diff := range documented(t, "diff") {
		sources = append(sources, patched(t, readFile(t, "default.haproxy.cfg.tmpl"), diff))
	}
	for _, source := range sources {
		tmpl := parse(t, source)
		for _, input := range inputs {
			g := readGolden(t, input)
			rendered, err := tmpl.Render(g.config(t))
			if err != nil {
				t.Fatalf("%s: %v\n%s", input, err, source)
			}
			file := filepath.Join(t.TempDir(), "haproxy.cfg")
			if err := os.WriteFile(file, rendered.Bytes, 0o600); err != nil {
				t.Fatal(err)
			}
			words, accepted := haproxyCheck(t, file)
			if accepted != (g.Refused == "") {
				t.Errorf("%s: accepted = %v:\n%s\n%s", input, accepted, words, rendered.Bytes)
			}
		}
	}
}

// What the example is about is in what it renders.
func TestDocumentedExample(t *testing.T) {
	t.Parallel()
	example := parse(t, patched(t, readFile(t, "default.haproxy.cfg.tmpl"), documented(t, "diff")[0]))
	config := readGolden(t, "testdata/rules.json").config(t)
	rendered, err := example.Render(config)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := template.Default().Render(config)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{
		"\nfrontend monitor\n":          1,
		"\n    option forwardfor\n":     len(config.Frontends),
		"\n    compression algo gzip\n": len(config.Frontends),
	} {
		got := strings.Count(string(rendered.Bytes), text) - strings.Count(string(plain.Bytes), text)
		if got != want {
			t.Errorf("%q stands there %d times, want %d:\n%s", text, got, want, rendered.Bytes)
		}
	}
}

// Every field and function that a template can use is documented.
func TestViewIsDocumented(t *testing.T) {
	t.Parallel()
	page, seen := readFile(t, docs), map[reflect.Type]bool{}
	var visit func(v reflect.Type)
	visit = func(v reflect.Type) {
		for v.Kind() == reflect.Slice || v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct || seen[v] {
			return
		}
		seen[v] = true
		for f := range v.Fields() {
			if !regexp.MustCompile("`\\." + f.Name + "[` ]").MatchString(page) {
				t.Errorf("%s does not tell of %s.%s", docs, v.Name(), f.Name)
			}
			visit(f.Type)
		}
	}
	visit(reflect.TypeFor[template.View]())
	functions := regexp.MustCompile(`(?m)^//\t([a-z]+) [A-Z]`).FindAllStringSubmatch(readFile(t, "doc.go"), -1)
	if len(functions) == 0 {
		t.Error("the package comment lists no functions")
	}
	for _, f := range functions {
		if !strings.Contains(page, "| `"+f[1]+" ") {
			t.Errorf("%s does not tell of the function %s", docs, f[1])
		}
	}
}
