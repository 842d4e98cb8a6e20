package safefile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/safefile"
)

// within fails when something waits.
func within(t *testing.T, what string, do func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(5 * time.Second):
		t.Fatalf("%s waits", what)
		return nil
	}
}

// obstacles are things that are no file, by name.
func obstacles(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	fifo, held := filepath.Join(dir, "fifo"), filepath.Join(dir, "held")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), syscall.Mkfifo(held, 0o600)); err != nil {
		t.Fatal(err)
	}
	end, err := os.OpenFile(held, os.O_RDWR, 0) // a reader and a writer that do nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = end.Close() })
	return map[string]string{"fifo": fifo, "fifo with both ends": held, "directory": dir, "device": "/dev/zero"}
}

func TestWhatIsNoFile(t *testing.T) {
	t.Parallel()
	for name, path := range obstacles(t) {
		for way, open := range map[string]func() error{
			"Read":      func() error { _, err := safefile.Read(path, 10); return err },
			"ReadOwned": func() error { _, err := safefile.ReadOwned(path, 10, 0); return err },
			"OpenFile": func() error {
				_, err := safefile.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
				return err
			},
		} {
			if err := within(t, way+" of a "+name, open); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("%s of a %s: %v, expected an error that names it", way, name, err)
			}
		}
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target, soft, hard := filepath.Join(dir, "target"), filepath.Join(dir, "soft"), filepath.Join(dir, "hard")
	if err := errors.Join(os.WriteFile(target, []byte("text"), 0o600), os.Symlink(target, soft), os.Link(target, hard)); err != nil {
		t.Fatal(err)
	}
	own := uint32(os.Geteuid())
	if data, err := safefile.Read(soft, 4); err != nil || string(data) != "text" {
		t.Errorf("Read of a symbolic link: %q, %v", data, err)
	}
	if _, err := safefile.ReadOwned(soft, 4, own); err == nil {
		t.Error("ReadOwned follows a symbolic link")
	}
	if data, err := safefile.ReadOwned(hard, 4, own); err != nil || string(data) != "text" {
		t.Errorf("ReadOwned of a hard link of the owner: %q, %v", data, err)
	}
	if _, err := safefile.ReadOwned(hard, 4, own+1); !errors.Is(err, safefile.ErrForeign) {
		t.Errorf("ReadOwned of another owner's hard link: %v", err)
	}
	for _, path := range []string{soft, hard, target} {
		if _, err := safefile.OpenFile(path, os.O_WRONLY, 0); err == nil {
			t.Errorf("OpenFile writes to %s, which has another name", path)
		}
	}
	if _, err := safefile.Read(target, 3); err == nil || !strings.Contains(err.Error(), "larger than 3 bytes") {
		t.Errorf("a file of 4 bytes with a limit of 3: %v", err)
	}
	if _, err := safefile.Read(filepath.Join(dir, "none"), 3); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := safefile.ChangeDir(soft, -1, -1, 0o700); err == nil {
		t.Error("ChangeDir follows a symbolic link")
	}
}
