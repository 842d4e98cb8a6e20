package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"thalassa/activity"
	"thalassa/agent"
	"thalassa/control"
	"thalassa/discovery"
	"thalassa/haproxy"
	"thalassa/internal/logqueue"
	"thalassa/internal/memory"
	"thalassa/listen"
	"thalassa/settings"
	"thalassa/stats"
	"thalassa/store"
)

// node is the parts of the agent put together.
type node struct {
	settings *settings.Agent
	log      *slog.Logger
	queue    *logqueue.Queue // of log; nil: none
	// ready is called when HAProxy has the wanted configuration for the first time; may be nil.
	ready func(ctx context.Context, api net.Addr, events *activity.Log) error
	// hangup is what SIGHUP does; nil: the signal is not caught.
	hangup *hangup
	// now is the wall clock of all parts. They use time.Now only to measure durations.
	now func() time.Time
	// systemd gets the state of the agent; nil: systemd does not want it.
	systemd *systemd
	// group is the least limit of the control groups' memory, in bytes; 0: none. run sets it.
	group uint64
	// reread follows settings that change while the agent runs; run makes it.
	reread *rereader
}

// run keeps the node running until ctx ends, which is no error.
func (n node) run(ctx context.Context) error {
	if n.ready == nil { // not a demo, which ends with its terminal
		surviveClosedPipes()
	}
	n.reread = newRereader(n.settings, n.now, n.log)
	n.reread.systemd = n.systemd
	n.group = n.limitMemory(ctx, 0)
	if names, files := n.settings.OpenSecrets(); len(names) > 0 {
		n.log.WarnContext(ctx, "secrets are readable by every user of this machine, expected mode 0600 or 0640", "settings", names, "files", files)
	}
	if n.settings.IsConsole() {
		return clusterConsole{n}.run(ctx)
	}
	if err := n.settings.MakeRunDir(); err != nil {
		return err
	}
	if names, paths := n.settings.SharedPaths(); len(names) > 0 {
		n.log.WarnContext(ctx, "paths are in a directory where every user of this machine may make files; another one is safer", "settings", names, "paths", paths)
	}
	var sampler atomic.Pointer[stats.Sampler]
	cfg := n.settings.HAProxy(n.log)
	cfg.BeforeReload = func(ctx context.Context) {
		if s := sampler.Load(); s != nil {
			s.Hold(ctx)
		}
	}
	process := haproxy.New(cfg)
	release, err := process.Claim(ctx)
	if err != nil {
		return err
	}
	defer release()
	begun, err := n.runWith(ctx, process, sampler.Store)
	if !begun && ctx.Err() == nil {
		n.keepServing(ctx, process)
	}
	return err
}

// keepServing starts HAProxy with the configuration of the last run when the agent itself cannot
// start, as after a reboot with an invalid template.
func (n node) keepServing(ctx context.Context, p *haproxy.Process) {
	if n.settings.HAProxy(n.log).Mode != haproxy.Managed || n.settings.StopsHAProxy() {
		return
	}
	serves, err := p.Drops(nil)
	if err == nil && serves {
		err = p.Resume(ctx)
	}
	if err != nil {
		n.log.ErrorContext(ctx, "haproxy not started with the configuration of the last run", "error", err)
	}
}

// runWith is run with a HAProxy that no other agent manages. It finds faults in settings and files
// before it begins anything. sampling is called with the sampler that then runs.
func (n node) runWith(ctx context.Context, process *haproxy.Process, sampling func(*stats.Sampler)) (begun bool, err error) {
	s := n.settings
	db, port, release, err := open(ctx, n)
	if err != nil {
		return false, err
	}
	defer release()
	p, err := n.assemble(ctx, db, process, port)
	if err != nil {
		return false, err
	}
	sampling(p.sampler)
	n.log.InfoContext(ctx, "thalassa agent", "version", version(), "api", port.url(), "consul", s.Consul(), "haproxy", string(s.HAProxy(n.log).Mode))
	if n.ready == nil { // not a demo, which ends with its terminal
		n.hangup.set(n.reread.ask)
	}
	err = n.runParts(ctx, p)
	p.finish(ctx)
	if s.StopsHAProxy() {
		err = errors.Join(err, n.stopHAProxy(ctx, process))
	}
	return true, err
}

// open opens the port of the API and the database, until release is called.
func open(ctx context.Context, n node) (db *store.DB, port secured, release func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", n.settings.Listen())
	if err != nil {
		return nil, port, nil, fmt.Errorf("listening for the API: %w", err)
	}
	gate := listen.NewGate(listener, n.settings.Gate())
	if port, err = n.secure(ctx, gate); err == nil {
		db, err = n.openStore(ctx)
	}
	if err != nil {
		_ = listener.Close()
		return nil, port, nil, err
	}
	port.gate = gate
	return db, port, func() {
		if err := db.Close(); err != nil {
			n.log.ErrorContext(ctx, "database not closed", "error", err)
		}
		_ = listener.Close() // closed by the server already, except on a failing start
	}, nil
}

// finish writes what the API's last requests have noted.
func (p parts) finish(ctx context.Context) {
	_ = p.events.Flush(ctx) // a failure has been logged
	if err := p.audit.Close(auditGrace); err != nil {
		p.log.ErrorContext(ctx, "audit log not closed", "error", err)
	}
}

