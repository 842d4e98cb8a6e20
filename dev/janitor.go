package dev

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// A Janitor is a small process that outlives the program's death by any cause,
// kill -9 included, and then clears its folder away: it ends the processes whose
// command lines name the folder and removes it.
type Janitor struct {
	lifeline io.Closer
	cmd      *exec.Cmd
}

// StartJanitor runs command (this program, in a form that calls Sweep) in a
// session of its own. It begins to sweep when Close is called or this process
// is gone.
func StartJanitor(command string, args ...string) (*Janitor, error) {
	cmd := exec.Command(command, args...) //nolint:gosec,noctx // our own executable, and it must outlive every context
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the janitor: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the janitor: %w", err)
	}
	return &Janitor{lifeline: lifeline, cmd: cmd}, nil
}

// Close lets the janitor sweep and waits until it has.
func (j *Janitor) Close() error {
	_ = j.lifeline.Close()
	if err := j.cmd.Wait(); err != nil {
		return fmt.Errorf("waiting for the janitor: %w", err)
	}
	return nil
}

// Sweep waits until lifeline ends, then kills every HAProxy and Consul whose
// command line names dir, and removes dir. It must be the janitor process's only
// work. Sweep refuses a folder that is not made by os.MkdirTemp with prefix.
func Sweep(lifeline io.Reader, dir, prefix string) error {
	if ok, err := filepath.Match(prefix+"*", filepath.Base(dir)); err != nil || !ok || !filepath.IsAbs(dir) {
		return fmt.Errorf("sweeping %s: not a folder of this program", dir)
	}
	if _, err := io.Copy(io.Discard, lifeline); err != nil {
		return fmt.Errorf("waiting at the lifeline: %w", err)
	}
	for _, pid := range serversIn(dir) {
		endServer(pid, dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("sweeping %s: %w", dir, err)
	}
	return nil
}

// serversIn lists the HAProxy and Consul processes with a path in dir as, or in,
// an argument.
func serversIn(dir string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue // not a process
		}
		if isServer(pid, dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// isServer reports whether a process is one of serversIn.
func isServer(pid int, dir string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	name, err := os.ReadFile(filepath.Join(proc, "comm"))
	if err != nil || !slices.Contains([]string{"haproxy", "consul"}, string(bytes.TrimSpace(name))) {
		return false
	}
	line, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	return err == nil && bytes.Contains(line, []byte(dir+"/")) // not those of a folder whose name is longer
}

// endServer kills a server, which is looked at once more when its number cannot come to
// mean another process any more (pidfd, where the kernel has that).
func endServer(pid int, dir string) {
	process, err := os.FindProcess(pid)
	if err != nil {
		return
	}
	defer process.Release() //nolint:errcheck // nothing is lost with it
	if isServer(pid, dir) {
		_ = process.Kill() // gone already is as good
	}
}
