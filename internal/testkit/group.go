package testkit

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A Group is a control group of Linux, version 1 or 2, whose processes have a limit of
// memory.
type Group struct {
	tb      testing.TB
	dir     string
	version int
}

// NewGroup makes a control group until the end of the test. Only root can, and only where
// the hierarchy of the memory controller is writable. limit is in bytes.
func NewGroup(tb testing.TB, limit int64) *Group {
	tb.Helper()
	NeedsRoot(tb)
	var problems []error
	for _, h := range []struct {
		version       int
		root, control string
	}{
		{1, "/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
		{2, "/sys/fs/cgroup", "memory.max"},
		{2, "/sys/fs/cgroup/unified", "memory.max"},
	} {
		if h.version == 2 { // it may be on already, or there is no such hierarchy
			_ = os.WriteFile(h.root+"/cgroup.subtree_control", []byte("+memory"), 0)
		}
		dir, err := os.MkdirTemp(h.root, "thalassa-test-") //nolint:usetesting // a group is a folder there
		if err != nil {
			problems = append(problems, err)
			continue
		}
		g := &Group{tb: tb, dir: dir, version: h.version}
		if _, err := os.Stat(filepath.Join(dir, h.control)); err != nil {
			problems = append(problems, err, os.Remove(dir))
			continue
		}
		tb.Cleanup(g.remove)
		g.SetLimit(limit)
		return g
	}
	Missing(tb, "no control group with a limit of memory can be made: "+errors.Join(problems...).Error())
	return nil
}

// remove ends what still runs in the group, and removes it.
func (g *Group) remove() {
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := os.Remove(g.dir)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			g.tb.Errorf("removing the control group: %v", err)
			return
		}
		for pid := range strings.FieldsSeq(g.read("cgroup.procs")) {
			if n, err := strconv.Atoi(pid); err == nil && n > 0 {
				if p, err := os.FindProcess(n); err == nil {
					_ = p.Kill()
				}
			}
		}
		<-time.After(20 * time.Millisecond)
	}
}

// In makes a command of cmd's that joins the group before it begins.
func (g *Group) In(cmd *exec.Cmd) *exec.Cmd {
	return exec.Command("/bin/sh", append([]string{"-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(g.dir, "cgroup.procs")}, cmd.Args...)...)
}

// SetLimit sets the limit of memory, in bytes. It fails the test when the kernel cannot
// bring the group below it.
func (g *Group) SetLimit(bytes int64) {
	g.tb.Helper()
	if err := g.TryLimit(bytes); err != nil {
		g.tb.Fatal(err)
	}
}

// TryLimit is like SetLimit, and returns the kernel's error.
func (g *Group) TryLimit(bytes int64) error {
	file := "memory.limit_in_bytes"
	if g.version == 2 {
		file = "memory.max"
		_ = os.WriteFile(filepath.Join(g.dir, "memory.swap.max"), []byte("0"), 0) // where there is any
	}
	return os.WriteFile(filepath.Join(g.dir, file), []byte(strconv.FormatInt(bytes, 10)), 0)
}

// Used is how much memory the group uses, in bytes, less what the kernel could drop: the
// pages of files.
func (g *Group) Used() int64 {
	g.tb.Helper()
	used, inactive := "memory.usage_in_bytes", "total_inactive_file"
	if g.version == 2 {
		used, inactive = "memory.current", "inactive_file"
	}
	return g.number(strings.TrimSpace(g.read(used))) - g.entry("memory.stat", inactive)
}

// Killed is how many processes of the group the kernel has killed because it had no
// memory for them.
func (g *Group) Killed() int {
	g.tb.Helper()
	file := "memory.oom_control"
	if g.version == 2 {
		file = "memory.events"
	}
	return int(g.entry(file, "oom_kill"))
}

// entry is a number in a file of lines with a name and a number.
func (g *Group) entry(file, name string) int64 {
	g.tb.Helper()
	text := g.read(file)
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == name {
			return g.number(fields[1])
		}
	}
	g.tb.Fatalf("%s of the control group has no %s:\n%s", file, name, text)
	return 0
}

func (g *Group) number(text string) int64 {
	g.tb.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		g.tb.Fatal(err)
	}
	return n
}

func (g *Group) read(file string) string {
	data, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		g.tb.Error(err)
	}
	return string(data)
}
