package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/acme"
	"thalassa/activity"
	"thalassa/agent"
	"thalassa/api"
	"thalassa/api/console"
	"thalassa/api/hrapi"
	"thalassa/audit"
	"thalassa/auth"
	"thalassa/canary"
	"thalassa/clusters"
	"thalassa/control"
	"thalassa/discovery"
	"thalassa/drafts"
	"thalassa/haproxy"
	"thalassa/internal/logqueue"
	"thalassa/internal/memory"
	"thalassa/lb"
	"thalassa/nodes"
	"thalassa/ocsp"
	"thalassa/pacemaker"
	"thalassa/pacemaker/history"
	"thalassa/routes"
	"thalassa/stats"
	"thalassa/store"
)

// parts are the parts of a node before they run.
type parts struct {
	db           *store.DB
	keys         *store.Keys
	issuer       *acme.Issuer
	stapler      *ocsp.Stapler
	process      *haproxy.Process
	events       *activity.Log
	discovery    *discovery.Watcher
	registrar    *discovery.Registrar // nil: nothing is registered
	administered *control.Watcher
	agent        *agent.Agent
	authority    *auth.Authority   // nil: nobody has to show anything
	share        *auth.ShareConfig // nil: sessions hold on this node alone
	sessions     *sharing          // over the nodes of the cluster
	audit        *audit.Log
	canaries     *canary.Runner
	sampler      *stats.Sampler
	cluster      *pacemaker.Cluster // nil: none, as watcher
	watcher      *pacemaker.Watcher
	roster       *nodes.Roster        // nil with cluster
	local        *nodes.Local         // nil with cluster
	members      *nodes.Members       // nil with cluster
	changes      *clusterChanges      // nil with cluster
	drafts       *drafts.Drafts       // nil with cluster
	foresight    *pacemaker.Foresight // nil with cluster
	past         *history.Recorder    // nil with cluster, or where nothing can be kept
	imports      *history.Imports     // nil likewise
	peers        *history.Peers       // nil likewise, and without a key
	port         secured
	now          func() time.Time
	log          *slog.Logger
	routes       *routes.Router
	fleet        *clusters.Fleet
	server       *api.Server
}

// assemble makes the parts of a node, and imports what an earlier installation has left.
func (n node) assemble(ctx context.Context, db *store.DB, process *haproxy.Process, port secured) (p parts, err error) {
	p.db, p.process, p.port, p.sessions, p.now, p.log = db, process, port, &sharing{}, n.now, n.log
	addr := port.Addr()
	if p.keys, err = n.openKeys(); err != nil {
		return p, err
	}
	if p.events, err = activity.NewLog(ctx, db, n.now, n.log); err != nil {
		return p, fmt.Errorf("reading the activity: %w", err)
	}
	if p.issuer, err = n.issuer(ctx, db, p.keys, process, p.events); err != nil {
		return p, err
	}
	follow := &followed{}
	p.stapler = n.stapler(p, follow)
	p.useOwn(ctx)
	if p.discovery, err = n.watcher(ctx, db); err != nil {
		return p, err
	}
	administered := n.settings.Control(addr, n.log)
	administered.ConsulPorts = func(ctx context.Context) ([]uint16, error) {
		return discovery.Ports(ctx, n.reread.current.Load().Discovery(lb.Snapshot{}, n.log))
	}
	p.administered = control.New(administered)
	if p.agent, p.registrar, err = n.agent(p, addr); err != nil { //nolint:contextcheck // see parts.useOwn
		return p, err
	}
	follow.agent = p.agent
	if err := process.LearnKeywords(ctx); err != nil {
		n.log.WarnContext(ctx, "reading haproxy's keywords failed", "error", err)
	}
	if err := p.agent.Import(ctx); err != nil { // before the API tells of what is stored
		return p, err
	}
	if p.authority, err = n.authority(); err != nil {
		return p, err
	}
	p.authority.TrustClients(p.port.clients)
	if p.share, err = n.settings.Sharing().Config(n.log); err != nil {
		return p, err
	}
	if p.audit, err = n.auditLog(); err != nil {
		return p, err
	}
	p.canaries, err = canary.New(ctx, canary.Config{
		Node: p.agent, Store: db, Journal: p.events, Stats: process.Stats, Permit: mayDeploy(p.authority),
		Now: n.now, Logger: n.log,
	})
	if err != nil {
		return p, err
	}
	if p.cluster, p.watcher = n.cluster(); p.watcher != nil {
		p.roster, p.local = n.peersOfCluster(ctx, p)
		p.changes = n.clusterChanges(p)
		p.local.Knows(p.changes.OfNodes)
		p.members = nodes.NewMembers(p.changes.crew)
		if p.drafts, err = n.clusterDrafts(ctx, p); err != nil {
			return p, err
		}
		p.foresight = pacemaker.NewForesight(p.cluster, p.watcher, n.now)
		p.past, p.peers = openPast(ctx, n, p)
		p.imports = openImports(ctx, n)
	}
	if p.fleet, err = newFleet(n.settings, n.now, n.log); err != nil {
		return p, err
	}
	p.sampler = n.sampler(p.agent, process, p.events)
	p.routes = routes.New(routes.Config{Refuses: refusesRoute(p.administered.Control), Secrets: n.secretFiles(p.authority), Logger: n.log}, n.settings.Routes())
	p.server = n.api(p) //nolint:contextcheck // handlers have that of their request
	return p, p.sessions.begin(n, p)
}

