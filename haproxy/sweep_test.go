package haproxy_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
)

// checkAndHang checks a configuration with a HAProxy that does not answer.
func checkAndHang(dir string) {
	cfg := paths(dir)
	cfg.Binary = filepath.Join(dir, "slow")
	_ = haproxy.New(cfg).Check(context.Background(), []byte("global\n"))
}

// staged are the hidden files of the lab's folder.
func (l *lab) staged() []string {
	l.t.Helper()
	files, err := filepath.Glob(filepath.Join(l.dir, ".*"))
	if err != nil {
		l.t.Fatal(err)
	}
	return files
}

// stageAndDie leaves behind what a program leaves that is killed while it has
// something staged.
func (l *lab) stageAndDie() (path string) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, "slow"), []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700); err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.CommandContext(l.t.Context(), os.Args[0], "-test.run=none")
	cmd.Env = append(os.Environ(), "THALASSA_TEST_STAGER="+l.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	testkit.Eventually(l.t, patience, func() error {
		if files := l.staged(); len(files) != 1 {
			return fmt.Errorf("staged are %q", files)
		}
		return nil
	})
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		l.t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		l.t.Error("the program was not killed")
	}
	return l.staged()[0]
}

// leave makes an empty file in the lab's folder, an hour old unless it is new.
func (l *lab) leave(name string, isNew bool) (path string) {
	l.t.Helper()
	path = filepath.Join(l.dir, name)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		l.t.Fatal(err)
	}
	if !isNew {
		l.age(path)
	}
	return path
}

func (l *lab) age(path string) {
	l.t.Helper()
	ago := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, ago, ago); err != nil {
		l.t.Fatal(err)
	}
}

// foreign are files that are not to be touched: new, of other names, of another
// kind, of another user.
func (l *lab) foreign() []string {
	l.t.Helper()
	files := []string{l.leave(".haproxy.cfg.1234", true)}
	for _, name := range []string{".haproxy.cfg.bak", ".haproxy.cfg.", ".haproxy.cfg.12x", ".other.cfg.1234", "haproxy.cfg.1234", ".haproxy.cfg.former"} {
		files = append(files, l.leave(name, false))
	}
	folder := filepath.Join(l.dir, ".haproxy.cfg.77")
	if err := os.Mkdir(folder, 0o750); err != nil {
		l.t.Fatal(err)
	}
	l.age(folder)
	files = append(files, folder)
	if os.Geteuid() == 0 {
		const nobody = 65534
		path := l.leave(".haproxy.cfg.88", false)
		if err := os.Chown(path, nobody, nobody); err != nil {
			l.t.Fatal(err)
		}
		files = append(files, path)
	}
	return files
}

// TestSweep: what was staged by a program that was killed goes at the next start,
// and nothing else does.
func TestSweep(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	left := l.stageAndDie()
	l.age(left)
	ours := []string{left, l.leave(".haproxy.cfg.state.42", false), l.leave("..haproxy.cfg.former.43", false)}
	others := l.foreign()

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- haproxy.New(l.cfg).Run(ctx, nil) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	testkit.Eventually(t, patience, func() error {
		for _, path := range ours {
			if _, err := os.Lstat(path); err == nil {
				return fmt.Errorf("%s is there", path)
			}
		}
		return nil
	})
	for _, path := range others {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("not ours: %v", err)
		}
	}
}
