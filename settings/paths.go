package settings

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"thalassa/haproxy"
	"thalassa/internal/safefile"
)

// formerPaths are the defaults of earlier releases, and of the original Thalassa.
func formerPaths() haproxy.Paths {
	return haproxy.Paths{StatsSocket: "/tmp/haproxy.status.sock", MasterSocket: "/tmp/haproxy.master.sock", PIDPath: "/var/run/haproxy.pid"}
}

// paths are the files, sockets and directories that settings name, or that the agent chooses where
// no setting does.
type paths struct {
	statsSocket  string
	masterSocket string
	peersSocket  string
	pageSocket   string // of HAProxy's statistics page
	pidPath      string
	cfgPath      string
	persistence  string
	dbPath       string
	keyFile      string // empty: stored keys are not encrypted
	noHAProxy    bool   // its paths are not used

	// For paths that no setting names:
	runDirs runDirs
	runDir  string         // the run-time directory; empty: not used
	former  *haproxy.Paths // where HAProxy was by default before; nil: nowhere else
}

// complete sets the paths of HAProxy's sockets and pid file that no setting names.
func (p *paths) complete() error {
	stats, pid := p.statsSocket == "", p.pidPath == ""
	if stats || pid {
		dir, err := p.runDirs.choose()
		if err != nil {
			return Error{fmt.Errorf("there is no run-time directory for HAProxy's sockets: %w; "+
				"name others with haproxy-socket-path and haproxy-pid-path, or make %s for this user", err, p.runDirs.system)}
		}
		p.runDir = dir
	}
	if pid {
		p.pidPath = filepath.Join(p.runDir, "haproxy.pid")
	}
	if stats {
		p.statsSocket = filepath.Join(p.runDir, "haproxy.sock")
	}
	switch former := formerPaths(); {
	case p.masterSocket != "":
	case stats:
		p.masterSocket = filepath.Join(p.runDir, "master.sock")
		if !pid {
			former.PIDPath = p.pidPath
		}
		p.former = &former
	default:
		p.masterSocket = filepath.Join(filepath.Dir(p.statsSocket), "haproxy.master.sock")
	}
	if p.peersSocket == "" {
		p.peersSocket = filepath.Join(filepath.Dir(p.statsSocket), "haproxy.peers.sock")
	}
	p.pageSocket = pageSocket(p.statsSocket)
	return nil
}

// pageSocket is the path of the socket of HAProxy's statistics page, in the directory of a stats
// socket. Its name begins with that socket's name, as another HAProxy may have its sockets in the
// same directory. Empty: the path would be too long for HAProxy.
func pageSocket(stats string) string {
	const longest = 90 // bytes; HAProxy binds a longer path first and renames it
	path := strings.TrimSuffix(stats, ".sock") + ".page.sock"
	if len(path) > longest {
		return ""
	}
	return path
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
func createFolder(s *Agent, dir string) error {
	if dir == s.runDir {
		return s.MakeRunDir()
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	worker, _ := lookup(s.Process().User) // one that does not exist HAProxy will tell
	return s.runDirs.letPass(dir, worker)
}

// SharedPaths lists the settings whose files another user may replace, and these files.
func (p *paths) SharedPaths() (settings, files []string) {
	for _, one := range []struct{ setting, path string }{
		{"haproxy-socket-path", p.statsSocket},
		{"haproxy-master-socket-path", p.masterSocket},
		{"haproxy-peers-socket-path", p.peersSocket},
		{"haproxy-pid-path", p.pidPath},
		{"haproxy-cfg-path", p.cfgPath},
		{"persistence", p.persistence},
	} {
		if one.path != "" && isShared(filepath.Dir(one.path)) {
			settings, files = append(settings, one.setting), append(files, one.path)
		}
	}
	return settings, files
}

// Database is the path of the embedded database.
func (p *paths) Database() string { return filepath.Join(p.dbPath, "thalassa.db") }

// Keys is the folder of the stored certificates and their keys.
func (p *paths) Keys() string { return filepath.Join(p.dbPath, "certificates") }

// maxKeyFile bounds the key file, in bytes.
const maxKeyFile = 4 << 10

// KeySecret is the content of the key file; nil without one. The error is an [Error].
func (p *paths) KeySecret() ([]byte, error) {
	if p.keyFile == "" {
		return nil, nil
	}
	secret, err := safefile.Read(p.keyFile, maxKeyFile)
	if err != nil {
		return nil, Error{fmt.Errorf("key-file: %w", err)}
	}
	return secret, nil
}

// Sessions is the file with the sessions of browsers.
func (p *paths) Sessions() string { return filepath.Join(p.dbPath, "sessions.json") }

// SharedSessions is the file with what this node knows about sessions from other nodes of the
// cluster.
func (p *paths) SharedSessions() string { return filepath.Join(p.dbPath, "sessions-nodes.json") }

// ClusterLogs is the folder with lines of the logs of other nodes.
func (p *paths) ClusterLogs() string { return filepath.Join(p.dbPath, "cluster-logs") }

// ClusterImports is the folder with the pasts of clusters that came in files.
func (p *paths) ClusterImports() string { return filepath.Join(p.dbPath, "cluster-imports") }

// ClusterNodes is the file with the nodes of the cluster and the addresses of their agents.
func (p *paths) ClusterNodes() string { return filepath.Join(p.dbPath, "cluster-nodes.json") }

// ClusterHistory is the folder with what the cluster went through.
func (p *paths) ClusterHistory() string { return filepath.Join(p.dbPath, "cluster-history") }

// A Directory is one in which the agent creates files or sockets.
type Directory struct {
	Setting string // that names it
	Path    string
	Created bool // by the agent, with the directories above it
}

// Directories lists all directories that the agent must be able to write to.
func (p *paths) Directories() []Directory {
	if p.noHAProxy {
		return []Directory{{Setting: "db-path", Path: p.dbPath, Created: true}}
	}
	list := []Directory{
		{Setting: "haproxy-cfg-path", Path: filepath.Dir(p.cfgPath)},
		{Setting: "haproxy-socket-path", Path: filepath.Dir(p.statsSocket)},
		{Setting: "haproxy-master-socket-path", Path: filepath.Dir(p.masterSocket)},
		{Setting: "haproxy-peers-socket-path", Path: filepath.Dir(p.peersSocket)},
		{Setting: "haproxy-pid-path", Path: filepath.Dir(p.pidPath)},
		{Setting: "db-path", Path: p.dbPath, Created: true},
	}
	for i, d := range list {
		list[i].Created = d.Created || d.Path == p.runDir
	}
	if p.persistence != "" {
		list = append(list, Directory{Setting: "persistence", Path: filepath.Dir(p.persistence)})
	}
	return list
}

// haproxyUsers are the users that HAProxy may run as, besides root and the user of this program.
func haproxyUsers(s *Agent) []uint32 {
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
