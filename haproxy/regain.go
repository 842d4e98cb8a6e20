package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"thalassa/lb"
	"thalassa/statsock"
)

// A new worker inherits the listening sockets of the one before, by their paths, and
// so goes on with a stats or peers socket whose path is gone (HAProxy 2.6 to 3.2). It
// makes one anew whose path is spelled in another way: /run/x.sock, /run//x.sock. So
// for a reload that is to bring a path back the file on disk has another spelling.
// The master makes its own socket, and the pid file, anew at every reload.

const (
	// firstRegain and lastRegain bound the time between two reloads that are to bring
	// lost paths back; whoever removes them once more waits for the next.
	firstRegain = 10 * time.Second
	lastRegain  = 10 * time.Minute
	// spellings is how many other ones of a path there are.
	spellings = 3
)

// A regain is what was tried to get lost paths back.
type regain struct {
	spelling int // used last, 0 to spellings; 0: the usual one
	delay    time.Duration
	next     time.Time // no other try before
}

// A silence is a living master that does not answer on its socket.
type silence struct {
	master identity
	err    error
	since  time.Time
}

// noteSilence tells, once, of a master socket that is lost and that answers again; the
// zero value is a master that answers.
func (p *Process) noteSilence(s silence) {
	p.mu.Lock()
	before := p.silence
	s.since = time.Now()
	if before.err != nil && before.master == s.master {
		s.since = before.since
	}
	p.silence = s
	p.mu.Unlock()
	if s.err == nil && before.err != nil && time.Since(before.since) > patience {
		p.logger.Info("haproxy's master answers again", "path", p.cfg.MasterSocket)
	}
}

// isMute reports whether the master of a view has lost its socket for good.
func (p *Process) isMute(v view) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return v.running() && v.procs == nil && p.silence.err != nil && p.silence.master == v.master && time.Since(p.silence.since) > patience
}

// A loss is a path that does not lead to HAProxy any more, and why.
type loss struct{ path, why string }

