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

// temporary are the hidden files of the fixture's folder.
func (fx *fixture) temporary() []string {
	fx.t.Helper()
	files, err := filepath.Glob(filepath.Join(fx.dir, ".*"))
	if err != nil {
		fx.t.Fatal(err)
	}
	return files
}

// writeAndDie leaves behind what a program leaves that is killed when it has
// written a temporary file.
func (fx *fixture) writeAndDie() (path string) {
	fx.t.Helper()
	if err := testkit.WriteProgram(filepath.Join(fx.dir, "slow"), []byte("#!/bin/sh\n"+answersV+"exec sleep 1000\n")); err != nil {
		fx.t.Fatal(err)
	}
	cmd := exec.CommandContext(fx.t.Context(), os.Args[0], "-test.run=none")
	cmd.Env = append(os.Environ(), "THALASSA_TEST_STAGER="+fx.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		fx.t.Fatal(err)
	}
	testkit.Eventually(fx.t, patience, func() error {
		if files := fx.temporary(); len(files) != 1 {
			return fmt.Errorf("temporary files: %q", files)
		}
		return nil
	})
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		fx.t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		fx.t.Error("the program was not killed")
	}
	return fx.temporary()[0]
}

// leave makes an empty file in the fixture's folder, an hour old unless it is new.
func (fx *fixture) leave(name string, isNew bool) (path string) {
	fx.t.Helper()
	path = filepath.Join(fx.dir, name)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		fx.t.Fatal(err)
	}
	if !isNew {
		fx.age(path)
	}
	return path
}

func (fx *fixture) age(path string) {
	fx.t.Helper()
	ago := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, ago, ago); err != nil {
		fx.t.Fatal(err)
	}
}

// foreign are files that are not to be touched: new, of other names, of another
// kind, of another user.
func (fx *fixture) foreign() []string {
	fx.t.Helper()
	files := []string{fx.leave(".haproxy.cfg.1234", true)}
	for _, name := range []string{".haproxy.cfg.bak", ".haproxy.cfg.", ".haproxy.cfg.12x", ".other.cfg.1234", "haproxy.cfg.1234", ".haproxy.cfg.former"} {
		files = append(files, fx.leave(name, false))
	}
	folder := filepath.Join(fx.dir, ".haproxy.cfg.77")
	if err := os.Mkdir(folder, 0o750); err != nil {
		fx.t.Fatal(err)
	}
	fx.age(folder)
	files = append(files, folder)
	if os.Geteuid() == 0 {
		const nobody = 65534
		path := fx.leave(".haproxy.cfg.88", false)
		if err := os.Chown(path, nobody, nobody); err != nil {
			fx.t.Fatal(err)
		}
		files = append(files, path)
	}
	return files
}

// TestSweep: temporary files of a program that was killed go at the next start,
// and nothing else does.
func TestSweep(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	left := fx.writeAndDie()
	fx.age(left)
	ours := []string{left, fx.leave(".haproxy.cfg.state.42", false), fx.leave("..haproxy.cfg.former.43", false)}
	others := fx.foreign()

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- haproxy.New(fx.cfg).Run(ctx, nil) }()
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
