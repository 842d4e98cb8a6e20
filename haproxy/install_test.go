package haproxy_test

import (
	"bytes"
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
func (fx *fixture) members(member string) []byte {
	return append(fx.config("one"), "\nbackend members\n    server s1 "+member+"\n"...)
}

func TestInstallOfWhatRuns(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	config := fx.members("127.0.0.1:9")
	if err := fx.Install(t.Context(), config); err != nil || fx.file(fx.cfg.ConfigPath) != string(config) {
		t.Errorf("%v, and the file is\n%s", err, fx.file(fx.cfg.ConfigPath))
	}
	if err := os.Remove(fx.cfg.ConfigPath); err != nil {
		t.Fatal(err)
	}
	if err := fx.Install(t.Context(), config); err != nil || fx.file(fx.cfg.ConfigPath) != string(config) {
		t.Errorf("the file was removed: %v, and it is\n%s", err, fx.file(fx.cfg.ConfigPath))
	}
}

// TestInstallThatComesTooLate: a change at run time is written down while a
// reload has replaced what it belongs to.
func TestInstallThatComesTooLate(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	fx.apply("two")
	if err := fx.Install(t.Context(), fx.members("127.0.0.1:9")); err != nil {
		t.Error(err)
	}
	fx.agree("two")
}

// TestInstallThatApplyHasOvertaken: of the same configuration Apply has put newer
// members in place while Install waited for its turn.
func TestInstallThatApplyHasOvertaken(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	former, config := fx.members("127.0.0.1:9"), fx.members("127.0.0.1:10")
	fx.edit(former)
	master := fx.state().MasterPID
	testkit.Freeze(t, master)
	applied, installed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := fx.Apply(t.Context(), config, "")
		applied <- err
	}()
	testkit.Eventually(t, patience, func() error {
		if !fx.Busy() {
			return errors.New("Apply has not begun")
		}
		return nil
	})
	go func() { installed <- fx.Install(t.Context(), former) }()
	testkit.Eventually(t, patience, func() error {
		if !fx.Intact() {
			return errors.New("Install has not begun")
		}
		return nil
	})
	if err := syscall.Kill(master, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-applied, <-installed); err != nil || fx.file(fx.cfg.ConfigPath) != string(config) {
		t.Errorf("%v, and the file is\n%s", err, fx.file(fx.cfg.ConfigPath))
	}
}

// TestInstallLeavesTheFileForAStart: what Apply could not give to an External
// HAProxy that does not run is there when it starts.
func TestInstallLeavesTheFileForAStart(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	external := fx.another(func(cfg *haproxy.Config) { cfg.Mode = haproxy.External })
	if err := external.Install(t.Context(), fx.members("127.0.0.1:8")); err != nil {
		t.Fatal(err)
	}
	if err := fx.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for fingerprint, config := range map[string][]byte{"two": fx.config("two"), "one": fx.members("127.0.0.1:10")} {
		if _, err := external.Apply(t.Context(), config, fingerprint); !errors.As(err, new(*lb.UnavailableError)) {
			t.Fatalf("HAProxy does not run: %v", err)
		}
		if err := external.Install(t.Context(), fx.members("127.0.0.1:9")); err != nil {
			t.Error(err)
		}
		if got := fx.file(fx.cfg.ConfigPath); got != string(config) {
			t.Errorf("the file is\n%s", got)
		}
	}
}

// TestInstallWhileNobodyAnswers: a HAProxy that is just being started again or
// reloaded reads the file that is there, and should find the members of now.
func TestInstallWhileNobodyAnswers(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	if err := fx.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	config := fx.members("127.0.0.1:9")
	if err := fx.Install(t.Context(), config); err != nil || fx.file(fx.cfg.ConfigPath) != string(config) {
		t.Errorf("%v, and the file is\n%s", err, fx.file(fx.cfg.ConfigPath))
	}
}

