package haproxy

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// outputDelay bounds the wait for the output of an ended command on a busy machine.
const outputDelay = 10 * time.Second

// A program is HAProxy's executable, and how it is run.
type program struct {
	cfg      *Config
	genuine  genuine
	keywords keywords
	look     programLook
}

// path finds the executable, also in the sbin folders, which an ordinary user's PATH does
// not have.
func (pr *program) path() (string, error) {
	path, err := exec.LookPath(pr.cfg.Binary)
	if err == nil {
		return filepath.Abs(path)
	}
	if !strings.Contains(pr.cfg.Binary, "/") {
		for _, dir := range []string{"/usr/local/sbin", "/usr/sbin"} {
			if path, err := exec.LookPath(filepath.Join(dir, pr.cfg.Binary)); err == nil {
				return path, nil
			}
		}
	}
	return "", err
}

// command prepares a call of the binary, with Config.Sudo through sudo. It runs in the
// root folder, as under systemd, and ends with the context.
func (pr *program) command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	binary, err := pr.path()
	if err != nil {
		return nil, err
	}
	return pr.withUser(pr.withSudo(ctx, binary, args...)), nil
}

// withUser has a command run as Config.User: a configuration may run programs, also
// during a check.
func (pr *program) withUser(cmd *exec.Cmd) *exec.Cmd {
	if u := pr.cfg.User; u != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.UID, Gid: u.GID}}
	}
	return cmd
}

func (pr *program) withSudo(ctx context.Context, name string, args ...string) *exec.Cmd {
	if pr.cfg.Sudo {
		name, args = "sudo", append([]string{"-n", "--", name}, args...)
	}
	return pr.plain(ctx, name, args...)
}

// plain prepares a call of a program as the user of this one.
func (pr *program) plain(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/"
	cmd.Env = pr.cfg.Env
	cmd.WaitDelay = outputDelay // a child of sudo may hold the pipe
	return cmd
}

// Version asks the binary for its version, e.g. "2.6.12-1+deb12u4".
func (p *Process) Version(ctx context.Context) (string, error) {
	path, err := p.program.path()
	if err != nil {
		return "", fmt.Errorf("asking haproxy for its version: %w", err)
	}
	version, err := p.program.versionOf(ctx, path)
	if err != nil {
		return "", fmt.Errorf("asking haproxy for its version: %s: %w", path, err)
	}
	return version, nil
}

// masterArgument is the value of -S. HAProxy creates the socket as the user it
// starts as; with sudo the socket must get our user.
func (pr *program) masterArgument() string {
	arg := pr.cfg.MasterSocket + ",mode,600"
	if pr.cfg.Sudo {
		arg += ",uid," + strconv.Itoa(os.Getuid())
	}
	return arg
}
