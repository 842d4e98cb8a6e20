package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/activity"
	"thalassa/agent"
	"thalassa/api"
	"thalassa/auth"
	"thalassa/control"
	"thalassa/discovery"
	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/pacemaker"
	"thalassa/stats"
	"thalassa/statsock"
	"thalassa/store"
)

// node is the parts of the agent put together.
type node struct {
	settings    settings
	log         *slog.Logger
	consulToken string // from the environment; a token file wins
	// ready runs once HAProxy is in step for the first time; may be nil.
	ready func(ctx context.Context, api net.Addr, events *activity.Log) error
}

// run keeps the node running until ctx ends, which is no error.
func (n node) run(ctx context.Context) error {
	process := n.haproxy()
	release, err := process.Claim(ctx)
	if err != nil {
		return err
	}
	defer release()
	begun, err := n.runWith(ctx, process)
	if !begun && ctx.Err() == nil {
		n.keepServing(ctx, process)
	}
	return err
}

// keepServing starts HAProxy with the configuration of the last run though the agent
// cannot start, as after a reboot with a template that somebody has broken.
func (n node) keepServing(ctx context.Context, p *haproxy.Process) {
	if n.settings.haproxy != string(haproxy.Managed) || n.settings.stopHAProxy {
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

// runWith is run for a HAProxy that nobody else looks after. It has not begun when
// something is wrong that was to be found out before.
func (n node) runWith(ctx context.Context, process *haproxy.Process) (begun bool, err error) {
	s := n.settings
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.listen())
	if err != nil {
		return false, fmt.Errorf("listening for the API: %w", err)
	}
	defer listener.Close() // closed by the server already, except on a failing start
	db, err := n.openStore(ctx)
	if err != nil {
		return false, err
	}
	defer func() {
		if err := db.Close(); err != nil {
			n.log.ErrorContext(ctx, "database not closed", "error", err)
		}
	}()
	events, err := activity.NewLog(ctx, db, time.Now, n.log)
	if err != nil {
		return false, fmt.Errorf("reading the activity: %w", err)
	}
	watcher, err := n.watcher(ctx, db)
	if err != nil {
		return false, err
	}
	administered := n.control(listener.Addr())
	a, registrar, err := n.agent(db, watcher, process, events, listener.Addr(), administered)
	if err != nil {
		return false, err
	}
	if err := a.Import(ctx); err != nil { // before the API tells of what is stored
		return false, err
	}
	cluster, watch := n.cluster()
	sampler := n.sampler(a)
	server, err := n.api(a, db, process, events, sampler, cluster, watch)
	if err != nil {
		return false, err
	}
	n.log.InfoContext(ctx, "thalassa agent", "version", version(), "api", "http://"+listener.Addr().String(), "consul", s.consul(), "haproxy", s.haproxy)

	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return watcher.Run(gctx) })
	g.Go(func() error { return administered.Run(gctx) })
	if registrar != nil {
		g.Go(func() error { return registrar.Run(gctx) })
	}
	g.Go(func() error { return process.Run(gctx, onExit(a, events)) })
	g.Go(func() error { return a.Run(gctx) })
	g.Go(func() error { return sampler.Run(gctx) })
	g.Go(func() error { return server.Follow(gctx) })
	g.Go(func() error { return server.Serve(gctx, listener) })
	if watch != nil {
		g.Go(func() error { return watch.Run(gctx) })
		g.Go(func() error { return watch.Answer(gctx, onDisk(process)) })
	}
	if n.ready != nil {
		g.Go(func() error {
			select {
			case <-a.InStep():
				return n.ready(gctx, listener.Addr(), events)
			case <-gctx.Done():
				return nil
			}
		})
	}
	err = g.Wait()
	_ = events.Flush(ctx) // what the API's last requests have noted; a failure has been logged
	if s.stopHAProxy {
		err = errors.Join(err, n.stopHAProxy(ctx, process))
	}
	return true, err
}