// TestIntact: a file that somebody has edited is not what Install was given.
func TestIntact(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	if fx.Intact() {
		t.Error("nothing was installed yet")
	}
	for _, content := range [][]byte{fx.config("one"), fx.members("127.0.0.1:9")} {
		if err := fx.Install(t.Context(), content); err != nil || !fx.Intact() {
			t.Errorf("installed, %v: %t", err, fx.Intact())
		}
		fx.edit(append(content, "# by hand\n"...))
		if fx.Intact() {
			t.Error("edited, and taken for intact")
		}
	}
	if err := os.Remove(fx.cfg.ConfigPath); err != nil {
		t.Fatal(err)
	}
	if fx.Intact() {
		t.Error("removed, and taken for intact")
	}
}

// TestIntactAfterAnInstallThatWasNone: while HAProxy runs something else the file
// stays, and is outdated until Install is asked again.
func TestIntactAfterAnInstallThatWasNone(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	former, config := fx.members("127.0.0.1:9"), fx.members("127.0.0.1:10")
	if err := fx.Install(t.Context(), former); err != nil {
		t.Fatal(err)
	}
	fx.edit(fx.config("two"))
	fx.reloadBySomebody()
	fx.edit(former)
	if err := fx.Install(t.Context(), config); err != nil || fx.file(fx.cfg.ConfigPath) != string(former) {
		t.Errorf("%v, and the file is\n%s", err, fx.file(fx.cfg.ConfigPath))
	}
	if fx.Intact() {
		t.Error("outdated, and taken for intact")
	}
}

// TestFileThatNeverEnds: another user may put a FIFO there, and have it open.
func TestFileThatNeverEnds(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	if err := os.Remove(fx.cfg.ConfigPath); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(fx.cfg.ConfigPath, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(fx.cfg.ConfigPath, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	done := make(chan error, 1)
	go func() {
		if fx.Intact() {
			done <- errors.New("taken for intact")
			return
		}
		done <- fx.Install(t.Context(), fx.config("one"))
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
		fx.agree("one")
	case <-time.After(patience):
		t.Error("held up")
	}
}

// edit is somebody else's edit of the file.
func (fx *fixture) edit(config []byte) {
	fx.t.Helper()
	if err := os.WriteFile(fx.cfg.ConfigPath, config, 0o600); err != nil {
		fx.t.Fatal(err)
	}
}

// reloadBySomebody else: HAProxy reads the file that is there. It returns once the
// former worker knows.
func (fx *fixture) reloadBySomebody() {
	fx.t.Helper()
	before := fx.state()
	if err := syscall.Kill(before.MasterPID, syscall.SIGUSR2); err != nil {
		fx.t.Fatal(err)
	}
	testkit.Eventually(fx.t, patience, func() error {
		now, err := fx.State(fx.t.Context())
		if err == nil && now.WorkerPID == before.WorkerPID {
			err = errors.New("no other worker answers")
		}
		if err != nil {
			return err
		}
		if !alive(before.WorkerPID) {
			return nil
		}
		info, err := statsock.NewMaster(fx.cfg.MasterSocket).Worker(before.WorkerPID).ShowInfo(fx.t.Context())
		if err == nil && !info.Stopping {
			err = errors.New("the former worker is not stopping")
		}
		return err
	})
}

// TestIntactSeesEveryEdit: a file that was compared once is compared again after every
// change of it, also one of the same length.
func TestIntactSeesEveryEdit(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	content := fx.config("one")
	if err := fx.Install(t.Context(), content); err != nil || !fx.Intact() || !fx.Intact() {
		t.Fatalf("installed, %v", err)
	}
	edited := bytes.Replace(content, []byte("one"), []byte("two"), 1)
	if err := os.WriteFile(fx.cfg.ConfigPath, edited, 0o600); err != nil {
		t.Fatal(err)
	}
	if fx.Intact() {
		t.Error("an edit of the same length is not seen")
	}
	if err := os.WriteFile(fx.cfg.ConfigPath, content, 0o600); err != nil || !fx.Intact() {
		t.Errorf("the same content again, %v", err)
	}
	if err := os.Remove(fx.cfg.ConfigPath); err != nil || fx.Intact() {
		t.Errorf("removed, %v: %t", err, fx.Intact())
	}
}
