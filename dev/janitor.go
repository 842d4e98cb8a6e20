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

// A Janitor is a small process that outlives the program, even after kill -9, and then
// cleans up its directory: it kills the servers whose command lines contain the
// directory, and removes it.
type Janitor struct {
	lifeline io.Closer
	cmd      *exec.Cmd
}

// StartJanitor starts command, which must call Sweep, in a session of its own. The
// cleanup begins when Close is called, or when this process has ended.
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

// Close starts the cleanup and waits until it is done.
func (j *Janitor) Close() error {
	_ = j.lifeline.Close()
	if err := j.cmd.Wait(); err != nil {
		return fmt.Errorf("waiting for the janitor: %w", err)
	}
	return nil
}

// Sweep waits until lifeline ends. Then it kills every HAProxy and Consul whose command
// line contains dir, and removes dir. It must be the only work of the process. It
// refuses a directory that os.MkdirTemp did not make with prefix.
func Sweep(lifeline io.Reader, dir, prefix string) error {
	if ok, err := filepath.Match(prefix+"*", filepath.Base(dir)); err != nil || !ok || !filepath.IsAbs(dir) {
		return fmt.Errorf("sweeping %s: not a directory of this program", dir)
	}
	if _, err := io.Copy(io.Discard, lifeline); err != nil {
		return fmt.Errorf("reading the lifeline: %w", err)
	}
	for _, pid := range serversIn(dir) {
		endServer(pid, dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("sweeping %s: %w", dir, err)
	}
	return nil
}

// serversIn returns the HAProxy and Consul processes with a path below dir in an
// argument.
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
	return err == nil && bytes.Contains(line, []byte(dir+"/")) // not those of a directory with a longer name
}

// endServer kills a server. It checks the process again after opening it, when its
// process id cannot be reused any more (with a pidfd, if the kernel has it).
func endServer(pid int, dir string) {
	process, err := os.FindProcess(pid)
	if err != nil {
		return
	}
	defer process.Release() //nolint:errcheck // no consequence
	if isServer(pid, dir) {
		_ = process.Kill() // it may have exited
	}
}
