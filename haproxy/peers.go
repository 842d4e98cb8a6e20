package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"

	"thalassa/statsock"
)

// A peersMonitor watches the peers sockets over which a new worker gets the stick tables.
type peersMonitor struct {
	cfg    *Config
	logger *slog.Logger
	files  *configFiles

	mu        sync.Mutex
	lost      []lostPath       // at the last check
	file      inode            // the file on disk that known was read from
	known     []string         // the peers sockets of that file
	listening map[string]inode // those that HAProxy was found to listen on
}

// check looks for the peers sockets of the file on disk, which must be what HAProxy
// runs. It logs when sockets get lost and when all are back.
func (pm *peersMonitor) check(ctx context.Context, master identity) {
	var lost []lostPath
	for _, path := range pm.paths() {
		if why := pm.pathLoss(ctx, path, master); why != "" {
			lost = append(lost, lostPath{path, why})
		}
	}
	pm.mu.Lock()
	before := pm.lost
	pm.lost = lost
	pm.mu.Unlock()
	switch {
	case len(lost) > 0 && len(before) == 0:
		pm.logger.WarnContext(ctx, "peers socket lost, stick tables would not outlive a reload", "path", lost[0].path, "reason", lost[0].why)
	case len(lost) == 0 && len(before) > 0:
		pm.logger.InfoContext(ctx, "peers socket is there again", "path", before[0].path)
	}
}

// lastLost are the peers sockets that were lost at the last check.
func (pm *peersMonitor) lastLost() []lostPath {
	pm.mu.Lock()
	defer pm.mu.Unlock()
	return pm.lost
}

func (pm *peersMonitor) pathLoss(ctx context.Context, path string, master identity) string {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "peers socket " + path + " does not exist any more"
	case err != nil:
		return "" // this user may not see it
	case info.Mode().Type() != fs.ModeSocket:
		return "something else than a socket is at " + path + ", where the peers socket was"
	}
	if why := pm.foreignListener(ctx, path, master); why != "" {
		return "peers socket " + path + ": " + why
	}
	return ""
}

// paths are the peers sockets of the file on disk. It reads the file when it has changed.
func (pm *peersMonitor) paths() []string {
	now := inodeAt(pm.cfg.ConfigPath)
	pm.mu.Lock()
	known, paths := pm.file, pm.known
	pm.mu.Unlock()
	if now == known {
		return paths
	}
	config, err := pm.files.read(pm.cfg.ConfigPath)
	if err != nil {
		return nil
	}
	paths = peersSockets(config)
	pm.mu.Lock()
	defer pm.mu.Unlock()
	pm.file, pm.known = now, paths
	return paths
}

// foreignListener says which other process listens at a path; "": HAProxy listens, or
// that is unknown. A process that has ended has passed its socket on.
func (pm *peersMonitor) foreignListener(ctx context.Context, path string, master identity) string {
	now := inodeAt(path)
	pm.mu.Lock()
	known := pm.listening[path]
	pm.mu.Unlock()
	if known == now {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, socketTimeout)
	defer cancel()
	pid, err := statsock.Listener(ctx, path)
	switch {
	case statsock.NotListening(err):
		return "nobody listens there"
	case err != nil:
		return "" // this user may not connect
	case pid != master.pid && !isChild(pid, master.pid):
		if _, lives := identify(pid); lives {
			return fmt.Sprintf("process %d, which is not HAProxy's, listens there", pid)
		}
	}
	pm.mu.Lock()
	defer pm.mu.Unlock()
	pm.listening[path] = now
	return ""
}

// peersSockets are the unix sockets that the peers sections of a configuration bind.
func peersSockets(config []byte) (paths []string) {
	for l := range configLines(config) {
		if l.section == "peers" && l.words[0] == "bind" && len(l.words) > 1 {
			paths = append(paths, unixPaths(l.words[1])...)
		}
	}
	return paths
}

// unixPaths are the paths among the addresses of a bind line, e.g. unix@/run/x.sock. An
// environment variable is not expanded.
func unixPaths(addresses string) (paths []string) {
	for _, a := range bindAddresses(addresses) {
		if a.path != "" {
			paths = append(paths, a.path)
		}
	}
	return paths
}