// runParts runs the parts until ctx ends or one of them fails.
func (n node) runParts(ctx context.Context, p parts) error {
	g, ctx := errgroup.WithContext(ctx)
	run := func(part func(context.Context) error) { g.Go(func() error { return part(ctx) }) }
	run(p.discovery.Run)
	run(p.administered.Run)
	if p.registrar != nil {
		run(p.registrar.Run)
	}
	run(func(ctx context.Context) error { return p.process.Run(ctx, onExit(p.agent, p.events)) })
	run(p.agent.Run)
	run(func(ctx context.Context) error { return n.reread.run(ctx, p) })
	run(func(ctx context.Context) error {
		return n.systemd.run(ctx, p.agent.InStep(), hangs(p.agent.Hangs, p.process.Hangs))
	})
	run(n.followMemory)
	run(p.sampler.Run)
	run(func(ctx context.Context) error { return n.sweepKeys(ctx, p) })
	run(p.runIssuer)
	run(p.stapler.Run)
	run(agent.Expiries{Intents: p.db, Store: p.db, Journal: p.events, Now: n.now, Logger: n.log}.Run)
	run(p.canaries.Run)
	run(p.fleet.Run)
	run(p.server.Follow)
	run(p.sessions.run)
	run(func(ctx context.Context) error {
		p.sessions.await(ctx)
		return p.server.Serve(ctx, p.port)
	})
	run(p.port.run)
	if p.watcher != nil {
		run(p.watcher.Run)
		run(p.changes.Run)
		run(p.roster.Run)
		run(p.local.Run)
		run(p.members.Run)
		run(p.drafts.Run)
		run(p.foresight.Run)
		if p.past != nil {
			run(p.past.Run)
			if sharer := n.sharer(ctx, p); sharer != nil {
				run(sharer.Run)
			}
			if p.peers != nil {
				run(p.peers.Run)
			}
		}
		if p.imports != nil {
			run(func(ctx context.Context) error { return p.imports.Run(ctx, n.log) })
		}
		run(func(ctx context.Context) error {
			return p.watcher.Answer(ctx, pacemaker.Checks{Rollout: onDisk(p.process), Needs: n.meets})
		})
	}
	if n.ready != nil {
		run(func(ctx context.Context) error {
			select {
			case <-p.agent.InStep():
				return n.ready(ctx, p.port.Addr(), p.events)
			case <-ctx.Done():
				return nil
			}
		})
	}
	return g.Wait()
}

