package haproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"thalassa/lb"
)

// A member is a process that belongs to this HAProxy: its master, a worker, or what the
// master has started beside them.
type member struct {
	identity
	// child: it was seen as a child of a master that is ours, or of this program.
	// Otherwise it is judged by what it is, each time that it is signaled.
	child bool
}

// kin lists a master, if it lives, with its children, and whatever else was started
// with our master socket in our process-id namespace. A process that is not HAProxy as
// started here, whoever names it as the master, is an error, and neither it nor its
// children are members.
func (p *Process) kin(master identity) ([]member, error) {
	var members []member
	var stranger error
	if master.alive() {
		if stranger = p.judge(master); stranger == nil {
			members = append(members, member{identity: master})
			members = append(members, children(master.pid)...)
		}
	}
	for _, id := range p.ours() {
		if !slices.ContainsFunc(members, func(m member) bool { return m.identity == id }) {
			members = append(members, member{identity: id})
		}
	}
	return members, stranger
}

// started lists what this program has started and not waited for yet, with its
// children: sudo and what that has started.
func started(c *child) []member {
	if !isChild(c.pid, os.Getpid()) {
		return nil
	}
	id, ok := identify(c.pid)
	if !ok {
		return nil
	}
	return append([]member{{identity: id, child: true}}, children(c.pid)...)
}

// children lists the living children of a process.
func children(pid int) []member {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil // the pattern is right
	}
	var members []member
	for _, path := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || !isChild(child, pid) {
			continue
		}
		if id, ok := identify(child); ok {
			members = append(members, member{identity: id, child: true})
		}
	}
	return members
}

// signal sends a signal to a member, with sudo's help where it is another user's. A
// process that is gone is no error. The process is held by a descriptor (pidfd, where
// the kernel has that) from before it is judged until it is signaled, so that the
// number cannot come to mean another one meanwhile.
func (p *Process) signal(ctx context.Context, m member, sig syscall.Signal) error {
	process, err := os.FindProcess(m.pid)
	if err != nil {
		return fmt.Errorf("sending %s to process %d: %w", sig, m.pid, err)
	}
	defer process.Release() //nolint:errcheck // nothing is lost with it
	if !m.alive() {
		return nil
	}
	if !m.child {
		if err := p.judge(m.identity); err != nil {
			return fmt.Errorf("sending %s: %w", sig, err)
		}
	}
	err = process.Signal(sig)
	if errors.Is(err, syscall.EPERM) && p.cfg.Sudo {
		err = p.sudo(ctx, "/bin/kill", "-"+strconv.Itoa(int(sig)), strconv.Itoa(m.pid)).Run()
	}
	if err != nil && m.alive() {
		return fmt.Errorf("sending %s to haproxy (process %d): %w", sig, m.pid, err)
	}
	return nil
}

// judge is vet for a process that was named by a socket. Where /proc hides it (hidepid)
// it is another user's, whom only sudo can signal: root's then, by root's own word,
// since nobody else may listen on the socket.
func (p *Process) judge(id identity) error {
	if id.born == "" && p.cfg.Sudo {
		return nil
	}
	return p.vet(id.pid)
}

// isOurs reports whether a process was started as this HAProxy.
func (p *Process) isOurs(pid int) bool { return p.vet(pid) == nil }

// vet judges whether a process is this HAProxy: it was started with our master socket,
// which is as specific as it gets, runs HAProxy's program, and is a user's who may run
// HAProxy. Anybody can give a process any words; they count for nothing without the
// user. The error says what is wrong, as a *lb.UnavailableError.
func (p *Process) vet(pid int) error {
	var wrong string
	switch {
	case !p.hasOurSocket(pid):
		wrong = "was not started with -W -S " + p.cfg.MasterSocket
	case !p.runsHAProxy(pid):
		wrong = "runs another program"
	default:
		wrong = p.wrongUser(pid)
	}
	if wrong == "" {
		return nil
	}
	return &lb.UnavailableError{What: fmt.Sprintf("process %d is not this HAProxy: it %s", pid, wrong)}
}

// hasOurSocket reports whether the command line has our master socket.
func (p *Process) hasOurSocket(pid int) bool {
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
		if samePath(named, p.cfg.MasterSocket) || samePath(named, leadsTo(p.cfg.MasterSocket)) {
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
func (p *Process) runsHAProxy(pid int) bool {
	link := "/proc/" + strconv.Itoa(pid) + "/exe"
	program, err := os.Readlink(link)
	if err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	program = strings.TrimSuffix(program, " (deleted)")
	name := filepath.Base(program)
	if strings.HasPrefix(name, "haproxy") || p.cfg.Sudo && name == "sudo" {
		return true
	}
	binary, err := p.binary()
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
func (p *Process) wrongUser(pid int) string {
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
		if err != nil || !p.mayRun(uint32(uid)) {
			return "is run by " + userOf(id)
		}
	}
	return ""
}

// mayRun reports whether a user may run HAProxy, or its workers.
func (p *Process) mayRun(uid uint32) bool {
	if uid == 0 || int(uid) == os.Geteuid() || slices.Contains(p.cfg.users(), uid) {
		return true
	}
	// HAProxy that is started as another user's cannot become a third one's.
	return p.cfg.User == nil && slices.Contains(p.workerUsers(), uid)
}

// workerUsers are those that haproxy.cfg has the workers run as. A template may name
// others than the settings do.
func (p *Process) workerUsers() []uint32 {
	var out []uint32
	for _, path := range []string{p.cfg.ConfigPath, p.lastGood()} {
		config, err := p.read(path)
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
