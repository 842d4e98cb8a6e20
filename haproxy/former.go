package haproxy

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"thalassa/internal/safefile"
	"thalassa/statsock"
)

// Paths are the paths of the sockets and the pid file of a HAProxy.
type Paths struct{ StatsSocket, MasterSocket, PIDPath string }

// A running HAProxy cannot change its master socket. So symbolic links at the new paths
// lead to a HAProxy at the paths of an earlier release. The next reload replaces the link
// of the stats socket by a socket. The next start does so for the master socket and the
// pid file.

// formerPaths adopts a HAProxy at the paths of an earlier release.
type formerPaths struct {
	cfg    *Config
	logger *slog.Logger

	linking sync.Mutex // held while the links are made
}

// process is the Process of a HAProxy at the former paths.
func (fp *formerPaths) process() *Process {
	cfg := *fp.cfg
	cfg.StatsSocket, cfg.MasterSocket, cfg.PIDPath = cfg.Former.StatsSocket, cfg.Former.MasterSocket, cfg.Former.PIDPath
	cfg.Former, cfg.Logger = nil, slog.New(slog.DiscardHandler)
	return New(cfg)
}

// adopt finds a HAProxy with our configuration at the former paths, and links our paths
// to them. It must only be called while no HAProxy listens at ours.
func (fp *formerPaths) adopt(ctx context.Context) bool {
	if fp.cfg.Former == nil || fp.isLinked() {
		return false
	}
	f := fp.process()
	seen, err := f.finder.observe(ctx)
	if err != nil || !seen.isRunning() || f.processes.verify(seen.master.pid) != nil || !fp.readsConfig(seen.master.pid) {
		return false
	}
	fp.linking.Lock()
	defer fp.linking.Unlock()
	if fp.isLinked() { // another goroutine was faster
		return true
	}
	for _, pair := range fp.pairs() {
		if err := link(pair.former, pair.ours); err != nil {
			fp.logger.ErrorContext(ctx, "haproxy runs at its former path and is not adopted", "master_pid", seen.master.pid, "path", pair.former, "error", err)
			return false
		}
	}
	fp.logger.WarnContext(ctx, "haproxy runs at its former paths: its stats socket moves with the next reload, its master socket when it is started next",
		"master_pid", seen.master.pid, "former_master_socket", f.cfg.MasterSocket, "master_socket", fp.cfg.MasterSocket)
	return true
}

// isLinked reports whether the master socket is a link to the former one. It is the last
// link that is created.
func (fp *formerPaths) isLinked() bool {
	return leadsTo(fp.cfg.MasterSocket) == fp.cfg.Former.MasterSocket
}

// A pair is a former path and the present one.
type pair struct{ former, ours string }

func (fp *formerPaths) pairs() []pair {
	f := fp.cfg.Former
	if f == nil {
		return nil
	}
	// The master socket is last: see isLinked.
	all := []pair{{f.PIDPath, fp.cfg.PIDPath}, {f.StatsSocket, fp.cfg.StatsSocket}, {f.MasterSocket, fp.cfg.MasterSocket}}
	return slices.DeleteFunc(all, func(p pair) bool { return p.former == p.ours })
}

// link replaces the file at path by a symbolic link to target.
func link(target, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, path)
}

// leave removes the links, and the sockets of an ended HAProxy at the former paths.
func (fp *formerPaths) leave(ctx context.Context) {
	for _, pair := range fp.pairs() {
		if there, err := os.Readlink(pair.ours); err != nil || there != pair.former {
			continue
		}
		if err := os.Remove(pair.ours); err != nil {
			fp.logger.ErrorContext(ctx, "former path of haproxy not left", "path", pair.ours, "error", err)
			continue
		}
		fp.logger.InfoContext(ctx, "former path of haproxy left", "former", pair.former, "path", pair.ours)
	}
	if fp.cfg.Former == nil {
		return
	}
	f := fp.process()
	if _, err := f.finder.showProc(ctx); statsock.NotListening(err) {
		_ = os.Remove(f.cfg.MasterSocket) // there may be none
	}
	if _, err := f.router.showInfo(ctx); statsock.NotListening(err) {
		_ = os.Remove(f.cfg.StatsSocket)
	}
}

// readsConfig reports whether a HAProxy was started with our configuration. The arguments
// of an External HAProxy may differ, so it always counts.
func (fp *formerPaths) readsConfig(pid int) bool {
	if fp.cfg.Mode == External {
		return true
	}
	line, err := safefile.Read("/proc/"+strconv.Itoa(pid)+"/cmdline", maxProc)
	if err != nil {
		return false
	}
	args := strings.Split(string(line), "\x00")
	i := slices.Index(args, "-f")
	return i >= 0 && i+1 < len(args) && samePath(args[i+1], fp.cfg.ConfigPath)
}

// leadsTo is the target of a symbolic link; the path itself if it is none.
func leadsTo(path string) string {
	target, err := os.Readlink(path)
	if err != nil || !filepath.IsAbs(target) {
		return path
	}
	return target
}
