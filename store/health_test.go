package store_test

import (
	"errors"
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
