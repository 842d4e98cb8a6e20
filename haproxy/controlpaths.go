package haproxy

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"thalassa/lb"
)

// refuseControlPaths returns a *lb.RefusedError for a configuration that binds a path by
// which HAProxy is controlled. An address with an environment variable is not recognized.
func (c Config) refuseControlPaths(config []byte) error {
	for l := range configLines(config) {
		if len(l.words) < 2 || l.words[0] != "bind" {
			continue
		}
		for _, path := range unixPaths(l.words[1]) {
			if what := c.controlPath(path, l.section, config); what != "" {
				return &lb.RefusedError{At: "check", Output: fmt.Sprintf(
					"line %d: %q binds %s, which is %s; expected another path", l.number, strings.Join(l.raw, " "), path, what)}
			}
		}
	}
	return nil
}

// controlPath says which socket or file by which HAProxy is controlled has a path; "": none.
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

// withoutLinks is a clean path whose directories are no symbolic links.
func withoutLinks(path string) string {
	dir, base := filepath.Split(filepath.Clean(path))
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved
	}
	return filepath.Join(dir, base)
}