// api makes the server of the API.
func (n node) api(p parts) *api.Server {
	cfg := p.commonAPI(n)
	cfg.Changes, cfg.Members, cfg.Views, cfg.Changed, cfg.Sampler = p.agent, p.agent, p.agent, p.agent.Changed, p.sampler
	cfg.LogProblem = func() string { return cmp.Or(haproxy.ProgramProblem(p.process), p.logProblem(n.queue)) }
	cfg.TemplateProblem = p.agent.TemplateProblem
	cfg.StoreProblem = storeProblem(p.db, p.process)
	cfg.Hangs = hangs(p.agent.Hangs, p.process.Hangs)
	cfg.ServiceNames, cfg.Reload = p.discovery.Names, p.agent.Reload
	cfg.History, cfg.Drafts, cfg.Configs, cfg.Canaries = p.db, store.NewDrafts(p.db), store.NewArchive(p.db), p.canaries
	cfg.Backups = store.NewBackups(p.db)
	cfg.Keys, cfg.Orders, cfg.Staples = p.keys, p.issuer, p.stapler
	cfg.HAProxyConfig, cfg.Stats, cfg.Connections = p.process.Installed, p.process.Stats, p.process.Connections
	cfg.Unresolved = p.agent.Unresolved
	gateways := n.settings.Gateways()
	gateways.HAProxyConfig, gateways.Reload = p.process.Installed, p.agent.Reload
	gateways.Stop = n.stopForV1(p.process, p.events)
	cfg.Dialects = append(cfg.Dialects, hrapi.New(gateways), consoleOf(p.watcher))
	if p.watcher != nil {
		cfg.Cluster, cfg.ClusterActions, cfg.ClusterConfiguration, cfg.ClusterJobs = explained{p.watcher, p.roster, p.changes.ShutDown}, p.changes, p.changes, p.changes
		cfg.ClusterNode, cfg.IsSealError, cfg.ClusterMembers = p.local, nodes.IsSealError, p.members
		cfg.ClusterForesight, cfg.ClusterDrafts = p.foresight, p.drafts
		cfg.ClusterAgents, cfg.ClusterHAProxy = pacemaker.NewAgents(p.cluster, n.now), p.cluster
		if p.past != nil {
			cfg.ClusterHistory = p.past.Past
		}
		if p.imports != nil {
			cfg.ClusterImports = p.imports
			cfg.ClusterImported = func(id string) (api.ClusterHistory, error) { return p.imports.Past(id) }
		}
	}
	return api.New(cfg)
}

// commonAPI configures what the server of a console has as well.
func (p parts) commonAPI(n node) api.Config {
	cfg := n.settings.API(n.log)
	cfg.Now, cfg.Version = n.now, version()
	cfg.BodyBytes, cfg.AnswerBytes = requestMemory(memory.Limit())
	cfg.Certificate = p.port.info()
	cfg.LogDropped = n.queue.Dropped
	refusals := &refusals{now: n.now, log: n.log, events: p.events}
	p.port.gate.OnRefusal(refusals.note)
	cfg.ConnState, cfg.OpenConnections, cfg.Refused = p.port.gate.Track, p.port.gate.Open, refusals.note
	cfg.Activity, cfg.Audit, cfg.Routes, cfg.Clusters = p.events, p.audit, p.routes, p.fleet
	cfg.Admit = n.settings.Peers().Check
	if p.authority != nil {
		cfg.Authority, cfg.SessionFile, cfg.Share = p.authority, n.settings.Sessions(), p.share
		cfg.SessionProblems = p.sessions.problems
	}
	return cfg
}

// logProblem says why the log or the audit log is not written, or the certificate of the API is not
// renewed.
func (p parts) logProblem(log *logqueue.Queue) string {
	return cmp.Or(log.Problem(), p.audit.Problem(), p.port.problem())
}

// consoleOf is the dialect for clients of hawk-apiserver.
func consoleOf(w *pacemaker.Watcher) *console.Dialect {
	if w == nil {
		return console.New(nil)
	}
	return console.New(w)
}

// hangs are the sentences of the loops that hang.
func hangs(loops ...func() string) func() []string {
	return func() []string {
		var all []string
		for _, problem := range loops {
			if text := problem(); text != "" {
				all = append(all, text)
			}
		}
		return all
	}
}

// storeProblem says why the database or haproxy.cfg cannot be written.
func storeProblem(db *store.DB, p *haproxy.Process) func() string {
	return func() string {
		problems := slices.DeleteFunc([]string{db.Problem(), p.DiskProblem()}, func(s string) bool { return s == "" })
		return strings.Join(problems, "; ")
	}
}
