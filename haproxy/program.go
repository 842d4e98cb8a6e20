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
type program struct{ cfg *Config }

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
	cmd := pr.withSudo(ctx, binary, args...)
	if u := pr.cfg.User; u != nil { // a configuration may run programs, also during a check
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.UID, Gid: u.GID}}
	}
	return cmd, nil
}

func (pr *program) withSudo(ctx context.Context, name string, args ...string) *exec.Cmd {
	if pr.cfg.Sudo {
		name, args = "sudo", append([]string{"-n", "--", name}, args...)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/"
	cmd.Env = pr.cfg.Env
	cmd.WaitDelay = outputDelay // a child of sudo may hold the pipe
	return cmd
}

// Version asks the binary for its version, e.g. "2.6.12-1+deb12u4".
func (p *Process) Version(ctx context.Context) (string, error) {
	cmd, err := p.program.command(ctx, "-v")
	if err != nil {
		return "", fmt.Errorf("asking haproxy for its version: %w", err)
	}
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("asking haproxy for its version: %w", err)
	}
	// "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/"
	fields := strings.Fields(string(out))
	if len(fields) < 3 || fields[1] != "version" {
		return "", fmt.Errorf("asking haproxy for its version: it said %.100q", out)
	}
	return fields[2], nil
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
