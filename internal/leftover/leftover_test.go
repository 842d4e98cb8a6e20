package leftover_test

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"thalassa/internal/leftover"
)

// TestSweep leaves alone what is new, has another name, is of another type or
// another user's.
func TestSweep(t *testing.T) {
	const nobody = 65534
	for _, folders := range []bool{false, true} {
		dir := t.TempDir()
		file := func(name string) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(dir, name), []byte("text"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		folder := func(name string) {
			t.Helper()
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
			file(filepath.Join(name, "content"))
		}
		right, wrong := file, folder
		if folders {
			right, wrong = folder, file
		}
		for _, name := range []string{"one-1", "two.2", "one-3", "one-4", "one-", "one-5x", "1", "xone-1"} {
			right(name)
		}
		wrong("one-6")
		if err := os.Symlink(filepath.Join(dir, "one-"), filepath.Join(dir, "one-7")); err != nil {
			t.Fatal(err)
		}
		stays := []string{"1", "one-", "one-3", "one-5x", "one-6", "one-7", "xone-1"}
		for _, name := range []string{"one-1", "two.2", "one-4", "one-", "one-5x", "1", "xone-1", "one-6"} {
			ago := time.Now().Add(-time.Hour)
			if err := os.Chtimes(filepath.Join(dir, name), ago, ago); err != nil {
				t.Fatal(err)
			}
		}
		if os.Geteuid() == 0 {
			if err := os.Chown(filepath.Join(dir, "one-4"), nobody, nobody); err != nil {
				t.Fatal(err)
			}
			stays = append(stays, "one-4")
		}
		slices.Sort(stays)
		k := leftover.Kind{Dir: dir, Prefixes: []string{"one-", "two."}, Folders: folders, After: time.Minute}
		k.Sweep(t.Context(), slog.New(slog.DiscardHandler))
		if left := names(t, dir); !slices.Equal(left, stays) {
			t.Errorf("folders %t: left are %q, expected %q", folders, left, stays)
		}
		k.Owns = func(fs.FileInfo) bool { return true }
		k.Sweep(t.Context(), slog.New(slog.DiscardHandler))
		if left := names(t, dir); slices.Contains(left, "one-4") {
			t.Errorf("folders %t: what is said to be ours is left", folders)
		}
	}
}

// names are those in a folder, sorted.
func names(tb testing.TB, dir string) []string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
