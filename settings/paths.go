package settings

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"thalassa/haproxy"
)

// formerPaths are the defaults of earlier releases, and of the original Thalassa.
func formerPaths() haproxy.Paths {
	return haproxy.Paths{StatsSocket: "/tmp/haproxy.status.sock", MasterSocket: "/tmp/haproxy.master.sock", PIDPath: "/var/run/haproxy.pid"}
}

// completePaths sets the paths of HAProxy's sockets and pid file that nobody has named.
func (s *Agent) completePaths() error {
	stats, pid := s.statsSocket == "", s.pidPath == ""
	if stats || pid {
		dir, err := s.runDirs.choose()
		if err != nil {
			return Error{fmt.Errorf("there is no run-time directory for HAProxy's sockets: %w; "+
				"name others with haproxy-socket-path and haproxy-pid-path, or make %s for this user", err, s.runDirs.system)}
		}
		s.runDir = dir
	}
	if pid {
		s.pidPath = filepath.Join(s.runDir, "haproxy.pid")
	}
	if stats {
		s.statsSocket = filepath.Join(s.runDir, "haproxy.sock")
	}
	switch former := formerPaths(); {
	case s.masterSocket != "":
	case stats:
		s.masterSocket = filepath.Join(s.runDir, "master.sock")
		if !pid {
			former.PIDPath = s.pidPath
		}
		s.former = &former
	default:
		s.masterSocket = filepath.Join(filepath.Dir(s.statsSocket), "haproxy.master.sock")
	}
	if s.peersSocket == "" {
		s.peersSocket = filepath.Join(filepath.Dir(s.statsSocket), "haproxy.peers.sock")
	}
	return nil
}

// MakeRunDir makes the run-time directory, where one is used.
func (s *Agent) MakeRunDir() error {
	if s.runDir == "" {
		return nil
	}
	worker, _ := lookup(s.Process().User) // one that does not exist HAProxy will tell
	if err := s.runDirs.makeDir(s.runDir, worker); err != nil {
		return fmt.Errorf("making the run-time directory: %w", err)
	}
	return nil
}

// createFolder creates a missing directory of HAProxy's sockets or pid file.
func (s *Agent) createFolder(dir string) error {
	if dir == s.runDir {
		return s.MakeRunDir()
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	worker, _ := lookup(s.Process().User) // one that does not exist HAProxy will tell
	return s.runDirs.letPass(dir, worker)
}

// SharedPaths lists the settings whose files another user may take the place of.
func (s *Agent) SharedPaths() (settings, paths []string) {
	for _, p := range []struct{ setting, path string }{
		{"haproxy-socket-path", s.statsSocket},
		{"haproxy-master-socket-path", s.masterSocket},
		{"haproxy-peers-socket-path", s.peersSocket},
		{"haproxy-pid-path", s.pidPath},
		{"haproxy-cfg-path", s.cfgPath},
		{"persistence", s.persistence},
	} {
		if p.path != "" && isShared(filepath.Dir(p.path)) {
			settings, paths = append(settings, p.setting), append(paths, p.path)
		}
	}
	return settings, paths
}

// haproxyUsers are those who may run HAProxy beside root and the user of this program.
func (s *Agent) haproxyUsers() []uint32 {
	var out []uint32
	name := s.Process().User
	if name == "" && s.haproxy == string(haproxy.External) {
		name = "haproxy" // of the distribution's unit
	}
	if a, err := lookup(name); err == nil {
		out = append(out, a.uid)
	}
	if s.haproxy == string(haproxy.Pacemaker) { // the resource agent runs it as one of them
		for _, u := range haproxy.Owners(s.cfgPath) {
			out = append(out, u.UID)
		}
	}
	return out
}

// An account is a user as numbers.
type account struct{ uid, gid uint32 }

// lookup finds a user by name or number.
func lookup(name string) (*account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &account{uint32(uid), uint32(gid)}, nil
}
