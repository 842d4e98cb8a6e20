package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/store"
)

// A disk that hangs is told while a write waits, and not any more once it goes on.
func TestDiskThatHangs(t *testing.T) {
	t.Parallel()
	disk := testkit.NewDisk(t, 16)
	db, err := store.Open(filepath.Join(disk.Dir, "db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	defer disk.Thaw()
	if p := db.Problem(); p != "" {
		t.Error(p)
	}
	disk.Freeze()
	done := make(chan error, 1)
	go func() { done <- db.SaveOverrides(t.Context(), []lb.Override{}) }()
	testkit.Eventually(t, 20*time.Second, func() error {
		if !strings.Contains(db.Problem(), "the disk of the database hangs") {
			return errors.New(db.Problem())
		}
		return nil
	})
	if _, err := db.Load(t.Context()); err != nil {
		t.Errorf("what is stored cannot be read meanwhile: %v", err)
	}
	disk.Thaw()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if p := db.Problem(); p != "" {
		t.Error(p)
	}
}

// Without its name the database would be gone with the next start: nothing more is taken
// into it, and its problem says so until it is back.
func TestDatabaseThatWasRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path, store.Options{})
	commit := func() error { return db.SaveOverrides(t.Context(), []lb.Override{}) }
	for name, replace := range map[string]func() error{
		"moved":    func() error { return nil },
		"replaced": func() error { return os.WriteFile(path, nil, 0o600) },
	} {
		if err := errors.Join(os.Rename(path, path+".away"), replace()); err != nil {
			t.Fatal(err)
		}
		if err := commit(); !errors.As(err, new(*lb.UnavailableError)) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: a change is answered with %v", name, err)
		}
		if p := db.Problem(); !strings.Contains(p, "was removed") {
			t.Errorf("%s: problem %q", name, p)
		}
		if _, err := db.Load(t.Context()); err != nil {
			t.Errorf("%s: what is stored cannot be read: %v", name, err)
		}
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
		if err := commit(); err != nil || db.Problem() != "" {
			t.Errorf("%s: put back: %v, %q", name, err, db.Problem())
		}
	}
}
