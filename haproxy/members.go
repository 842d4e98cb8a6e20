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

	"thalassa/lb"
)

// isChild reports whether a process is a child of another.
func isChild(pid, parent int) bool {
	stat, err := readStat(pid)
	return err == nil && parent > 0 && stat.parent == parent
}

// A member is a process that belongs to this HAProxy: its master, a worker, or what the
// master has started beside them.
type member struct {
	identity
	// child: it was seen as a child of a master that is ours, or of this program.
	// Otherwise it is judged by what it is, each time that it is signaled.
	child bool
}

// members finds the processes of this HAProxy, and tells them from others.
type members struct {
	cfg     *Config
	program *program
	files   *configFiles
}

// verifyNamed is vet for a process that was named by a socket. Where /proc hides it (hidepid)
// it is another user's, whom only sudo can signal: root's then, by root's own word,
// since nobody else may listen on the socket.
func (ms *members) verifyNamed(id identity) error {
	if id.born == "" && ms.cfg.Sudo {
		return nil
	}
	return ms.verify(id.pid)
}

// includes reports whether a process was started as this HAProxy.
func (ms *members) includes(pid int) bool { return ms.verify(pid) == nil }

// verify judges whether a process is this HAProxy: it was started with our master socket,
// which is as specific as it gets, runs HAProxy's program, and is a user's who may run
// HAProxy. Anybody can give a process any words; they count for nothing without the
// user. The error says what is wrong, as a *lb.UnavailableError.
func (ms *members) verify(pid int) error {
	var wrong string
	switch {
	case !ms.hasMasterSocket(pid):
		wrong = "was not started with -W -S " + ms.cfg.MasterSocket
	case !ms.runsHAProxy(pid):
		wrong = "runs another program"
	default:
		wrong = ms.wrongUser(pid)
	}
	if wrong == "" {
		return nil
	}
	return &lb.UnavailableError{What: fmt.Sprintf("process %d is not this HAProxy: it %s", pid, wrong)}
}

// hasMasterSocket reports whether the command line has our master socket.
func (ms *members) hasMasterSocket(pid int) bool {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil || !bytes.Contains(line, []byte("\x00-S\x00")) {
		return false
	}
	args := strings.Split(string(line), "\x00")
	for i, arg := range args {
		if i == 0 || args[i-1] != "-S" {
			continue
		}
		named, _, _ := strings.Cut(strings.TrimPrefix(arg, "unix@"), ",")
		if samePath(named, ms.cfg.MasterSocket) || samePath(named, leadsTo(ms.cfg.MasterSocket)) {
			return slices.Contains(args, "-W") || slices.Contains(args, "-Ws")
		}
	}
	return false
}

// samePath reports whether two paths are one, also by another spelling of the
// directory (/var/run is /run). What they lead to need not be there.
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

// runsHAProxy reports whether a process runs HAProxy's program, or one that an upgrade
// has replaced since. Where another program starts HAProxy (a script, sudo) that counts
// as well. A program that may not be seen is another user's, or has rights that we have
// not: the user decides then.
func (ms *members) runsHAProxy(pid int) bool {
	link := "/proc/" + strconv.Itoa(pid) + "/exe"
	program, err := os.Readlink(link)
	if err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	program = strings.TrimSuffix(program, " (deleted)")
	name := filepath.Base(program)
	if strings.HasPrefix(name, "haproxy") || ms.cfg.Sudo && name == "sudo" {
		return true
	}
	binary, err := ms.program.path()
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
	f, err := openFile(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 2)
	n, _ := f.Read(head)
	return string(head[:n]) == "#!"
}

// wrongUser says whose a process is when that is nobody who may run HAProxy; "" else.
// Both who has started it and as whom it acts count.
func (ms *members) wrongUser(pid int) string {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return "does not tell whose it is"
	}
	_, line, _ := strings.Cut(string(status), "\nUid:")
	line, _, _ = strings.Cut(line, "\n")
	ids := strings.Fields(line)
	if len(ids) < 2 {
		return "does not tell whose it is"
	}
	for _, id := range ids[:2] { // real and effective
		uid, err := strconv.ParseUint(id, 10, 32)
		if err != nil || !ms.mayRun(uint32(uid)) {
			return "is run by " + userOf(id)
		}
	}
	return ""
}

// mayRun reports whether a user may run HAProxy, or its workers.
func (ms *members) mayRun(uid uint32) bool {
	if uid == 0 || int(uid) == os.Geteuid() || slices.Contains(ms.cfg.users(), uid) {
		return true
	}
	// HAProxy that is started as another user's cannot become a third one's.
	return ms.cfg.User == nil && slices.Contains(ms.workerUsers(), uid)
}

// workerUsers are those that haproxy.cfg has the workers run as. A template may name
// others than the settings do.
func (ms *members) workerUsers() []uint32 {
	var out []uint32
	for _, path := range []string{ms.cfg.ConfigPath, ms.files.lastGood()} {
		config, err := ms.files.read(path)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(config) {
			f := strings.Fields(string(line))
			if len(f) < 2 || f[0] != "user" && f[0] != "uid" {
				continue
			}
			name := strings.Trim(f[1], `"'`)
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

// userOf is a user as errors tell it.
func userOf(id string) string {
	if u, err := user.LookupId(id); err == nil {
		return u.Username + " (uid " + id + ")"
	}
	return "uid " + id
}
