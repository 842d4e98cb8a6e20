package haproxy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"thalassa/internal/safefile"
	"thalassa/lb"
)

// isChild reports whether a process is a child of another.
func isChild(pid, parent int) bool {
	stat, err := readStat(pid)
	return err == nil && parent > 0 && stat.parent == parent
}

// An ownProcess is a process of this HAProxy: its master, a worker, or another child of the
// master.
type ownProcess struct {
	identity
	// child: it is a child of our master or of this program. Others are verified
	// each time before they are signaled.
	child bool
}

// ownProcesses finds the processes of this HAProxy and verifies them.
type ownProcesses struct {
	cfg     *Config
	program *program
	files   *configFiles
}

// verifyNamed is verify for a process that a socket has named. A process that /proc
// hides (hidepid) is another user's. It is accepted with sudo: only root can listen on
// the socket then.
func (ps *ownProcesses) verifyNamed(id identity) error {
	if id.born == "" && ps.cfg.Sudo {
		return nil
	}
	return ps.verify(id.pid)
}

// includes reports whether a process was started as this HAProxy.
func (ps *ownProcesses) includes(pid int) bool { return ps.verify(pid) == nil }

// verify checks that a process is this HAProxy: it was started with our master socket,
// runs HAProxy's program, and belongs to a user who may run HAProxy. The user decides,
// because anybody can choose the arguments of a process. The error is a
// *lb.UnavailableError.
func (ps *ownProcesses) verify(pid int) error {
	var wrong string
	switch {
	case !ps.hasMasterSocket(pid):
		wrong = "was not started with -W -S " + ps.cfg.MasterSocket
	case !ps.runsHAProxy(pid):
		wrong = "runs another program"
	default:
		wrong = ps.wrongUser(pid)
	}
	if wrong == "" && ps.cfg.refuseOther(pid) != nil {
		wrong = "was started with another file than " + ps.cfg.ConfigPath
	}
	if wrong == "" {
		return nil
	}
	return &lb.UnavailableError{What: fmt.Sprintf("process %d is not this HAProxy: it %s", pid, wrong)}
}

// hasMasterSocket reports whether the command line of a process has our master socket.
func (ps *ownProcesses) hasMasterSocket(pid int) bool {
	line, err := safefile.Read("/proc/"+strconv.Itoa(pid)+"/cmdline", maxProc)
	if err != nil || !bytes.Contains(line, []byte("\x00-S\x00")) {
		return false
	}
	args := strings.Split(string(line), "\x00")
	for i, arg := range args {
		if i == 0 || args[i-1] != "-S" {
			continue
		}
		named, _, _ := strings.Cut(strings.TrimPrefix(arg, "unix@"), ",")
		if samePath(named, ps.cfg.MasterSocket) || samePath(named, leadsTo(ps.cfg.MasterSocket)) {
			return slices.Contains(args, "-W") || slices.Contains(args, "-Ws")
		}
	}
	return false
}

// samePath reports whether two paths are equal after their directories are resolved
// (/var/run is /run). The files need not exist.
func samePath(one, other string) bool {
	if one == other {
		return true
	}
	if filepath.Base(one) != filepath.Base(other) || !filepath.IsAbs(one) {
		return false
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(one))
	if err != nil {
		return false
	}
	otherDir, err := filepath.EvalSymlinks(filepath.Dir(other))
	return err == nil && dir == otherDir
}

// runsHAProxy reports whether a process runs HAProxy's program, or the one that an
// upgrade has replaced. A script or sudo that starts HAProxy counts as well. So does a
// program that this user may not see: its user decides.
func (ps *ownProcesses) runsHAProxy(pid int) bool {
	link := "/proc/" + strconv.Itoa(pid) + "/exe"
	program, err := os.Readlink(link)
	if err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	program = strings.TrimSuffix(program, " (deleted)")
	name := filepath.Base(program)
	if strings.HasPrefix(name, "haproxy") || ps.cfg.Sudo && name == "sudo" {
		return true
	}
	binary, err := ps.program.path()
	if err != nil {
		return false
	}
	if isScript(binary) {
		return true
	}
	configured, err := os.Stat(binary)
	running, runningErr := os.Stat(link)
	resolved, _ := filepath.EvalSymlinks(binary)
	return program == resolved || err == nil && runningErr == nil && os.SameFile(configured, running)
}

// isScript reports whether a program is run by another one.
func isScript(path string) bool {
	f, err := safefile.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 2)
	n, _ := f.Read(head)
	return string(head[:n]) == "#!"
}

// wrongUser names the user of a process when that user may not run HAProxy; "": the user
// may. The real and the effective user count.
func (ps *ownProcesses) wrongUser(pid int) string {
	status, err := safefile.Read("/proc/"+strconv.Itoa(pid)+"/status", maxProc)
	if err != nil {
		return "has no readable user"
	}
	_, line, _ := strings.Cut(string(status), "\nUid:")
	line, _, _ = strings.Cut(line, "\n")
	ids := strings.Fields(line)
	if len(ids) < 2 {
		return "has no readable user"
	}
	for _, id := range ids[:2] { // real and effective
		uid, err := strconv.ParseUint(id, 10, 32)
		if err != nil || !ps.mayRun(uint32(uid)) {
			return "is run by " + userOf(id)
		}
	}
	return ""
}

// mayRun reports whether a user may run HAProxy, or its workers.
func (ps *ownProcesses) mayRun(uid uint32) bool {
	if uid == 0 || int(uid) == os.Geteuid() || slices.Contains(ps.cfg.users(), uid) {
		return true
	}
	// HAProxy that starts as another user cannot change to a third one.
	return ps.cfg.User == nil && slices.Contains(ps.workerUsers(), uid)
}

// workerUsers are the users that haproxy.cfg sets for the workers. A template may set
// others than Config.
func (ps *ownProcesses) workerUsers() []uint32 {
	var out []uint32
	for _, path := range []string{ps.cfg.ConfigPath, ps.files.lastGood()} {
		config, err := ps.files.read(path)
		if err != nil {
			continue
		}
		for l := range configLines(config) {
			if len(l.words) < 2 || l.words[0] != "user" && l.words[0] != "uid" {
				continue
			}
			name := l.words[1]
			if u, err := user.Lookup(name); err == nil {
				name = u.Uid
			}
			if uid, err := strconv.ParseUint(name, 10, 32); err == nil {
				out = append(out, uint32(uid))
			}
		}
	}
	return out
}

// userOf is the name of a user for an error.
func userOf(id string) string {
	if u, err := user.LookupId(id); err == nil {
		return u.Username + " (uid " + id + ")"
	}
	return "uid " + id
}