// lost says which ways to a HAProxy that runs are lost, and whether a reload is due that
// makes them anew.
func (p *Process) lost(ctx context.Context, v view) (lost []string, due bool) {
	if !v.running() {
		return nil, false
	}
	if why := p.whySocketLost(ctx, v); why != "" {
		lost = append(lost, why)
	}
	if p.isMute(v) {
		lost = append(lost, whyMute(p.cfg.MasterSocket, v.silent))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lostPeers {
		lost = append(lost, l.why)
	}
	return lost, len(lost) > 0 && !time.Now().Before(p.regain.next)
}

// whySocketLost is lostSocket, which is not known while the master cannot be asked.
func (p *Process) whySocketLost(ctx context.Context, v view) string {
	why := p.lostSocket()
	if why == "" && v.procs == nil {
		ctx, cancel := context.WithTimeout(ctx, trial)
		defer cancel()
		if _, err := statsock.Listener(ctx, p.cfg.StatsSocket); statsock.NotListening(err) {
			return whyLost(p.cfg.StatsSocket, 0, err)
		}
	}
	return why
}

func whyMute(path string, err error) string {
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

// respelled is a configuration with another spelling of paths, in the lines that bind
// them for control: "stats socket" and the binds of peers. It is nil when no line does.
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

// lostPaths are those that a worker can make anew when they are spelled in another way.
// What would fail is not tried: after a reload that failed HAProxy 3.2 inherits no socket.
func (p *Process) lostPaths(ctx context.Context, v view) (paths []string) {
	if p.whySocketLost(ctx, v) != "" {
		paths = append(paths, p.cfg.StatsSocket)
	}
	p.mu.Lock()
	for _, l := range p.lostPeers {
		paths = append(paths, l.path)
	}
	p.mu.Unlock()
	uid := owner(v.master.pid)
	return slices.DeleteFunc(paths, func(path string) bool { return clearPath(path, uid) != nil })
}

// reload lets the master read the file on disk and waits until a new worker
// serves, which has what the file says. The error is a *lb.RefusedError of stage
// "start" when HAProxy does not start with the file, or has something else; whether the
// old worker still serves is for the caller to find out. Another error leaves the
// outcome open. Lost paths are made anew where that can be.
func (p *Process) reload(ctx context.Context, before view, config []byte, fingerprint string) (worker int, err error) {
	if err := p.clearWay(before.master); err != nil {
		return 0, fmt.Errorf("reloading haproxy: %w", err)
	}
	_, _ = p.showInfo(ctx) // whether the stats socket is lost may not have been noticed yet
	defer p.noteRegain(ctx, before)()
	file, readErr := p.read(p.cfg.ConfigPath)
	var anew []byte
	if paths := p.lostPaths(ctx, before); readErr == nil && len(paths) > 0 {
		anew = respelled(file, paths, p.nextSpelling())
	}
	if anew == nil {
		return p.reloadFile(ctx, before, config, fingerprint)
	}
	if err := replace(p.cfg.ConfigPath, anew); err != nil {
		return 0, fmt.Errorf("reloading haproxy: %w", err)
	}
	if config == nil {
		worker, err = p.reloadFile(ctx, before, nil, "")
	} else {
		worker, err = p.reloadFile(ctx, before, anew, fingerprint)
	}
	if sameFile(p.cfg.ConfigPath, anew) {
		if err := replace(p.cfg.ConfigPath, file); err != nil {
			p.logger.ErrorContext(ctx, "configuration has an unusual spelling of its sockets", "path", p.cfg.ConfigPath, "error", err)
		}
	}
	if !errors.As(err, new(*lb.RefusedError)) {
		return worker, err
	}
	p.logger.WarnContext(ctx, "sockets cannot be made anew, reloading without that", "error", err)
	if before, err = p.settle(ctx); err != nil || !before.running() {
		return 0, &lb.UnavailableError{What: "HAProxy has ended while it was reloaded"}
	}
	return p.reloadFile(ctx, before, config, fingerprint)
}

// nextSpelling is one that the worker before has not been started with, probably.
func (p *Process) nextSpelling() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.regain.spelling = p.regain.spelling%spellings + 1
	return p.regain.spelling
}

// noteRegain notes a reload while paths are lost, once that is over.
func (p *Process) noteRegain(ctx context.Context, before view) (after func()) {
	if lost, _ := p.lost(ctx, before); len(lost) == 0 {
		return func() {}
	}
	return func() {
		p.forgetRoute()
		p.mu.Lock()
		defer p.mu.Unlock()
		if time.Since(p.regain.next) > lastRegain {
			p.regain.delay = 0 // what was lost before has held for long
		}
		p.regain.delay = min(max(firstRegain, 2*p.regain.delay), lastRegain)
		p.regain.next = time.Now().Add(p.regain.delay)
	}
}

// keepPaths sees to what leads to a master that lives: what needs no reload is put right,
// and a stats socket that is lost is noticed.
func (p *Process) keepPaths(ctx context.Context, master identity) {
	p.keepFolders(master)
	p.keepPIDFile(master)
	ctx, cancel := context.WithTimeout(ctx, question)
	defer cancel()
	_ = p.worker(ctx)
}

// clearWay makes sure that a reload does not end HAProxy: the master makes its socket
// and its pid file anew, and where it cannot it ends with all its workers (2.6 to 3.2).
// Directories that are gone are made, and what stands in the way is removed.
func (p *Process) clearWay(master identity) error {
	p.keepFolders(master)
	for _, path := range p.ownPaths(master) {
		if err := clearPath(path, owner(master.pid)); err != nil {
			return &lb.UnavailableError{What: fmt.Sprintf("HAProxy would end at a reload, because it cannot make %s anew: %v", path, err)}
		}
	}
	return nil
}

// ownPaths are those that a master makes anew at every reload.
func (p *Process) ownPaths(master identity) (paths []string) {
	if p.isOurs(master.pid) {
		paths = append(paths, p.cfg.MasterSocket)
	}
	if slices.Contains(p.pidPaths(master.pid), p.cfg.PIDPath) {
		paths = append(paths, p.cfg.PIDPath)
	}
	return paths
}

// keepFolders makes the folders anew of what a master makes at a reload by anybody.
func (p *Process) keepFolders(master identity) {
	p.makeFolders(append(p.ownPaths(master), p.cfg.StatsSocket))
}

// makeFolders makes the folders of paths that are missing.
func (p *Process) makeFolders(paths []string) {
	for _, path := range paths {
		dir := filepath.Dir(path)
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := p.makeFolder(dir); err != nil {
			p.logger.Error("directory of haproxy's sockets is missing and cannot be made", "path", dir, "error", err)
			continue
		}
		p.logger.Warn("directory of haproxy's sockets was missing, made anew", "path", dir)
	}
}

func (p *Process) makeFolder(dir string) error {
	if p.cfg.MakeFolder != nil {
		return p.cfg.MakeFolder(dir)
	}
	err := os.MkdirAll(dir, 0o750)
	if u := p.cfg.User; u != nil && err == nil {
		err = os.Lchown(dir, int(u.UID), int(u.GID)) // the folder around it may be that user's
	}
	return err
}

// clearPath checks that a user can make something at a path, and removes what that
// user could not replace.
func clearPath(path string, uid uint32) error {
	dir := filepath.Dir(path)
	folder, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !folder.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	}
	if uid == uint32(os.Geteuid()) { //nolint:gosec // ids are never negative on Linux
		if err := unix.Access(dir, unix.W_OK); err != nil {
			return fmt.Errorf("directory %s: %w", dir, err)
		}
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil //nolint:nilerr // there is nothing in the way
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if info.IsDir() || ok && uid != 0 && stat.Uid != uid {
		return os.Remove(path)
	}
	return nil
}
