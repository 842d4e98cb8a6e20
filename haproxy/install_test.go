package haproxy_test

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/statsock"
)

// members is the configuration "one" with another member: what Install is
// for.
func (l *lab) members(member string) []byte {
	return append(l.config("one"), "\nbackend members\n    server s1 "+member+"\n"...)
}

func TestInstallOfWhatRuns(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("one")
	config := l.members("127.0.0.1:9")
	if err := l.Install(t.Context(), config); err != nil || l.file(l.cfg.ConfigPath) != string(config) {
		t.Errorf("%v, and the file is\n%s", err, l.file(l.cfg.ConfigPath))
	}
	if err := os.Remove(l.cfg.ConfigPath); err != nil {
		t.Fatal(err)
	}
	if err := l.Install(t.Context(), config); err != nil || l.file(l.cfg.ConfigPath) != string(config) {
		t.Errorf("the file was removed: %v, and it is\n%s", err, l.file(l.cfg.ConfigPath))
	}
}

// TestInstallThatComesTooLate: a change at run time is written down while a
// reload has replaced what it belongs to.
func TestInstallThatComesTooLate(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("one")
	l.apply("two")
	if err := l.Install(t.Context(), l.members("127.0.0.1:9")); err != nil {
		t.Error(err)
	}
	l.agree("two")
}

// TestInstallThatApplyHasOvertaken: of the same configuration Apply has put newer
// members in place while Install waited for its turn.
func TestInstallThatApplyHasOvertaken(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("one")
	former, config := l.members("127.0.0.1:9"), l.members("127.0.0.1:10")
	l.edit(former)
	master := l.state().MasterPID
	testkit.Freeze(t, master)
	applied, installed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := l.Apply(t.Context(), config, "")
		applied <- err
	}()
	testkit.Eventually(t, patience, func() error {
		if !l.Busy() {
			return errors.New("Apply has not begun")
		}
		return nil
	})
	go func() { installed <- l.Install(t.Context(), former) }()
	testkit.Eventually(t, patience, func() error {
		if !l.Intact() {
			return errors.New("Install has not begun")
		}
		return nil
	})
	if err := syscall.Kill(master, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-applied, <-installed); err != nil || l.file(l.cfg.ConfigPath) != string(config) {
		t.Errorf("%v, and the file is\n%s", err, l.file(l.cfg.ConfigPath))
	}
}

// TestInstallLeavesTheFileForAStart: what Apply could not give to an External
// HAProxy that does not run is there when it starts.
func TestInstallLeavesTheFileForAStart(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("one")
	external := l.another(func(cfg *haproxy.Config) { cfg.Mode = haproxy.External })
	if err := external.Install(t.Context(), l.members("127.0.0.1:8")); err != nil {
		t.Fatal(err)
	}
	if err := l.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for fingerprint, config := range map[string][]byte{"two": l.config("two"), "one": l.members("127.0.0.1:10")} {
		if _, err := external.Apply(t.Context(), config, fingerprint); !errors.As(err, new(*lb.UnavailableError)) {
			t.Fatalf("HAProxy does not run: %v", err)
		}
		if err := external.Install(t.Context(), l.members("127.0.0.1:9")); err != nil {
			t.Error(err)
		}
		if got := l.file(l.cfg.ConfigPath); got != string(config) {
			t.Errorf("the file is\n%s", got)
		}
	}
}

// TestInstallWhileNobodyAnswers: a HAProxy that is just being started again or
// reloaded reads the file that is there, and should find the members of now.
func TestInstallWhileNobodyAnswers(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("one")
	if err := l.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	config := l.members("127.0.0.1:9")
	if err := l.Install(t.Context(), config); err != nil || l.file(l.cfg.ConfigPath) != string(config) {
		t.Errorf("%v, and the file is\n%s", err, l.file(l.cfg.ConfigPath))
	}
}

// TestIntact: a file that somebody has edited is not what Install was given.
func TestIntact(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("one")
	if l.Intact() {
		t.Error("nothing was installed yet")
	}
	for _, content := range [][]byte{l.config("one"), l.members("127.0.0.1:9")} {
		if err := l.Install(t.Context(), content); err != nil || !l.Intact() {
			t.Errorf("installed, %v: %t", err, l.Intact())
		}
		l.edit(append(content, "# by hand\n"...))
		if l.Intact() {
			t.Error("edited, and taken for intact")
		}
	}
	if err := os.Remove(l.cfg.ConfigPath); err != nil {
		t.Fatal(err)
	}
	if l.Intact() {
		t.Error("removed, and taken for intact")
	}
}

// TestIntactAfterAnInstallThatWasNone: while HAProxy runs something else the file
// stays, and is outdated until Install is asked again.
func TestIntactAfterAnInstallThatWasNone(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("one")
	former, config := l.members("127.0.0.1:9"), l.members("127.0.0.1:10")
	if err := l.Install(t.Context(), former); err != nil {
		t.Fatal(err)
	}
	l.edit(l.config("two"))
	l.reloadBySomebody()
	l.edit(former)
	if err := l.Install(t.Context(), config); err != nil || l.file(l.cfg.ConfigPath) != string(former) {
		t.Errorf("%v, and the file is\n%s", err, l.file(l.cfg.ConfigPath))
	}
	if l.Intact() {
		t.Error("outdated, and taken for intact")
	}
}

// TestFileThatNeverEnds: another user may put a FIFO there, and have it open.
func TestFileThatNeverEnds(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("one")
	if err := os.Remove(l.cfg.ConfigPath); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(l.cfg.ConfigPath, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(l.cfg.ConfigPath, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	done := make(chan error, 1)
	go func() {
		if l.Intact() {
			done <- errors.New("taken for intact")
			return
		}
		done <- l.Install(t.Context(), l.config("one"))
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
		l.agree("one")
	case <-time.After(patience):
		t.Error("held up")
	}
}

// edit is somebody else's edit of the file.
func (l *lab) edit(config []byte) {
	l.t.Helper()
	if err := os.WriteFile(l.cfg.ConfigPath, config, 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// reloadBySomebody else: HAProxy reads the file that is there. It returns once the
// former worker knows.
func (l *lab) reloadBySomebody() {
	l.t.Helper()
	before := l.state()
	if err := syscall.Kill(before.MasterPID, syscall.SIGUSR2); err != nil {
		l.t.Fatal(err)
	}
	testkit.Eventually(l.t, patience, func() error {
		now, err := l.State(l.t.Context())
		if err == nil && now.WorkerPID == before.WorkerPID {
			err = errors.New("no other worker answers")
		}
		if err != nil {
			return err
		}
		if !alive(before.WorkerPID) {
			return nil
		}
		info, err := statsock.NewMaster(l.cfg.MasterSocket).Worker(before.WorkerPID).ShowInfo(l.t.Context())
		if err == nil && !info.Stopping {
			err = errors.New("the former worker is not stopping")
		}
		return err
	})
}