// openStore opens the database. A damaged one is set aside; the agent continues with a new one and
// the persistence file, which it logs as an error. A database that another version has written, and
// this one cannot use, is an error in the settings: operators have to choose another path or
// another program.
func (n node) openStore(ctx context.Context) (*store.DB, error) {
	path := n.settings.Database()
	options := store.Options{Now: n.now, Logger: n.log}
	db, err := store.Open(path, options)
	if damaged := (*store.DamagedError)(nil); errors.As(err, &damaged) {
		n.log.ErrorContext(ctx, "database damaged and set aside, continuing with a new one",
			"set_aside", damaged.SetAside, "cause", damaged.Cause, "persistence", n.settings.Loop(n.log).Persistence)
		db, err = store.Open(path, options)
	}
	if err != nil {
		err = fmt.Errorf("opening the database: %w", err)
	}
	if errors.As(err, new(*store.SchemaError)) || errors.As(err, new(*store.VersionError)) {
		return nil, settings.Error{Err: err} // a restart would not help
	}
	return db, err
}

func (n node) watcher(ctx context.Context, db *store.DB) (*discovery.Watcher, error) {
	initial, err := db.LoadSnapshot(ctx)
	if err != nil {
		n.log.WarnContext(ctx, "members of the last run not readable, waiting for consul", "error", err)
	}
	cfg := n.settings.Discovery(initial, n.log)
	cfg.Now = n.now
	w, err := discovery.New(cfg)
	if err != nil {
		return nil, settings.Error{Err: fmt.Errorf("setting up discovery: %w", err)}
	}
	return w, nil
}

func (n node) agent(made parts, addr net.Addr) (*agent.Agent, *discovery.Registrar, error) {
	s, db, w, p, events, administered := n.settings, made.db, made.discovery, made.process, made.events, made.administered
	cfg := s.Loop(n.log)
	cfg.Now = n.now
	cfg.Intents, cfg.Source, cfg.Holder, cfg.HAProxy, cfg.Runtime = db, w, w, p, p
	cfg.Journal, cfg.Memory, cfg.Overrides, cfg.Archive, cfg.Drops, cfg.Version = events, db, db, store.NewArchive(db), p.Drops, version()
	cfg.Keys, cfg.Issued, cfg.Certificates = made.keys, made.issuer, p.Certificates()
	cfg.OldWorkers, cfg.OldWorkerMemory = p.OldWorkers, memory.Limit()/4
	cfg.Control, cfg.ControlChanged = administered.Control, administered.Changed()
	cfg.HasRoute, cfg.HasLocal = (&control.Routes{}).Lead, control.Has
	cfg.LogProblem, cfg.HashKeys = n.queue.Problem, p.HashKeys
	cfg.Notices = func() []string { return slices.Concat(n.reread.Notices(), made.ownNotices(), made.stapler.Warnings()) }
	cfg.StoreProblem, cfg.LongestChange = storeProblem(db, p), p.LongestChange()
	process := s.HAProxy(n.log)
	switch process.Mode {
	case haproxy.Managed:
		cfg.Resume = p.Resume
	case haproxy.Pacemaker:
		cfg.MayBeIdle = true
		// Pacemaker resumes HAProxy with the configuration on disk, which must stay until Consul
		// answers.
		cfg.Resume = func(context.Context) error {
			_, err := os.Stat(process.ConfigPath)
			return err
		}
	case haproxy.External:
	}
	var registrar *discovery.Registrar
	if s.Registers() {
		var err error
		if registrar, err = discovery.NewRegistrar(s.Registrar(n.log)); err != nil {
			return nil, nil, settings.Error{Err: fmt.Errorf("setting up registration: %w", err)}
		}
		cfg.Announcer, cfg.Self, cfg.Outlived = registrar, s.Registration(netip.MustParseAddrPort(addr.String()), version()), !s.StopsHAProxy()
	}
	a, err := agent.New(cfg)
	if err != nil {
		return nil, nil, settings.Error{Err: fmt.Errorf("setting up the agent: %w", err)}
	}
	return a, registrar, nil
}

// sampler asks HAProxy for its statistics.
func (n node) sampler(a *agent.Agent, p *haproxy.Process, events *activity.Log) *stats.Sampler {
	cfg := n.settings.Stats(n.log)
	cfg.Now = n.now
	cfg.Layout, cfg.Detour, cfg.Moved = a.Effective, p.Detour, noteMoves(events)
	return stats.New(cfg)
}

// onExit records that HAProxy has ended, and that it runs again, and wakes the agent. It must not
// block, since changes of HAProxy wait for it.
func onExit(a *agent.Agent, events *activity.Log) func(haproxy.Exit) {
	down := false
	return func(e haproxy.Exit) {
		if e.Appeared {
			a.Look()
			return
		}
		event := activity.Event{Verb: activity.HAProxyExited, Object: activity.Object{ID: "haproxy", Type: "haproxy"}, Cause: e.Cause}
		if e.Err != nil {
			event.Error = e.Err.Error()
		}
		if !down {
			events.Note(event)
		}
		if e.Restarted {
			event.Verb = activity.HAProxyRestarted
			events.Note(event)
			a.Restarted()
		} else {
			a.Look()
		}
		down = !e.Restarted
	}
}

func (n node) stopHAProxy(ctx context.Context, p *haproxy.Process) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		return fmt.Errorf("stopping haproxy: %w", err)
	}
	return nil
}
