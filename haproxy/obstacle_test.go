package haproxy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"thalassa/internal/testkit"
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
