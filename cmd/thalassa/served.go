package main

import (
	"thalassa/activity"
	"thalassa/agent"
	"thalassa/api"
	"thalassa/auth"
	"thalassa/canary"
	"thalassa/discovery"
	"thalassa/haproxy"
	"thalassa/pacemaker"
	"thalassa/settings"
	"thalassa/stats"
	"thalassa/store"
)

// served is what the API shows and changes.
type served struct {
	discovery *discovery.Watcher
	agent     *agent.Agent
	db        *store.DB
	process   *haproxy.Process
	events    *activity.Log
	sampler   *stats.Sampler
	canaries  *canary.Runner
	cluster   *pacemaker.Cluster // nil: none, as watcher
	watcher   *pacemaker.Watcher
}

// api makes the server of the API.
func (n node) api(p served) (*api.Server, error) {
	cfg := n.settings.API(n.log)
	cfg.Changes, cfg.Members, cfg.Views, cfg.Changed, cfg.Sampler, cfg.Version = p.agent, p.agent, p.agent, p.agent.Changed, p.sampler, version()
	cfg.ServiceNames = p.discovery.Names
	cfg.Activity, cfg.History, cfg.Configs, cfg.Canaries = p.events, p.db, p.db, p.canaries
	cfg.Admit = n.settings.Peers().Check
	cfg.HAProxyConfig, cfg.Stats, cfg.Connections = p.process.Installed, p.process.Stats, p.process.Connections
	cfg.LogProblem, cfg.LogDropped = n.queue.Problem, n.queue.Dropped
	if file := n.settings.TokenFile(); file != "" {
		tokens, err := auth.Open(file, n.log)
		if err != nil {
			return nil, settings.Error{Err: err}
		}
		cfg.Tokens, cfg.SessionFile = tokens, n.settings.Sessions()
	}
	if p.watcher != nil {
		cfg.Cluster, cfg.ClusterActions = p.watcher, &steering{cluster: p.cluster, watcher: p.watcher, events: p.events}
	}
	return api.New(cfg), nil
}
