package cli_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/cli"
)

func TestABackupIsSavedAndRestored(t *testing.T) {
	t.Parallel()
	s := shop(t)
	s.run("member", "files", "10.10.10.10:8080", "drain", "--for", "1h")
	s.run("draft", "new", "summer")
	dir := t.TempDir()
	file := write(t, dir, "lb.backup", "an earlier one, which others can read")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if out := s.run("backup", file).out; !strings.HasPrefix(out, file+" saved: revision 3, 5 entries, ") {
		t.Errorf("got %s", out)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("beside the backup is %v, %v", names, err)
	}
	if text := s.run("backup", "-").out; !strings.HasPrefix(text, `{"format":"thalassa-backup","version":1,`) {
		t.Errorf("got %s", text)
	}

	empty := open(t)
	empty.Discover("shop", "10.1.0.1:8080 1.0.0")
	out := empty.run("restore", file, "--dry-run").out
	for _, want := range []string{"+ frontend/www", "3 objects would change", "backend/files member 10.10.10.10:8080: drain until 2", " would be restored", "draft summer would be restored"} {
		if !strings.Contains(out, want) {
			t.Errorf("the preview lacks %q:\n%s", want, out)
		}
	}
	if list := empty.run("revisions").out; strings.Contains(list, "1") {
		t.Errorf("a preview has changed something: %s", list)
	}
	out = empty.run("restore", file, "-m", "new disk").out
	for _, want := range []string{"+ backend/live", "3 objects changed and in effect", "draft summer restored"} {
		if !strings.Contains(out, want) {
			t.Errorf("the answer lacks %q:\n%s", want, out)
		}
	}
	if a, b := s.run("export").out, empty.run("export").out; a != b {
		t.Errorf("restored\n%s\nwant\n%s", b, a)
	}
	if list := empty.run("revisions").out; !strings.Contains(list, "new disk") {
		t.Errorf("revisions %s", list)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out := empty.runWith(string(text), "restore", "-", "-o", "json").out; !strings.Contains(out, `"keptDrafts"`) || !strings.Contains(out, `"changes": []`) {
		t.Errorf("got %s", out)
	}
}

func TestABadBackupIsNotSent(t *testing.T) {
	t.Parallel()
	s := shop(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "lb.backup")
	s.run("backup", file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s.asked = func() { t.Error("the agent was asked") }
	for bad, want := range map[string]string{
		string(text[:len(text)-2]):                             "is incomplete",
		strings.Replace(string(text), "leastconn", "first", 1): "its digest is not that of its contents",
		"backends: {}\n":                                       "line 1 of the backup is not that of a backup of Thalassa",
	} {
		s.fails(cli.ExitUsage, want, "restore", write(t, dir, "bad.backup", bad))
	}
	s.fails(cli.ExitUsage, "no such file", "restore", filepath.Join(dir, "none"))
	s.fails(cli.ExitUsage, "line 1 of the backup", "restore", "/dev/zero")
	s.fails(cli.ExitUsage, "expected FILE", "restore")
	s.fails(cli.ExitUsage, "is not a regular file", "backup", "/dev/null")
	s.fails(cli.ExitUsage, "is not a regular file", "backup", dir)
}

// TestAFailedBackupKeepsTheFormerOne: the answer ends too early, or is something else.
func TestAFailedBackupKeepsTheFormerOne(t *testing.T) {
	t.Parallel()
	s := shop(t)
	file := write(t, t.TempDir(), "lb.backup", "the former one")
	for answer, want := range map[string]string{
		"<html>": "the agent's answer is no backup",
		`{"format":"thalassa-backup","version":1,"time":"2026-01-01T00:00:00Z","revision":0,"entries":0}` + "\n": "is incomplete",
	} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if _, err := w.Write([]byte(answer)); err != nil {
				t.Error(err)
			}
		}))
		s.fails(cli.ExitFailure, want, "backup", file, "--agent", proxy.URL)
		proxy.Close()
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "the former one" {
		t.Errorf("the file has %q, %v", text, err)
	}
	s.fails(cli.ExitFailure, "no such file", "backup", filepath.Join(t.TempDir(), "none", "lb.backup"))
}
