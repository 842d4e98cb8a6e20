package safefile_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"thalassa/internal/safefile"
)

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	left := filepath.Join(dir, ".file.123")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(left, old, old); err != nil {
		t.Fatal(err)
	}
	is := func(want string, mode os.FileMode) {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil || string(data) != want {
			t.Errorf("%q, %v", data, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
			t.Errorf("%v, %v", list, err)
		}
	}
	if err := safefile.Replace(path, []byte("one"), nil); err != nil {
		t.Fatal(err)
	}
	is("one", 0o600)
	if err := safefile.Replace(path, []byte("two"), func(f *os.File) error { return f.Chmod(0o644) }); err != nil {
		t.Fatal(err)
	}
	is("two", 0o644)
	refused := errors.New("refused")
	if err := safefile.Replace(path, []byte("three"), func(*os.File) error { return refused }); !errors.Is(err, refused) {
		t.Error(err)
	}
	is("two", 0o644)
	if err := safefile.Replace(filepath.Join(dir, "none", "file"), nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// A file that is a link stays what the link leads to: the link is replaced.
func TestReplaceALink(t *testing.T) {
	dir := t.TempDir()
	other, path := filepath.Join(dir, "other"), filepath.Join(dir, "file")
	if err := os.WriteFile(other, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, path); err != nil {
		t.Fatal(err)
	}
	if err := safefile.Replace(path, []byte("new"), nil); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(other); err != nil || string(data) != "other" {
		t.Errorf("%q, %v", data, err)
	}
}
