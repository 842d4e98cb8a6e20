package haproxy

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"thalassa/lb"
)

// refuseControlPaths is a *lb.RefusedError for a configuration in which somebody listens
// for clients where HAProxy is told what to do: it would take the socket's path away.
// An address that comes from HAProxy's environment is not seen.
func (c Config) refuseControlPaths(config []byte) error {
	for l := range configLines(config) {
		if len(l.words) < 2 || l.words[0] != "bind" {
			continue
		}
		for _, path := range unixPaths(l.words[1]) {
			if what := c.controlPath(path, l.section, config); what != "" {
				return &lb.RefusedError{Stage: "check", Output: fmt.Sprintf(
					"line %d: %q binds %s, which is %s; expected another path", l.number, strings.Join(l.raw, " "), path, what)}
			}
		}
	}
	return nil
}

// controlPath says what of HAProxy's control is at a path; "": nothing.
func (c Config) controlPath(path, section string, config []byte) string {
	is := func(other string) bool { return other != "" && withoutLinks(path) == withoutLinks(other) }
	switch {
	case is(c.StatsSocket):
		return "HAProxy's stats socket"
	case is(c.MasterSocket):
		return "HAProxy's master socket"
	case is(c.PIDPath):
		return "HAProxy's pid file"
	case is(c.ConfigPath), is(StateFile(c.ConfigPath)), is(c.StartupLog):
		return "a file of the agent's own"
	case section != "peers" && slices.ContainsFunc(peersSockets(config), is):
		return "the socket over which stick tables outlive a reload"
	}
	return ""
}

// withoutLinks is a path without symbolic links among its directories, and without its spelling.
func withoutLinks(path string) string {
	dir, base := filepath.Split(filepath.Clean(path))
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved
	}
	return filepath.Join(dir, base)
}
