package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"thalassa/cli"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhatIsExportedIsNoChange(t *testing.T) {
	s := shop(t)
	for _, format := range []string{"", "yaml", "json"} {
		exported := s.run("export", "-o", format).out
		r := s.runWith(exported, "apply", "--prune", "-f", "-")
		if r.code != cli.ExitOK || !strings.Contains(r.out, "no change") {
			t.Errorf("%s: %+v\n%s", format, r, exported)
		}
	}
	s.fails(cli.ExitUsage, "--output: ", "export", "-o", "xml")
}

func TestObjectsBecomeEqualToFiles(t *testing.T) {
	s := shop(t)
	dir := t.TempDir()
	write(t, dir, "a.yaml", "backends:\n  files: {type: static, members: [{host: 10.0.0.1, port: 81}]}\n")
	write(t, dir, "more/B.JSON", `{"backends":{"live":{"type":"dynamic","name":"shop","version":"2.0.0"}}}`)
	write(t, dir, ".hidden/c.yaml", "no: file\n")
	write(t, dir, "readme.txt", "no file\n")
	preview := s.run("apply", "-f", dir, "--dry-run").out
	for _, want := range []string{"~ backend/files", "balance: \"leastconn\" → \"roundrobin\"", `version: "1.0.0" → "2.0.0"`, "2 objects would change, with a reload"} {
		if !strings.Contains(preview, want) {
			t.Errorf("the preview lacks %q:\n%s", want, preview)
		}
	}
	if out := s.run("apply", "-f", dir, "-m", "from files").out; !strings.Contains(out, "2 objects changed and in effect") {
		t.Errorf("got %s", out)
	}
	current := filepath.Join(t.TempDir(), "current") // as deployments make it
	if err := os.Symlink(dir, current); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, current} {
		if out := s.run("apply", "-f", path).out; !strings.Contains(out, "no change") {
			t.Errorf("%s the second time: %s", path, out)
		}
	}
	if out := s.run("revisions", "-n", "1").out; !strings.Contains(out, "from files") {
		t.Errorf("revisions: %s", out)
	}
	s.fails(cli.ExitConflict, "still routed to", "apply", "-f", write(t, dir, "none.yaml", "frontends: {www: {bind: \"*:80\", backend: live}}"), "--prune", "--dry-run")
}

func TestRollbackGoesBackAndForth(t *testing.T) {
	s := shop(t)
	s.run("deploy", "live", "2.0.0")
	if out := s.run("diff", "3", "4").out; !strings.Contains(out, `version: "1.0.0" → "2.0.0"`) {
		t.Errorf("the difference: %s", out)
	}
	if out := s.run("rollback", "--dry-run").out; !strings.Contains(out, `version: "2.0.0" → "1.0.0"`) {
		t.Errorf("the preview: %s", out)
	}
	for _, want := range []string{`"1.0.0"`, `"2.0.0"`} { // the second undoes the first
		s.run("rollback")
		if got := s.run("backends", "get", "live").out; !strings.Contains(got, `"version": `+want) {
			t.Errorf("got %s, want version %s", got, want)
		}
	}
	if out := s.run("rollback", "3", "-m", "as it was").out; !strings.Contains(out, "1 object changed") {
		t.Errorf("got %s", out)
	}
	s.fails(cli.ExitNotFound, "revisions/99", "rollback", "99")
	s.fails(cli.ExitUsage, "REVISION", "rollback", "x")
	s.fails(cli.ExitUsage, "expected [REVISION]", "rollback", "1", "2")
}

func TestRollbackDoesNotDeleteEverythingUnasked(t *testing.T) {
	s := open(t)
	s.fails(cli.ExitUsage, "no revision", "rollback")
	s.runWith(`{"backends":{"a":{"type":"static"}}}`, "apply", "-f", "-")
	s.fails(cli.ExitUsage, "name 0 to delete all", "rollback")
	s.run("rollback", "0")
}

