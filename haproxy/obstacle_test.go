package haproxy_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/lb"
)

// fifo puts a FIFO whose other end is held open in the place of a file.
func (fx *fixture) fifo(path string) {
	fx.t.Helper()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		fx.t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		fx.t.Fatal(err)
	}
	end, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		fx.t.Fatal(err)
	}
	fx.t.Cleanup(func() { _ = end.Close() })
}

// A FIFO in the place of a file is replaced or left out. Nobody waits for its other end.
func TestFIFOsInThePlaceOfFiles(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	fx.fifo(fx.cfg.ConfigPath)
	if _, err := fx.Installed(t.Context()); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("a FIFO as haproxy.cfg: %v", err)
	}
	fx.apply("two")
	for _, path := range []string{fx.cfg.PIDPath, fx.cfg.StartupLog, fx.cfg.ConfigPath + ".last-good"} {
		fx.fifo(path)
	}
	fx.apply("three")
	if err := fx.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	fx.fifo(fx.cfg.ConfigPath)
	if err := fx.Resume(t.Context()); err != nil { // with the last good one
		t.Fatal(err)
	}
	fx.agree("three")
}

// A configuration that names a FIFO keeps HAProxy waiting. The error says what may be the
// matter, and nothing is in effect.
func TestChecksThatDoNotEnd(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	path := filepath.Join(fx.dir, "page")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(fx.cfg.ConfigPath)
	if err != nil {
		t.Fatal(err)
	}
	fx.SetCheckTimeout(time.Second)
	err = fx.Check(t.Context(), append(config, "\nbackend waits\n  errorfile 503 "+path+"\n"...))
	if !errors.As(err, new(*lb.UnavailableError)) || !strings.Contains(err.Error(), "haproxy -c has not ended within 1s") {
		t.Errorf("a FIFO as an error file: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := fx.Check(short, append(config, "\nbackend waits\n  errorfile 503 "+path+"\n"...)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller had less time: %v", err)
	}
	fx.SetCheckTimeout(30 * time.Second)
	fx.agree("one")
}

// Another name for somebody's file in the place of the startup log is not written to.
func TestLinksInThePlaceOfTheStartupLog(t *testing.T) {
	for name, link := range map[string]func(target, path string) error{"hard": os.Link, "symbolic": os.Symlink} {
		t.Run(name, func(t *testing.T) {
			fx := newFixture(t, testkit.HAProxy(t))
			precious := filepath.Join(fx.dir, "precious")
			content := strings.Repeat("x", 2<<20) // longer than a startup log may be
			if err := errors.Join(os.WriteFile(precious, []byte(content), 0o600), link(precious, fx.cfg.StartupLog)); err != nil {
				t.Fatal(err)
			}
			fx.apply("one")
			fx.apply("two")
			if fx.file(precious) != content {
				t.Error("somebody else's file was changed")
			}
			if info, err := os.Lstat(fx.cfg.StartupLog); err != nil || !info.Mode().IsRegular() {
				t.Errorf("the startup log: %v, %v", info, err)
			}
		})
	}
}
