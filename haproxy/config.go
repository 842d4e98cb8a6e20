package haproxy

import (
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"thalassa/statsock"
)

// A Mode says who starts HAProxy.
type Mode string

const (
	// Managed HAProxy is started by this package, and again when it has died.
	Managed Mode = "managed"
	// External HAProxy is started by systemd or a person; it is only reloaded
	// here. It needs -W (or -Ws) and -S with the master socket.
	External Mode = "external"
	// Pacemaker starts and stops HAProxy, through the resource agent, where it is
	// to run. Elsewhere it does not, which is no error: the file on disk is kept
	// as what HAProxy shall start with.
	Pacemaker Mode = "pacemaker"
)

// Config says which HAProxy a Process is about.
type Config struct {
	Mode Mode // Managed
	// Binary is a path, or a name that is looked for in PATH and the sbin
	// folders ("haproxy").
	Binary string
	// ConfigPath is the file HAProxy reads ("/etc/haproxy/haproxy.cfg"). Its
	// folder must be writable: files are staged there, and the newest one that
	// was proven by a running worker is kept as ConfigPath + ".last-good".
	ConfigPath string
	// PIDPath is where HAProxy writes its master's process id
	// ("/run/thalassa/haproxy.pid").
	PIDPath string
	// StatsSocket must be a "stats socket" of the configuration, at level admin
	// ("/run/thalassa/haproxy.sock"). A worker that does not answer there is taken
	// for one that did not start.
	StatsSocket string
	// MasterSocket is given to -S ("/run/thalassa/master.sock").
	MasterSocket string
	// Former are absolute paths of an earlier release. A HAProxy with ConfigPath that
	// runs there is adopted: symbolic links lead from our paths to it, until a reload
	// and a start make sockets in their place. nil: none.
	Former *Paths
	// StartupLog is a file for what HAProxy writes to its standard output and
	// error, which is all that HAProxy 2.6 says about a failed reload; managed
	// only. It is emptied, by Run and at a reload, when it is longer than 1 MiB.
	// Empty: the words are lost.
	StartupLog string
	// Sudo runs the binary, and kill, through "sudo -n".
	Sudo bool
	// User is who HAProxy runs as, and whose its sockets and files are, where root
	// starts it (nobody else than this program).
	User *User
	// MakeFolder makes a missing folder of the paths above (mode 0750, of User).
	MakeFolder func(dir string) error
	// Users are the ids of those who may run this HAProxy beside root, the user of this
	// program and User: whose sockets are asked, and whose processes are signaled.
	Users []uint32
	// OpenFiles is the limit of file descriptors that HAProxy starts with (that of
	// this program); more than this program's own needs root.
	OpenFiles uint64
	// Env is HAProxy's environment, "NAME=value" each (a fixed PATH alone). The
	// environment of this program is never inherited.
	Env []string
	// ReloadTimeout is how long a start or reload may take until the new worker
	// answers; going back may take as long again (10 s).
	ReloadTimeout time.Duration
	// StopGrace is how long Stop waits for the last connections to end (5 s).
	StopGrace time.Duration
	// Logger is told of HAProxy's coming and going (discarded).
	Logger *slog.Logger
}

// A User is an ordinary user that HAProxy runs as, who may also bind ports below
// 1024.
type User struct{ UID, GID uint32 }

// A Process is one HAProxy. Its methods may be called from any number of
// goroutines; Apply, Stop and the restarts of Run take turns.
type Process struct {
	cfg    Config
	logger *slog.Logger
	stats  *statsock.Client
	master *statsock.Master
	words  startupLog

	turn chan struct{} // holds one token while somebody changes file or process
	died chan struct{} // a one-slot poke: a HAProxy started here has ended

	linking sync.Mutex // guards the making of links to Config.Former

	lines atomic.Int64         // of servers when all were read last
	held  atomic.Pointer[held] // by the worker that served last; nil: not known

	mu      sync.Mutex
	known   identity // the master seen last; zero: none yet
	child   *child   // started here last; nil: none
	stopped identity // the master that Stop has ended last
	halted  bool     // by Stop, until the next start
	marked  bool     // mark is set
	mark    int64    // length of the startup log at the last start or reload
	// checked is the digest of the configuration that passed a check last.
	checked   digest
	checkedAt time.Time
	probed    probed    // of the worker that was asked last
	route     route     // to the worker that serves
	late      time.Time // since when the stats socket does not answer in time
	silence   silence
	regain    regain
	lostPeers []loss           // peers sockets, when they were looked at last
	peersOf   inode            // the file on disk that was read for
	peers     []string         // its peers sockets
	listens   map[string]inode // peers sockets that HAProxy was found to listen on
	// pidFileFails is the master whose pid file cannot be put right.
	pidFileFails identity
	intended     digest // of the file that Install was given last
	inEffect     digest // of the one that it, or Apply, has seen to last
}

// New returns a Process without touching anything: no file is opened and no
// process started. Relative paths count from the present working directory.
func New(cfg Config) *Process {
	defaultTo(&cfg.Mode, Managed)
	defaultTo(&cfg.Binary, "haproxy")
	defaultTo(&cfg.ConfigPath, "/etc/haproxy/haproxy.cfg")
	defaultTo(&cfg.PIDPath, "/run/thalassa/haproxy.pid")
	defaultTo(&cfg.StatsSocket, "/run/thalassa/haproxy.sock")
	defaultTo(&cfg.MasterSocket, "/run/thalassa/master.sock")
	defaultTo(&cfg.ReloadTimeout, 10*time.Second)
	defaultTo(&cfg.StopGrace, 5*time.Second)
	if cfg.Env == nil {
		cfg.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	for _, path := range []*string{&cfg.ConfigPath, &cfg.PIDPath, &cfg.StatsSocket, &cfg.MasterSocket, &cfg.StartupLog} {
		if absolute, err := filepath.Abs(*path); err == nil && *path != "" {
			*path = absolute
		}
	}
	return &Process{
		cfg:    cfg,
		logger: cfg.Logger,
		stats:  statsock.New(cfg.StatsSocket, cfg.users()...),
		master: statsock.NewMaster(cfg.MasterSocket, cfg.users()...),
		words:  startupLog(cfg.StartupLog),
		turn:   make(chan struct{}, 1),
		died:   make(chan struct{}, 1),

		listens: map[string]inode{},
	}
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