func TestAFileThatCannotBeAppliedIsNamed(t *testing.T) {
	s := shop(t)
	dir := t.TempDir()
	for text, want := range map[string]string{
		"backends: {a: {type: static, balance: fair}}":                      "backends/a.balance: ",
		"backends: {a: {type: dynamic, name: shop, version: 1.10}}":         "backends/a.version: ",
		"frontends: {a: {bind: \"*:99\", backend: none}}":                   "frontends/a.backend: ",
		"backends: {a: {typ: static}}":                                      "backends/a.typ: ",
		"backends: {a/b: {type: static}}":                                   `backends/a/b.key: "a/b" holds a character`,
		"sections: {userlist: {natives: []}}":                               `sections/userlist.path: `,
		"backend: {}":                                                       `bad.yaml:1: "backend" is unknown`,
		"# nothing":                                                         "has no frontend, backend or section",
		"backends: {a: {type: static}}\n---\nbackends: {a: {type: static}}": "bad.yaml:3: backends/a is in the file twice",
	} {
		s.fails(cli.ExitUsage, want, "apply", "-f", write(t, dir, "bad.yaml", text))
	}
	write(t, dir, "1.yaml", "backends: {a: {type: static}}")
	write(t, dir, "2.yml", "backends: {a: {type: static}}")
	if err := os.Remove(filepath.Join(dir, "bad.yaml")); err != nil {
		t.Fatal(err)
	}
	s.fails(cli.ExitUsage, "2.yml: backends/a is in another file, too", "apply", "-f", dir)
	// A file with nothing in it, as of a program that failed, deletes nothing.
	empty := write(t, t.TempDir(), "empty.yaml", "frontends: {}\n")
	s.fails(cli.ExitUsage, "has no frontend, backend or section", "apply", "-f", empty, "--prune")
	s.fails(cli.ExitUsage, "has no frontend, backend or section", "apply", "-f", os.DevNull, "--prune")
	// Nobody waits for a pipe that nobody writes to.
	pipes := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(pipes, "pipe.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.fails(cli.ExitUsage, "pipe.yaml is no regular file", "apply", "-f", pipes)
	// What is not read would be deleted with --prune.
	links := t.TempDir()
	write(t, links, "a.yaml", "backends: {a: {type: static}}")
	if err := os.Symlink(dir, filepath.Join(links, "more")); err != nil {
		t.Fatal(err)
	}
	s.fails(cli.ExitUsage, "more is a link to a directory", "apply", "-f", links, "--prune")
	cut := "backends: {a: {type: static}}\n" + strings.Repeat("#", 16<<20) + "\n"
	if r := s.runWith(cut, "apply", "-f", "-", "--prune"); r.code != cli.ExitUsage || !strings.Contains(r.errors, "standard input is larger than") {
		t.Errorf("a file that is too large: %+v", r)
	}
	s.fails(cli.ExitUsage, "no such file", "apply", "-f", filepath.Join(dir, "none"))
	s.fails(cli.ExitUsage, "has no file that ends in", "apply", "-f", t.TempDir())
	s.fails(cli.ExitUsage, "--filename is missing", "apply")
	s.fails(cli.ExitConflict, "no healthy instance", "apply", "-f", write(t, dir, "sick.yaml", "backends: {live: {type: dynamic, name: shop, version: \"9\"}}"))
	s.run("apply", "--force", "-f", filepath.Join(dir, "sick.yaml"))
}

func TestADraftIsCollectedAndCommitted(t *testing.T) {
	s := shop(t)
	if out := s.run("draft", "new", "-m", "next week").out; out != "draft 1\n" {
		t.Errorf("got %q", out)
	}
	if out := s.runWith(`{"type":"static"}`, "backends", "put", "later", "-", "--draft", "1").out; !strings.Contains(out, "backend/later stored in draft 1") {
		t.Errorf("got %s", out)
	}
	s.runWith(`{"backends":{"files":{"type":"static","balance":"source"}}}`, "apply", "-f", "-", "--draft", "1")
	if out := s.run("backends", "--draft", "1").out; !strings.Contains(out, "later") || !strings.Contains(out, "source") {
		t.Errorf("the draft shows %s", out)
	}
	s.fails(cli.ExitNotFound, "backend/later", "backends", "get", "later")
	if out := s.run("draft", "diff", "1").out; !strings.Contains(out, "+ backend/later") || !strings.Contains(out, "~ backend/files") || !strings.Contains(out, "2 objects would change") {
		t.Errorf("the difference: %s", out)
	}
	s.runWith(`{"type":"static","balance":"first"}`, "backends", "put", "files", "-")
	s.fails(cli.ExitConflict, "backend/files changed since the draft did", "draft", "commit", "1")
	if out := s.run("draft", "diff", "1").out; !strings.Contains(out, "cannot be committed") {
		t.Errorf("the difference: %s", out)
	}
	if out := s.run("draft").out; !strings.Contains(out, "next week") {
		t.Errorf("the list: %s", out)
	}
	s.run("draft", "rebase", "1")
	if out := s.run("draft", "commit", "1").out; !strings.Contains(out, "2 objects changed and in effect") {
		t.Errorf("got %s", out)
	}
	s.run("draft", "new", "later")
	s.runWith(`{"type":"static","balance":"random"}`, "backends", "put", "files", "-", "--draft", "later")
	s.fails(cli.ExitUsage, "backend/none", "draft", "drop", "later", "backend/none")
	if out := s.run("draft", "drop", "later", "backend/files").out; out != "draft later changes 0 objects\n" {
		t.Errorf("drop: %q", out)
	}
	s.fails(cli.ExitConflict, "drafts/later: exists already", "draft", "new", "later")
	s.run("draft", "delete", "later")
	s.fails(cli.ExitNotFound, "drafts/later", "draft", "commit", "later")
	s.fails(cli.ExitUsage, "draft", "backends", "--draft", "a b")
}
