package layers_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

const (
	maxPageLines = 250
	maxPageWidth = 100
	generated    = "cli.md" // the one page that a test writes as a whole
)

// pages reads the repository's pages: path → text.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"*.md", "bench/*.md", "docs/*.md", "docs/adr/*.md"} {
		paths, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v, %d pages", pattern, err, len(paths))
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			out[path] = string(data)
		}
	}
	return out
}

var (
	fenced  = regexp.MustCompile("(?ms)^```.*?^```$")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	// unwrapped lines may be long: rows, headings, code, pictures, a single word.
	unwrapped = regexp.MustCompile(`^(\||#|    |!\[|[ -]*\S+$)`)
)

// anchors are the names under which a page's headings can be linked to: lower
// case, blanks as hyphens, without punctuation.
func anchors(page string) map[string]bool {
	out := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		out[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])] = true
	}
	return out
}

// A link within the repository leads to a file, and to a heading of it.
func TestLinksOfPages(t *testing.T) {
	t.Parallel()
	all, found := pages(t), 0
	headings := map[string]map[string]bool{}
	for path, page := range all {
		headings[path] = anchors(page)
	}
	for path, page := range all {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			found++
			file, anchor, _ := strings.Cut(m[1], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s leads nowhere", path, m[1])
			} else if anchor != "" && !headings[target][anchor] {
				t.Errorf("%s: %s has no heading %q", path, target, anchor)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d links are found", found)
	}
}

// A page is short, and its text is wrapped. Tables, code and headings are not.
func TestShapeOfPages(t *testing.T) {
	t.Parallel()
	for path, page := range pages(t) {
		if filepath.Base(path) == generated {
			continue
		}
		if n := strings.Count(page, "\n"); n > maxPageLines && filepath.Base(path) != "CHANGELOG.md" { // which grows
			t.Errorf("%s has %d lines, expected at most %d", path, n, maxPageLines)
		}
		for line := range strings.Lines(fenced.ReplaceAllString(page, "")) {
			line = strings.TrimSuffix(line, "\n")
			if utf8.RuneCountInString(line) > maxPageWidth && !unwrapped.MatchString(line) {
				t.Errorf("%s: expected at most %d characters: %s", path, maxPageWidth, line)
			}
		}
	}
}

// The index lists every page of the documentation.
func TestIndexOfPages(t *testing.T) {
	t.Parallel()
	all := pages(t)
	index := all["../../docs/README.md"]
	for path := range all {
		if name := filepath.Base(path); filepath.Dir(path) == "../../docs" && name != "README.md" && !strings.Contains(index, "("+name+")") {
			t.Errorf("docs/README.md does not list %s", name)
		}
	}
}
