package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/activity"
	"thalassa/api"
	"thalassa/clusters"
	"thalassa/control"
	"thalassa/routes"
	"thalassa/settings"
	"thalassa/store"
)

// newFleet follows the other clusters that the settings name.
func newFleet(s *settings.Agent, now func() time.Time, log *slog.Logger) (*clusters.Fleet, error) {
	sources, err := s.Clusters()
	if err != nil {
		return nil, err
	}
	fleet, err := clusters.New(clusters.Config{Now: now, Logger: log}, sources)
	if err != nil {
		return nil, settings.Error{Err: fmt.Errorf("clusters: %w", err)}
	}
	return fleet, nil
}

// A clusterConsole is an agent that only shows other clusters.
type clusterConsole struct{ node }

// run keeps the console running until ctx ends, which is no error.
func (n clusterConsole) run(ctx context.Context) error {
	db, port, release, err := open(ctx, n.node)
	if err != nil {
		return err
	}
	defer release()
	p, err := n.assemble(ctx, db, port)
	if err != nil {
		return err
	}
	n.log.InfoContext(ctx, "thalassa console", "version", version(), "api", port.url(), "clusters", len(p.fleet.List()))
	n.hangup.set(n.reread.ask)
	err = n.runParts(ctx, p)
	p.finish(ctx)
	return err
}

// assemble makes the parts of a console.
func (n clusterConsole) assemble(ctx context.Context, db *store.DB, port secured) (p parts, err error) {
	p.db, p.port, p.sessions, p.now, p.log = db, port, &sharing{}, n.now, n.log
	if p.events, err = activity.NewLog(ctx, db, n.now, n.log); err != nil {
		return p, fmt.Errorf("reading the activity: %w", err)
	}
	p.administered = control.New(n.settings.Control(port.Addr(), n.log))
	if p.authority, err = n.authority(); err != nil {
		return p, err
	}
	p.authority.TrustClients(port.clients)
	if p.audit, err = n.auditLog(); err != nil {
		return p, err
	}
	if p.fleet, err = newFleet(n.settings, n.now, n.log); err != nil {
		return p, err
	}
	p.routes = routes.New(routes.Config{Refuses: refusesRoute(p.administered.Control), Secrets: n.secretFiles(p.authority), Logger: n.log}, n.settings.Routes())
	cfg := p.commonAPI(n.node)
	cfg.Console, cfg.StoreProblem = true, db.Problem
	cfg.LogProblem = func() string { return p.logProblem(n.queue) }
	p.server = api.New(cfg) //nolint:contextcheck // handlers have that of their request
	return p, nil
}

// runParts runs the parts of a console until ctx ends or one of them fails.
func (n clusterConsole) runParts(ctx context.Context, p parts) error {
	g, ctx := errgroup.WithContext(ctx)
	run := func(part func(context.Context) error) { g.Go(func() error { return part(ctx) }) }
	serves := make(chan struct{})
	close(serves) // the port is open
	run(p.administered.Run)
	run(func(ctx context.Context) error { return n.reread.run(ctx, p) })
	run(func(ctx context.Context) error { return n.systemd.run(ctx, serves, hangs()) })
	run(n.followMemory)
	run(p.fleet.Run)
	run(p.server.Follow)
	run(func(ctx context.Context) error { return p.server.Serve(ctx, p.port) })
	run(p.port.run)
	return g.Wait()
}
