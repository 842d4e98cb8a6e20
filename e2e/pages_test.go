package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A docPage is README.md or a page of docs, by its path in the repository.
type docPage struct {
	path   string
	blocks []block
}

// A block is a fenced block of a page.
//
// A block of language sh has commands that run as they are against `make demo`, one
// block after the other. They end with exit code 0, or the last one with the code N
// of "```sh exit N". Answers have a status of 200 to 299, or the last one the status N
// of "```json N" in the next block. "<!-- not run: REASON -->" before a block says why
// it does not run; reasonsNotToRun lists the reasons.
type block struct {
	line           int // of the opening fence
	language, info string
	text           string
	notRun         string // the reason; empty: it runs
}

// reasonsNotToRun are the only ones that a page may give.
var reasonsNotToRun = []string{
	"needs root on a load balancer",
	"needs a Pacemaker cluster",
	"needs a Consul with ACLs",
	"needs a container engine",
	"starts a second HAProxy",
	"needs a second machine",
	"needs an agent with TLS",
	"needs an agent with tokens",
	"needs an ACME server",
	"edits /etc",
}

// pages are README.md and the pages of docs, in the order in which docs/README.md
// lists them: the examples of one may need what an earlier one has left behind. Those
// of docs/api.md come last, because they delete what the API's other pages create.
func pages(tb testing.TB) []docPage {
	tb.Helper()
	index, err := os.ReadFile("../docs/README.md")
	if err != nil {
		tb.Fatal(err)
	}
	paths := []string{"README.md"}
	for _, m := range regexp.MustCompile(`\]\(([a-z-]+\.md)\)`).FindAllStringSubmatch(string(index), -1) {
		if path := "docs/" + m[1]; !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	all, err := filepath.Glob("../docs/*.md")
	if err != nil || len(all) != len(paths) {
		tb.Fatalf("docs has %d pages, its index lists %d: %q (%v)", len(all)-1, len(paths)-1, paths, err)
	}
	last := slices.Index(paths, "docs/api.md")
	paths = append(slices.Delete(paths, last, last+1), "docs/api.md")
	list := make([]docPage, len(paths))
	for i, path := range paths {
		data, err := os.ReadFile("../" + path)
		if err != nil {
			tb.Fatal(err)
		}
		if list[i] = (docPage{path: path}); true {
			list[i].blocks, err = blocks(data)
		}
		if err != nil {
			tb.Errorf("%s:%v", path, err)
		}
	}
	return list
}

var notRun = regexp.MustCompile(`^<!-- not run: (.*) -->$`)

// blocks are those of a page. Code that is only indented, or has no language, would
// be neither run nor marked: it is an error.
func blocks(data []byte) ([]block, error) {
	var found []block
	var open *block
	before := ""
	for i, raw := range bytes.Split(data, []byte("\n")) {
		line := string(raw)
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case open != nil && line == "```":
			found, open = append(found, *open), nil
		case open != nil:
			open.text += line + "\n"
		case isFence:
			open = &block{line: i + 1}
			open.language, open.info, _ = strings.Cut(fence, " ")
			if m := notRun.FindStringSubmatch(before); m != nil {
				open.notRun = m[1]
			}
			if open.language == "" {
				return nil, fmt.Errorf("%d: the block has no language", i+1)
			}
		case strings.HasPrefix(line, "    ") && before == "":
			return nil, fmt.Errorf("%d: code is indented, expected a fenced block with a language", i+1)
		}
		before = line
	}
	if open != nil {
		return nil, fmt.Errorf("%d: the block has no end", open.line)
	}
	return found, nil
}

// commandLine matches what a reader would type into a shell.
var commandLine = regexp.MustCompile(`^(\$ |sudo |(bin/)?thalassa [a-z]|(curl|make|apt|apt-get|systemctl|journalctl|consul|crm_[a-z]+|docker|haproxy|install|echo|cat) [^:])`)

// Every command of a page is in a block that runs, or that says why it does not.
func TestEveryCommandOfThePagesRunsOrSaysWhyNot(t *testing.T) {
	commands := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language == "sh" {
				commands++
				if b.notRun != "" && !slices.Contains(reasonsNotToRun, b.notRun) {
					t.Errorf("%s:%d: %q is no reason not to run, expected one of %q", p.path, b.line, b.notRun, reasonsNotToRun)
				}
				continue
			}
			if b.notRun != "" {
				t.Errorf("%s:%d: a block of language %s never runs, and needs no reason", p.path, b.line, b.language)
			}
			for line := range strings.Lines(b.text) {
				if b.info != "usage" && commandLine.MatchString(line) {
					t.Errorf("%s:%d: %q looks like a command in a block of language %s, expected sh", p.path, b.line, strings.TrimSpace(line), b.language)
				}
			}
		}
	}
	if commands < 40 {
		t.Errorf("the pages have %d blocks of commands", commands)
	}
}

func TestCodeThatNobodyRunsIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"Run this:\n\n    make demo\n":         "3: code is indented",
		"```\nmake demo\n```\n":                "1: the block has no language",
		"```sh\nmake demo\n":                   "1: the block has no end",
		"- a list\n    that goes on\n\nEnd.\n": "",
	} {
		_, err := blocks([]byte(text))
		if got := fmt.Sprint(err); (err == nil) != (want == "") || !strings.HasPrefix(got, want) && want != "" {
			t.Errorf("%q: %v, expected %q", text, err, want)
		}
	}
}
