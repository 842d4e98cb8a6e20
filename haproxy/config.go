package haproxy

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"time"
)

// A Mode says who starts HAProxy.
type Mode string

const (
	// Managed HAProxy is started by this package, and again when it has died.
	Managed Mode = "managed"
	// External HAProxy is started by systemd or a person. This package only reloads it.
	// It needs -W (or -Ws) and -S with the master socket.
	External Mode = "external"
	// Pacemaker starts and stops HAProxy through the resource agent, on one node. On the
	// others a HAProxy that does not run is no error: the file on disk is kept for its
	// start.
	Pacemaker Mode = "pacemaker"
)

// Config says which HAProxy a Process is about.
type Config struct {
	Mode Mode // Managed
	// Binary is a path, or a name in PATH or the sbin folders ("haproxy").
	Binary string
	// ConfigPath is the file HAProxy reads ("/etc/haproxy/haproxy.cfg"). Its
	// folder must be writable: temporary files are written there, and the last one that a worker
	// has started with is kept as ConfigPath + ".last-good".
	ConfigPath string
	// PIDPath is where HAProxy writes its master's process id
	// ("/run/thalassa/haproxy.pid").
	PIDPath string
	// StatsSocket must be a "stats socket" of the configuration, at level admin
	// ("/run/thalassa/haproxy.sock"). A worker that does not answer there counts as not
	// started.
	StatsSocket string
	// MasterSocket is the argument of -S ("/run/thalassa/master.sock").
	MasterSocket string
	// Former are the absolute paths that an earlier release used. A HAProxy that runs there with
	// ConfigPath is adopted: symbolic links lead to it until a reload and a start replace them.
	// nil: none.
	Former *Paths
	// StartupLog is a file for the standard output and error of a Managed HAProxy.
	// HAProxy 2.6 explains a failed reload only there. Run and reloads empty it when it is
	// longer than 1 MiB. Empty: the output is lost.
	StartupLog string
	// Exclusive: a HAProxy that was started with another file than ConfigPath is not adopted,
	// changed or stopped, even if it uses our sockets. External HAProxy may have any arguments.
	Exclusive bool
	// Sudo runs the binary, and kill, through "sudo -n".
	Sudo bool
	// User runs HAProxy and owns its sockets and files when root starts it (the user of
	// this program).
	User *User
	// CreateFolder creates a missing folder of the paths above (mode 0750, of User).
	CreateFolder func(dir string) error
	// Users are the ids of further users who may run this HAProxy, beside root, the user of
	// this program and User. Their sockets are asked, and their processes signaled.
	Users []uint32
	// OpenFiles is HAProxy's limit of file descriptors at its start (that of this program).
	// A higher limit than this program's needs root.
	OpenFiles uint64
	// Env is HAProxy's environment, "NAME=value" each (a fixed PATH alone). The
	// environment of this program is never inherited.
	Env []string
	// ReloadTimeout bounds the time of a start or reload until the new worker answers.
	// Restoring the previous configuration may take as long again (10 s).
	ReloadTimeout time.Duration
	// StopGrace is how long Stop waits for the last connections to end (5 s).
	StopGrace time.Duration
	// BeforeReload is called before each request for a reload, with the worker still
	// serving; it must return within a second. nil: nothing.
	BeforeReload func(ctx context.Context)
	// Logger logs the starts, reloads and ends of HAProxy (discarded).
	Logger *slog.Logger

	disk *disk // of this HAProxy's files
}

// A User is an ordinary user that HAProxy runs as, who may also bind ports below
// 1024.
type User struct{ UID, GID uint32 }

// withDefaults is a copy with every field set, and with absolute paths.
func (c Config) withDefaults() *Config {
	defaultTo(&c.Mode, Managed)
	defaultTo(&c.Binary, "haproxy")
	defaultTo(&c.ConfigPath, "/etc/haproxy/haproxy.cfg")
	defaultTo(&c.PIDPath, "/run/thalassa/haproxy.pid")
	defaultTo(&c.StatsSocket, "/run/thalassa/haproxy.sock")
	defaultTo(&c.MasterSocket, "/run/thalassa/master.sock")
	defaultTo(&c.ReloadTimeout, 10*time.Second)
	defaultTo(&c.StopGrace, 5*time.Second)
	if c.Env == nil {
		c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, path := range []*string{&c.ConfigPath, &c.PIDPath, &c.StatsSocket, &c.MasterSocket, &c.StartupLog} {
		if absolute, err := filepath.Abs(*path); err == nil && *path != "" {
			*path = absolute
		}
	}
	if c.disk == nil {
		c.disk = newDisk(c.ConfigPath)
	}
	return &c
}

// users are the ids of Users and User.
func (c Config) users() []uint32 {
	users := slices.Clone(c.Users)
	if c.User != nil {
		users = append(users, c.User.UID)
	}
	return users
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
