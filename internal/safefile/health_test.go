package safefile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/internal/safefile"
	"thalassa/internal/testkit"
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
		_ = h.Problem() // a look that is under way says nothing about that
		synctest.Wait()
		if p := h.Problem(); p != "the file system does not answer" {
			t.Errorf("after a look: %q", p)
		}
		time.Sleep(3 * time.Second)
		_ = h.Problem() // begins an attempt, which succeeds
		synctest.Wait()
		if p := h.Problem(); p != "" {
			t.Errorf("after an attempt: %q", p)
		}
	})
}

// A write that reached the disk after a look had begun knows more than that look.
func TestHealthAfterALookThatHangs(t *testing.T) {
	t.Parallel()
	disk := testkit.NewDisk(t, 16)
	h := safefile.NewHealth(filepath.Join(disk.Dir, "file"))
	disk.Freeze()
	testkit.Eventually(t, 20*time.Second, func() error {
		if p := h.Problem(); p != "the file system does not answer" {
			return fmt.Errorf("%q", p)
		}
		return nil
	})
	h.Note(nil)
	if p := h.Problem(); p != "" {
		t.Errorf("after a write: %q", p)
	}
	testkit.Eventually(t, 20*time.Second, func() error {
		if p := h.Problem(); p != "the file system does not answer" {
			return fmt.Errorf("%q though nothing has answered since", p)
		}
		return nil
	})
}

// Nobody has to write for a directory that is gone, or of which the rights are, to be told.
func TestHealthOfADirectoryThatIsGone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		h := safefile.NewHealth(filepath.Join(dir, "file"))
		told := func(want string) {
			t.Helper()
			for range 2 { // the first one looks
				time.Sleep(2 * time.Second)
				_ = h.Problem()
				synctest.Wait()
			}
			if p := h.Problem(); p != want {
				t.Errorf("%q, expected %q", p, want)
			}
		}
		told("")
		if err := os.Rename(dir, dir+".away"); err != nil {
			t.Fatal(err)
		}
		told("no such file or directory")
		if err := os.Rename(dir+".away", dir); err != nil {
			t.Fatal(err)
		}
		told("")
	})
}
