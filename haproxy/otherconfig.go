package haproxy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"thalassa/lb"
)

// refuseOther returns a *lb.UnavailableError if a master was started with other files than
// ConfigPath. A reload would read those files, and their owner would undo what this program
// changes.
func (c *Config) refuseOther(pid int) error {
	if !c.Exclusive {
		return nil
	}
	other := otherConfig(pid, c.ConfigPath)
	if other == "" {
		return nil
	}
	return &lb.UnavailableError{What: fmt.Sprintf("HAProxy (process %d) on %s was started with -f %s, expected -f %s: "+
		"it belongs to another agent or program; stop it, or give this agent other sockets", pid, c.MasterSocket, other, c.ConfigPath)}
}

// otherConfig names the files that a process was started with (-f); "" when ours is
// among them, or that is not known.
func otherConfig(pid int, ours string) string {
	args := argumentsOf(pid)
	var others []string
	for i, arg := range args {
		if i == 0 || args[i-1] != "-f" {
			continue
		}
		if !filepath.IsAbs(arg) || isSameConfig(arg, ours) {
			return ""
		}
		others = append(others, arg)
	}
	return strings.Join(others, " -f ")
}

// isSameConfig reports whether -f with that value reads our file: it is the same one
// after links are followed, or its directory.
func isSameConfig(value, ours string) bool {
	if samePath(value, ours) {
		return true
	}
	if resolved, err := filepath.EvalSymlinks(value); err == nil {
		value = resolved
	}
	if resolved, err := filepath.EvalSymlinks(ours); err == nil {
		ours = resolved
	}
	info, err := os.Stat(value)
	return value == ours || err == nil && info.IsDir() && filepath.Dir(ours) == filepath.Clean(value)
}
