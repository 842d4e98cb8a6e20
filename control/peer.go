package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/internal/batch"
	"thalassa/lb"
)

const (
	// peerTime is how long finding out about a connection may take, and looksAtOnce how
	// many looks at /proc there are at the same time. A HAProxy with many connections has
	// as many entries in /proc. Connections that wait for a look share it.
	peerTime    = 5 * time.Second
	looksAtOnce = 2
	// maxProcFile bounds what is read of a file in /proc.
	maxProcFile = 64 << 10
)

// ErrHAProxy says that the connection comes from HAProxy, so anybody who reaches a frontend may
// have sent it.
var ErrHAProxy = errors.New("the connection comes out of HAProxy")

// Peers finds out whether connections to this node's API come from HAProxy. Make it with NewPeers;
// all methods may be called concurrently.
type Peers struct {
	program string
	paths   []string
	users   []uint32
	proc    string // where proc(5) is mounted

	looking chan struct{}          // has a value for each look under way
	queue   batch.Queue[*question] // a look answers all that wait when it begins
}

// NewPeers makes Peers for a HAProxy whose program has this path, which is started with
// one of these paths (of its configuration, of its master socket), and whose workers
// run as one of these users where that is not the agent's own. Connections of any other
// HAProxy on the machine count as well, as far as the agent may look.
func NewPeers(program string, paths []string, users ...uint32) *Peers {
	return &Peers{program: filepath.Base(program), paths: paths, users: users, proc: "/proc", looking: make(chan struct{}, looksAtOnce)}
}

// Check finds out whether HAProxy is the other end of a connection that was accepted at the address
// to, from the address from. The error is nil where it is not, ErrHAProxy where it is, and another
// where that cannot be found out: the other end is on this node and has closed already, or belongs
// to a user whose HAProxy the agent may not examine.
func (p *Peers) Check(ctx context.Context, from, to netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, peerTime)
	defer cancel()
	owner, err := findSocket(from, to)
	if errors.Is(err, errNoSocket) { // the kernel's table may miss one while it changes
		owner, err = findSocket(from, to)
	}
	if err != nil {
		local, localErr := localPrefixes()
		if localErr == nil && !(&lb.Control{Local: local}).IsLocal(from.Addr()) {
			return nil // another machine's
		}
		return errors.Join(err, localErr)
	}
	if err := p.ask(ctx, owner); err != nil {
		return err
	}
	// Who held it may have ended before their sockets were read.
	if now, err := findSocket(from, to); err != nil || now != owner {
		return errors.Join(errNoSocket, err)
	}
	return nil
}

// A process is a HAProxy.
type process struct {
	pid, parent int
	uid         uint32 // whose files it opens
	leads       bool   // other ones are its children
}

// processes finds every HAProxy on this machine, no matter who started it.
func (p *Peers) processes() ([]process, error) {
	dir, err := os.Open(p.proc)
	if err != nil {
		return nil, fmt.Errorf("looking for HAProxy's processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("looking for HAProxy's processes: %w", err)
	}
	var out []process
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			if h, ok := p.haproxy(pid); ok {
				out = append(out, h)
			}
		}
	}
	for i := range out {
		out[i].leads = slices.ContainsFunc(out, func(h process) bool { return h.parent == out[i].pid })
	}
	return out, nil
}

// haproxy reads a process; false when it is no HAProxy, or has ended.
func (p *Peers) haproxy(pid int) (process, bool) {
	status, err := p.read(pid, "status")
	if err != nil {
		return process{}, false
	}
	h, name := process{pid: pid}, ""
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		words := strings.Fields(value)
		switch {
		case key == "Name":
			name = strings.TrimSpace(value)
		case key == "State" && len(words) > 0 && (words[0] == "Z" || words[0] == "X"):
			return h, false // it has ended, and holds nothing
		case key == "PPid" && len(words) == 1:
			h.parent, _ = strconv.Atoi(words[0]) // the kernel writes numbers
		case key == "Uid" && len(words) == 4: // real, effective, saved, of the file system
			uid, _ := strconv.ParseUint(words[3], 10, 32)
			h.uid = uint32(uid)
		}
	}
	return h, p.isHAProxy(pid, name)
}

// isHAProxy reports whether a process is a HAProxy by the name of its program, which
// the kernel cuts at 15 bytes, or by what was started, as it is when the dynamic
// linker was named in front.
func (p *Peers) isHAProxy(pid int, name string) bool {
	programs := []string{p.program, "haproxy"}
	for _, program := range programs {
		if name == program[:min(len(program), 15)] {
			return true
		}
	}
	commandLine, err := p.read(pid, "cmdline")
	if err != nil {
		return false
	}
	words := strings.Split(commandLine, "\x00")
	if !strings.HasPrefix(name, "ld-") && !strings.HasPrefix(name, "ld.") {
		words = words[:1]
	}
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(programs, filepath.Base(w)) })
}

// isForeign reports whether a HAProxy was certainly started with other files than this
// node's. Workers have the command line of their master.
func (p *Peers) isForeign(pid int) bool {
	commandLine, err := p.read(pid, "cmdline")
	if err != nil || len(p.paths) == 0 {
		return false
	}
	words, files := strings.Split(commandLine, "\x00"), 0
	for i, w := range words {
		if slices.ContainsFunc(p.paths, func(path string) bool {
			return strings.HasPrefix(w, path) || filepath.IsAbs(w) && strings.HasPrefix(path, filepath.Clean(w)+"/")
		}) {
			return false
		}
		if i > 0 && words[i-1] == "-f" {
			if !filepath.IsAbs(w) {
				return false // of a folder that is not known here
			}
			files++
		}
	}
	return files > 0
}

func (p *Peers) read(pid int, file string) (string, error) {
	f, err := os.Open(filepath.Join(p.proc, strconv.Itoa(pid), file))
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxProcFile))
	return string(data), err
}
