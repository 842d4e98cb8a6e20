package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"thalassa/internal/head"
	"thalassa/lb"
)

// versionTimeout bounds "haproxy -v", which takes milliseconds.
const versionTimeout = 10 * time.Second

// A program that is not HAProxy and exits with 0 would pass as a successful check, and would end
// the traffic when a master re-executes itself with it. So its output for -v is checked before it
// is used, and again when the file has changed.

// genuine remembers the executables that are known to be HAProxy.
type genuine struct {
	mu    sync.Mutex
	known map[string]release // by path
}

// A release is an executable that is HAProxy, and its version.
type release struct {
	executable
	version string
}

// An executable identifies the content of a program.
type executable struct {
	inode, device     uint64
	size              int64
	modified, changed int64 // ns
}

// confirm returns an error unless the configured program is HAProxy: a
// *lb.UnavailableError for another program.
func (pr *program) confirm(ctx context.Context) error {
	path, err := pr.path()
	if err != nil {
		return err
	}
	version, err := pr.confirmFile(ctx, path)
	if err == nil {
		pr.keywords.learn(ctx, pr, path, version)
	}
	return err
}

// confirmMaster is confirm for the program that a master re-executes at a reload: the one it was
// started as.
func (pr *program) confirmMaster(ctx context.Context, pid int) error {
	path := startedAs(pid)
	if !filepath.IsAbs(path) {
		return nil // it is looked up in HAProxy's own environment
	}
	owner := ownerOf(pid)
	if os.Geteuid() == 0 && owner != 0 && (pr.cfg.User == nil || owner != pr.cfg.User.UID) {
		return nil // root runs nothing that another user has named
	}
	if _, err := os.Stat(path); err != nil {
		return nil //nolint:nilerr // HAProxy may see other files, and says so itself
	}
	_, err := pr.confirmFile(ctx, path)
	return err
}

// startedAs is the name that a process was started by (argv[0]), as far as that is the
// program that it runs; "" otherwise, as for one that an emulator runs. A dynamic loader
// may have been told the name (--argv0).
func startedAs(pid int) string {
	args := argumentsOf(pid)
	if len(args) > 2 && args[1] == "--argv0" {
		return args[2]
	}
	program, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil || len(args) == 0 {
		return ""
	}
	program = strings.TrimSuffix(program, " (deleted)")
	if resolved, err := filepath.EvalSymlinks(args[0]); program != args[0] && (err != nil || program != resolved) {
		return ""
	}
	return args[0]
}

// confirmFile returns the version of an executable that is HAProxy; empty: unknown.
func (pr *program) confirmFile(ctx context.Context, path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	now := executableOf(info)
	if version, ok := pr.genuine.version(path, now); ok {
		return version, nil
	}
	version, err := pr.versionOf(ctx, path)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case pr.cfg.Sudo && errors.Is(err, fs.ErrPermission):
		return "", nil // only root may run it
	case err != nil:
		return "", &lb.UnavailableError{What: fmt.Sprintf("%s is not HAProxy, so that it is neither started nor reloaded: %v", path, err)}
	case version != "" && !isScript(path): // a script may run another program the next time
		pr.genuine.add(path, release{now, version})
	}
	return version, nil
}

// versionOf is the version that an executable names for -v. The error says that it names
// none.
func (pr *program) versionOf(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	cmd := pr.withUser(pr.plain(ctx, path, "-v"))
	out := head.New(maxOutput)
	cmd.Stdout = out
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return "", fmt.Errorf("running it with -v: %w", err)
	}
	for line := range strings.Lines(out.String()) {
		// "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/"
		if fields := strings.Fields(line); len(fields) > 2 && (fields[0] == "HAProxy" || fields[0] == "HA-Proxy") && fields[1] == "version" {
			return fields[2], nil
		}
	}
	return "", fmt.Errorf("its answer to -v is %.100q, expected a line HAProxy version …", out.String())
}

func executableOf(info fs.FileInfo) executable {
	e := executable{size: info.Size(), modified: info.ModTime().UnixNano()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		e.inode, e.device, e.changed = stat.Ino, stat.Dev, stat.Ctim.Nano()
	}
	return e
}

// version is that of the executable at path, if it is known to be HAProxy.
func (g *genuine) version(path string, now executable) (string, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	known := g.known[path]
	return known.version, known.executable == now
}

func (g *genuine) add(path string, r release) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known == nil {
		g.known = map[string]release{}
	}
	g.known[path] = r
}
