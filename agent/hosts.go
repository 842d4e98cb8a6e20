package agent

import (
	"os"
	"sync"
	"time"

	"thalassa/internal/safefile"
	"thalassa/lb"
)

const (
	// maxHostsFile bounds what is read of the hosts file, in bytes.
	maxHostsFile = 1 << 20
	// hostsTime is how long a reader of the hosts file waits at most: the loop is one.
	hostsTime = 200 * time.Millisecond
)

// A HostsFile reads the names that the node itself knows, again whenever the file changes.
// It may be used concurrently.
type HostsFile struct {
	path string

	mu       sync.Mutex
	reading  chan struct{} // closed when the look under way ends; nil: there is none
	modified time.Time
	size     int64
	hosts    *lb.Hosts
}

// NewHostsFile returns the reader of a file like /etc/hosts.
func NewHostsFile(path string) *HostsFile { return &HostsFile{path: path} }

// Hosts is what the file says: the same value while it is the same. If the file cannot be read
// soon, the last content stays in use. A nil HostsFile knows localhost.
func (f *HostsFile) Hosts() *lb.Hosts {
	if f == nil {
		return nil
	}
	timer := time.NewTimer(hostsTime)
	defer timer.Stop()
	select {
	case <-f.look():
	case <-timer.C:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hosts
}

// look looks at the file beside the caller, unless somebody does so already. The channel
// is closed when that is over.
func (f *HostsFile) look() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reading == nil {
		f.reading = make(chan struct{})
		go f.read()
	}
	return f.reading
}

func (f *HostsFile) read() {
	info, err := os.Stat(f.path)
	var data []byte
	isSame := err != nil || f.knows(info)
	if !isSame {
		data, err = safefile.Read(f.path, maxHostsFile)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !isSame && err == nil {
		f.hosts, f.modified, f.size = lb.ParseHosts(string(data)), info.ModTime(), info.Size()
	}
	close(f.reading)
	f.reading = nil
}

// knows reports whether the file is as it was read last.
func (f *HostsFile) knows(info os.FileInfo) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hosts != nil && info.ModTime().Equal(f.modified) && info.Size() == f.size
}
