package safefile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/internal/safefile"
)

// A failure of the disk is told until a write succeeds, the caller's or an attempt.
func TestHealth(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	synctest.Test(t, func(t *testing.T) {
		h := safefile.NewHealth(path)
		h.Note(errors.New("no fault of the disk"))
		if p := h.Problem(); p != "" {
			t.Error(p)
		}
		h.Note(fmt.Errorf("writing: %w", &fs.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}))
		if p := h.Problem(); p != "no space left on device" {
			t.Errorf("%q", p)
		}
		h.Note(nil)
		if p := h.Problem(); p != "" {
			t.Error(p)
		}
		h.Note(safefile.ErrHangs)
		if p := h.Problem(); p != "the file system does not answer" {
			t.Errorf("%q", p)
		}
		time.Sleep(3 * time.Second)
		_ = h.Problem() // begins an attempt, which succeeds
		synctest.Wait()
		if p := h.Problem(); p != "" {
			t.Errorf("after an attempt: %q", p)
		}
	})
}
