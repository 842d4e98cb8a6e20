package agent

import (
	"io"
	"os"
	"sync"
	"time"

	"thalassa/internal/safefile"
	"thalassa/lb"
)

// maxHostsFile bounds what is read of the hosts file, in bytes.
const maxHostsFile = 1 << 20

// A HostsFile reads the names that the node itself knows, again whenever the file changes.
// It may be used concurrently.
type HostsFile struct {
	path string

	mu       sync.Mutex
	modified time.Time
	size     int64
	hosts    *lb.Hosts
}

// NewHostsFile returns the reader of a file like /etc/hosts.
func NewHostsFile(path string) *HostsFile { return &HostsFile{path: path} }

// Hosts is what the file says: the same value while it is the same. A file that cannot be
// read leaves what is known; nil knows localhost.
func (f *HostsFile) Hosts() *lb.Hosts {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil || f.hosts != nil && info.ModTime().Equal(f.modified) && info.Size() == f.size {
		return f.hosts
	}
	file, err := safefile.Open(f.path)
	if err != nil {
		return f.hosts
	}
	defer file.Close()
	if data, err := io.ReadAll(io.LimitReader(file, maxHostsFile)); err == nil {
		f.hosts, f.modified, f.size = lb.ParseHosts(string(data)), info.ModTime(), info.Size()
	}
	return f.hosts
}
