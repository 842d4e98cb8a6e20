package agent_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/agent"
)

// A database whose disk hangs costs rounds, and does not stop the loop.
func TestStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 9001")
		stuck := make(chan struct{})
		fx.set(func() { fx.stuck = stuck })
		fx.consul("shop", 2, "", "1.0.0 9001", "1.0.0 9002")
		pause(t.Context(), 10*time.Minute)
		if p := fx.agent.Hangs(); p != "" {
			t.Error(p)
		}
		fx.set(func() { fx.stuck = nil })
		close(stuck)
		pause(t.Context(), time.Minute)
		s, err := fx.agent.Status(t.Context())
		if ready, why := s.Ready(); err != nil || !ready {
			t.Errorf("after the disk is back: %v, %v", why, err)
		}
		fx.serves("9001", "9002")
	})
}

// The loop does not wait for the revision that takes a refused one back.
func TestRevisionTakenBackWhileTheDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 9001")
		fx.set(func() { fx.down = errors.New("no space left on device") })
		if applied, err := fx.putNative("x", "option cannot-start"); err != nil || applied.Applied {
			t.Fatalf("%+v, %v", applied, err)
		}
		stuck := make(chan struct{})
		fx.set(func() { fx.down, fx.startRefuses, fx.commitStuck = nil, "option cannot-start", stuck })
		pause(t.Context(), 5*time.Minute)
		if p := fx.agent.Hangs(); p != "" {
			t.Error(p)
		}
		fx.consul("shop", 2, "", "1.0.0 9001", "1.0.0 9002")
		pause(t.Context(), time.Minute)
		fx.serves("9001", "9002")
		fx.set(func() { fx.commitStuck = nil })
		close(stuck)
		pause(t.Context(), time.Minute)
		s, err := fx.agent.Status(t.Context())
		if ready, why := s.Ready(); err != nil || !ready || s.Revision != 3 {
			t.Errorf("after the disk is back: revision %d, %v, %v", s.Revision, why, err)
		}
	})
}

// A loop that hangs says so, in which step and since when.
func TestLoopThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 9001")
		if p := fx.agent.Hangs(); p != "" {
			t.Error(p)
		}
		fx.set(func() { fx.reload = time.Hour })
		go func() { _, _ = fx.putNative("x", "option httplog") }()
		pause(t.Context(), 3*time.Minute)
		if p := fx.agent.Hangs(); p != "" {
			t.Errorf("a long reload counts as hanging: %s", p)
		}
		pause(t.Context(), 2*time.Minute)
		if p := fx.agent.Hangs(); !strings.Contains(p, "the control loop hangs in a reload or start of HAProxy since 2000-01-01T") {
			t.Errorf("a reload without end: %q", p)
		}
		pause(t.Context(), time.Hour)
		if p := fx.agent.Hangs(); p != "" {
			t.Errorf("after its end: %s", p)
		}
	})
}

// Whoever asks for the hosts waits for no FIFO, and gets what was known.
func TestHostsFileBecomesAFIFO(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(path, []byte("192.0.2.1 db\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := agent.NewHostsFile(path)
	known := f.Hosts()
	if known == nil {
		t.Fatal("the file was not read")
	}
	if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if now := f.Hosts(); now != known || time.Since(begin) > 5*time.Second {
		t.Errorf("%v after %v, expected what was known", now, time.Since(begin))
	}
}