// openStore opens the database. One that is damaged has been set aside; the
// agent goes on with a new one and the persistence file, and says so loudly.
func (n node) openStore(ctx context.Context) (*store.DB, error) {
	path := filepath.Join(n.settings.dbPath, "thalassa.db")
	options := store.Options{Logger: n.log}
	db, err := store.Open(path, options)
	if damaged := (*store.DamagedError)(nil); errors.As(err, &damaged) {
		n.log.ErrorContext(ctx, "database damaged and set aside, going on with a new one",
			"set_aside", damaged.SetAside, "cause", damaged.Cause, "persistence", n.settings.persistence)
		db, err = store.Open(path, options)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	return db, nil
}

func (n node) watcher(ctx context.Context, db *store.DB) (*discovery.Watcher, error) {
	initial, err := db.LoadSnapshot(ctx)
	if err != nil {
		n.log.WarnContext(ctx, "members of the last run not readable, waiting for consul", "error", err)
	}
	w, err := discovery.New(n.discovery(initial))
	if err != nil {
		return nil, usageError{fmt.Errorf("setting up discovery: %w", err)}
	}
	return w, nil
}

func (n node) discovery(initial lb.Snapshot) discovery.Config {
	s := n.settings
	token := n.consulToken
	if s.consulToken != "" {
		token = ""
	}
	return discovery.Config{
		Address: s.consul(), Token: token, TokenFile: s.consulToken,
		Datacenter: s.datacenter, Namespace: s.namespace, Partition: s.partition,
		TLS:           discovery.TLSConfig{CAFile: s.consulCA, CertFile: s.consulCert, KeyFile: s.consulKey, ServerName: s.consulName},
		AcceptWarning: s.acceptWarning, MaxConns: s.consulMaxConns,
		HoldShare: s.holdShare, HoldMin: s.holdMin, HoldTime: s.holdTime,
		Initial: initial, Logger: n.log,
	}
}

func (n node) registrar() discovery.RegistrarConfig {
	d := n.discovery(lb.Snapshot{})
	return discovery.RegistrarConfig{
		Address: d.Address, Token: d.Token, TokenFile: d.TokenFile,
		Namespace: d.Namespace, Partition: d.Partition, TLS: d.TLS, Logger: n.log,
	}
}

func (n node) haproxy() *haproxy.Process {
	s := n.settings
	return haproxy.New(haproxy.Config{
		Mode: haproxy.Mode(s.haproxy), Binary: s.haproxyBinary, ConfigPath: s.cfgPath, PIDPath: s.pidPath,
		StatsSocket: s.statsSocket, MasterSocket: s.masterSocket, StartupLog: filepath.Join(s.dbPath, "haproxy.startup.log"),
		Sudo: s.sudo, Logger: n.log,
	})
}

func (n node) agent(db *store.DB, w *discovery.Watcher, p *haproxy.Process, events *activity.Log, addr net.Addr, administered *control.Watcher) (*agent.Agent, *discovery.Registrar, error) {
	s := n.settings
	cfg := agent.Config{
		Intents: db, Source: w, Holder: w, HAProxy: p, Runtime: p, Journal: events, Memory: db, Archive: db,
		Control: administered.Control, ControlChanged: administered.Changed(),
		Drops: p.Drops, Process: s.process(), Version: version(), Label: s.label,
		TemplateFile: s.templateFile, Persistence: s.persistence,
		ReloadEvery: s.reloadEvery, ReloadBurst: s.reloadBurst, ReloadJitter: s.reloadJitter, Logger: n.log,
	}
	switch haproxy.Mode(s.haproxy) {
	case haproxy.Managed:
		cfg.Resume = p.Resume
	case haproxy.Pacemaker:
		cfg.MayBeIdle = true
		// Pacemaker resumes; what it does so with is to be kept until Consul answers.
		cfg.Resume = func(context.Context) error {
			_, err := os.Stat(s.cfgPath)
			return err
		}
	case haproxy.External:
	}
	var registrar *discovery.Registrar
	if s.register {
		var err error
		if registrar, err = discovery.NewRegistrar(n.registrar()); err != nil {
			return nil, nil, usageError{fmt.Errorf("setting up registration: %w", err)}
		}
		cfg.Announcer, cfg.Self, cfg.Outlived = registrar, n.self(addr), !s.stopHAProxy
	}
	a, err := agent.New(cfg)
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("setting up the agent: %w", err)}
	}
	return a, registrar, nil
}

// self is the agent's own service in Consul.
func (n node) self(addr net.Addr) discovery.Registration {
	s := n.settings
	listening := netip.MustParseAddrPort(addr.String()) // a TCP listener's own words
	check := lb.HostPort{Host: lb.Host(listening.Addr().Unmap().String()), Port: listening.Port()}
	address := check.Host
	if listening.Addr().IsUnspecified() {
		check.Host, address = "127.0.0.1", "" // the node's own, as Consul knows it
	}
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "node"
	}
	r := discovery.Registration{
		ID: fmt.Sprintf("thalassa-%s-%d", hostname, check.Port), Name: "thalassa", Address: address, Port: check.Port,
		Meta:  map[string]string{"version": version(), "location": s.location, "hostname": hostname},
		Check: &discovery.Check{HTTP: "http://" + check.String() + "/healthz"},
	}
	if s.label != "" {
		r.Tags = []string{s.label}
	}
	return r
}

// sampler asks HAProxy for its statistics.
func (n node) sampler(a *agent.Agent) *stats.Sampler {
	return stats.New(stats.Config{
		Client: statsock.New(n.settings.statsSocket), Master: statsock.NewMaster(n.settings.masterSocket),
		Layout: a.Effective, Occupied: haproxy.Occupied, Interval: n.settings.statsInterval, Logger: n.log,
	})
}

func (n node) api(a *agent.Agent, db *store.DB, p *haproxy.Process, events *activity.Log, sampler *stats.Sampler, c *pacemaker.Cluster, w *pacemaker.Watcher) (*api.Server, error) {
	s := n.settings
	cfg := api.Config{
		Changes: a, Views: a, Activity: events, History: db, HAProxyConfig: p.Installed, Stats: p.Stats, Connections: p.Connections,
		Changed: a.Changed, Sampler: sampler, OpenMetrics: s.metricsOpen,
		Version: version(), Label: s.label, AllowedHosts: s.allowedHosts, Loopback: s.loopback(), Logger: n.log,
		Admit: control.NewPeers(s.haproxyBinary, []string{s.cfgPath, s.masterSocket}, s.workerUsers()...).Check,
	}
	cfg.Configs = db
	if s.tokenFile != "" {
		tokens, err := auth.Open(s.tokenFile, n.log)
		if err != nil {
			return nil, usageError{err}
		}
		cfg.Tokens = tokens
	}
	if w != nil {
		cfg.Cluster, cfg.ClusterActions = w, &steering{cluster: c, watcher: w, events: events}
	}
	return api.New(cfg), nil
}

// onExit records that HAProxy has ended, and that it runs again, and lets the
// agent look again. HAProxy's changes wait for it, so that it waits for nothing.
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

// url is the base address of an API that listens at addr.
func url(addr net.Addr) string {
	return "http://" + strings.Replace(addr.String(), "[::]", "127.0.0.1", 1)
}
