package haproxy

import (
	"log/slog"
	"os"

	"thalassa/internal/heartbeat"
	"thalassa/statsock"
)

// A Process is one HAProxy. Its methods may be called from any number of
// goroutines; Apply, Stop and the restarts of Run take turns.
//
// It holds no state of its own: each of its parts does one thing, and is the only one
// that writes what it knows.
type Process struct {
	cfg          *Config
	logger       *slog.Logger
	changes      changeLock
	program      *program
	files        *configFiles
	checker      *checker
	certificates *Certificates
	startupLog   *startupLog
	processes    *ownProcesses
	finder       *finder
	router       *router
	peers        *peersMonitor
	keeper       *pathKeeper
	pidFile      *pidFile
	recovery     *recovery
	stateFile    *stateFile
	readback     *readback
	child        *lastChild
	stopper      *stopper
	reloader     *reloader
	applier      *applier
	runtime      *runtimeAPI
	offers       *capabilities
	beat         *heartbeat.Beat // of Run
}

// New returns a Process without touching anything: no file is opened and no
// process started. Relative paths count from the present working directory.
func New(cfg Config) *Process {
	c := cfg.withDefaults()
	p := &Process{cfg: c, logger: c.Logger, changes: newChangeLock()}
	stats, master := statsock.New(c.StatsSocket, c.users()...), statsock.NewMaster(c.MasterSocket, c.users()...)
	p.program = &program{cfg: c}
	p.files = &configFiles{cfg: c, logger: c.Logger}
	p.checker = &checker{cfg: c, logger: c.Logger, program: p.program, timeout: checkTimeout}
	log := c.StartupLog
	if log == os.DevNull {
		log = "" // there is nothing to read
	}
	p.beat = heartbeat.New("the watch on HAProxy")
	p.startupLog = &startupLog{path: log, disk: c.disk, isShared: c.User != nil, changes: p.changes}
	p.processes = &ownProcesses{cfg: c, program: p.program, files: p.files}
	former := &formerPaths{cfg: c, logger: c.Logger}
	p.finder = &finder{cfg: c, logger: c.Logger, stats: stats, master: master, processes: p.processes, former: former}
	p.router = &router{cfg: c, logger: c.Logger, stats: stats, master: master, finder: p.finder}
	p.peers = &peersMonitor{cfg: c, logger: c.Logger, files: p.files, listening: map[string]inode{}}
	p.keeper = &pathKeeper{cfg: c, logger: c.Logger, processes: p.processes}
	p.pidFile = &pidFile{cfg: c, logger: c.Logger, changes: p.changes, files: p.files}
	p.recovery = &recovery{cfg: c, finder: p.finder, router: p.router, peers: p.peers}
	p.readback = &readback{cfg: c, logger: c.Logger, files: p.files, router: p.router, processes: p.processes}
	p.child = &lastChild{died: make(chan struct{}, 1)}
	p.stopper = &stopper{cfg: c, logger: c.Logger, processes: p.processes, finder: p.finder, router: p.router, former: former}
	p.runtime = &runtimeAPI{changes: p.changes, master: master, finder: p.finder, router: p.router, readback: p.readback, freed: freed{}}
	p.offers = &capabilities{router: p.router}
	p.certificates = &Certificates{
		files: &certificateFiles{cfg: c, logger: c.Logger, files: p.files}, runtime: p.runtime, challenges: &challenges{cfg: c, router: p.router},
	}
	p.connectChanges(master, former)
	return p
}

// connectChanges makes the parts that start and reload HAProxy.
func (p *Process) connectChanges(master *statsock.Master, former *formerPaths) {
	p.stateFile = &stateFile{cfg: p.cfg, logger: p.logger, files: p.files, router: p.router, readback: p.readback}
	waiter := &workerWaiter{
		cfg: p.cfg, master: master, files: p.files, startupLog: p.startupLog, processes: p.processes,
		finder: p.finder, router: p.router, child: p.child, ends: &unclearEnds{},
	}
	launcher := &launcher{
		cfg: p.cfg, files: p.files, logger: p.logger, program: p.program, startupLog: p.startupLog, processes: p.processes, finder: p.finder,
		router: p.router, former: former, stateFile: p.stateFile, waiter: waiter, child: p.child, stopper: p.stopper,
	}
	p.reloader = &reloader{
		cfg: p.cfg, logger: p.logger, program: p.program, files: p.files, startupLog: p.startupLog, finder: p.finder, router: p.router,
		keeper: p.keeper, recovery: p.recovery, stateFile: p.stateFile, readback: p.readback, waiter: waiter,
	}
	p.applier = &applier{
		cfg: p.cfg, logger: p.logger, changes: p.changes, files: p.files, checker: p.checker, finder: p.finder,
		router: p.router, peers: p.peers, keeper: p.keeper, reloader: p.reloader, launcher: launcher, readback: p.readback,
	}
}
