package haproxy

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"thalassa/lb"
	"thalassa/statsock"
)

// A new worker inherits the listening sockets of the previous one by their paths. So it
// keeps a stats or peers socket whose path is gone (HAProxy 2.6 to 3.2). It creates a
// socket whose path has another spelling: /run/x.sock, /run//x.sock. A reload that
// recovers a path therefore changes its spelling in the file on disk. The master
// creates its own socket and the pid file at every reload.

const (
	// firstRecovery and lastRecovery bound the time between two reloads that recover
	// lost paths.
	firstRecovery = 10 * time.Second
	lastRecovery  = 10 * time.Minute
	// spellings is the number of other spellings of a path.
	spellings = 3
)

// A lostPath is a path that no longer leads to HAProxy, and the reason.
type lostPath struct{ path, why string }

// A recovery decides when a reload recovers lost paths, and with which spelling.
type recovery struct {
	cfg    *Config
	finder *finder
	router *router
	peers  *peersMonitor

	mu       sync.Mutex
	spelling int           // used last, 0 to spellings; 0: the usual one
	delay    time.Duration // between the last two reloads
	next     time.Time     // no reload before
}

// lost says which paths to a running HAProxy are lost, and whether a reload is due that
// creates them again.
func (rc *recovery) lost(ctx context.Context, seen observation) (lost []string, due bool) {
	if !seen.isRunning() {
		return nil, false
	}
	if why := rc.socketLoss(ctx, seen); why != "" {
		lost = append(lost, why)
	}
	if rc.finder.isMute(seen) {
		lost = append(lost, masterLoss(rc.cfg.MasterSocket, seen.whySilent))
	}
	for _, l := range rc.peers.lastLost() {
		lost = append(lost, l.why)
	}
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return lost, len(lost) > 0 && !time.Now().Before(rc.next)
}

// socketLoss says why the stats socket is lost; "": it is not. While the master does not
// answer the socket itself is checked.
func (rc *recovery) socketLoss(ctx context.Context, seen observation) string {
	why := rc.router.lostReason()
	if why == "" && seen.procs == nil {
		ctx, cancel := context.WithTimeout(ctx, socketTimeout)
		defer cancel()
		if _, err := statsock.Listener(ctx, rc.cfg.StatsSocket); statsock.NotListening(err) {
			return statsLoss(rc.cfg.StatsSocket, 0, err)
		}
	}
	return why
}

func masterLoss(path string, err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "master socket " + path + " does not exist any more"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens on the master socket " + path
	case errors.As(err, new(*statsock.ForeignError)):
		return "master socket " + path + " is somebody else's: " + err.Error()
	}
	return "what listens on the master socket " + path + " does not answer like HAProxy"
}

// respelled is a configuration with another spelling of paths in its "stats socket"
// lines and in the bind lines of peers sections. It is nil when no such line has a path.
func respelled(config []byte, paths []string, spelling int) []byte {
	var out strings.Builder
	section, found := "", false
	for line := range strings.Lines(string(config)) {
		words := strings.Fields(line)
		if len(words) > 0 && lb.IsSection(words[0]) {
			section = words[0]
		}
		binds := len(words) > 2 && words[0] == "stats" && words[1] == "socket" || len(words) > 1 && section == "peers" && words[0] == "bind"
		for _, path := range paths {
			if i := strings.Index(line, path); binds && i >= 0 && endsPath(line[i+len(path):]) {
				dir, base := filepath.Split(path)
				line = line[:i] + dir + strings.Repeat("/", spelling) + base + line[i+len(path):]
				found = true
			}
		}
		out.WriteString(line)
	}
	if !found {
		return nil
	}
	return []byte(out.String())
}

// endsPath reports whether a path ends before the rest of a line.
func endsPath(rest string) bool { return rest == "" || strings.ContainsAny(rest[:1], " \t\r\n\"',") }

// lostPaths are the paths that a worker can create with another spelling. A path that
// would fail is left out: after a failed reload HAProxy 3.2 inherits no socket.
func (rc *recovery) lostPaths(ctx context.Context, seen observation) (paths []string) {
	if rc.socketLoss(ctx, seen) != "" {
		paths = append(paths, rc.cfg.StatsSocket)
	}
	for _, l := range rc.peers.lastLost() {
		paths = append(paths, l.path)
	}
	uid := ownerOf(seen.master.pid)
	return slices.DeleteFunc(paths, func(path string) bool { return clearPath(path, uid) != nil })
}

// nextSpelling is a spelling that the previous worker was probably not started with.
func (rc *recovery) nextSpelling() int {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.spelling = rc.spelling%spellings + 1
	return rc.spelling
}

// noteReload returns a function to call after the reload. It sets the time of the next
// recovery when paths were lost before the reload.
func (rc *recovery) noteReload(ctx context.Context, before observation) (after func()) {
	if lost, _ := rc.lost(ctx, before); len(lost) == 0 {
		return func() {}
	}
	return func() {
		rc.router.forget()
		rc.mu.Lock()
		defer rc.mu.Unlock()
		if time.Since(rc.next) > lastRecovery {
			rc.delay = 0 // the last recovery has lasted
		}
		rc.delay = min(max(firstRecovery, 2*rc.delay), lastRecovery)
		rc.next = time.Now().Add(rc.delay)
	}
}
