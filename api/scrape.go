package api

import (
	"context"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
	"thalassa/stats"
)

// A scrape is how things stand when Prometheus asks.
type scrape struct {
	now       time.Time
	status    lb.Status
	known     bool // status is
	intent    lb.Intent
	services  map[lb.Name]lb.Service
	clients   int
	slow      uint64
	sampled   time.Time // last answer of HAProxy; zero: there was none, or nobody samples
	processes stats.Workers
	cluster   cluster.Status // its State is empty where none is to be seen
}

func (s *Server) scrape(ctx context.Context) scrape {
	m := scrape{now: s.cfg.Now(), services: s.cfg.Views.Snapshot().Services, clients: s.hub.Clients(), slow: s.hub.Slow()}
	st, err := s.coalescer.status(ctx, s.cfg.Views.Status)
	m.status, m.known = st, err == nil
	if in, err := s.cfg.Views.Intent(ctx); err == nil {
		m.intent = in
	}
	if s.cfg.Sampler != nil {
		m.sampled, m.processes = s.cfg.Sampler.Sampled(), s.cfg.Sampler.Workers()
	}
	if s.cfg.Cluster != nil {
		m.cluster = s.cfg.Cluster.View()
	}
	return m
}

type gaugeKind struct {
	name, help string
	labels     []string
	read       func(m scrape, set func(v float64, labels ...string))
}

// gauges are the agent's figures of the moment.
func gauges() []gaugeKind {
	plain := func(name, help string, value func(m scrape) float64) gaugeKind {
		return gaugeKind{name, help, nil, func(m scrape, set func(float64, ...string)) { set(value(m)) }}
	}
	perService := func(name, help string, value func(m scrape, s lb.ServiceStatus) float64) gaugeKind {
		return gaugeKind{name, help, []string{"service"}, func(m scrape, set func(float64, ...string)) {
			for _, s := range m.status.Discovery {
				set(value(m, s), string(s.Service))
			}
		}}
	}
	return []gaugeKind{
		plain("thalassa_haproxy_up", "Whether HAProxy runs.", func(m scrape) float64 { return truth(m.known && m.status.HAProxy.Running) }),
		plain("thalassa_haproxy_idle", "Whether HAProxy does not run and need not: Pacemaker wants it elsewhere.", func(m scrape) float64 { return truth(m.known && m.status.HAProxy.Idle) }),
		plain("thalassa_haproxy_old_workers", "Workers of HAProxy that end after a reload.", func(m scrape) float64 { return float64(m.status.HAProxy.OldWorkers) }),
		plain("thalassa_haproxy_in_step", "Whether HAProxy runs what was asked for.", func(m scrape) float64 {
			ready, _ := m.status.Ready()
			return truth(m.known && ready)
		}),
		plain("thalassa_revision", "The newest revision of what operators asked for.", func(m scrape) float64 { return float64(m.status.Revision) }),
		plain("thalassa_revision_in_effect", "The revision that HAProxy runs.", func(m scrape) float64 { return float64(m.status.InEffect) }),
		plain("thalassa_start_time_seconds", "When the agent began, in seconds since the epoch.", func(m scrape) float64 { return float64(m.status.Started.UnixMilli()) / 1000 }),
		plain("thalassa_frontends", "Frontends that operators asked for.", func(m scrape) float64 { return float64(len(m.intent.Frontends)) }),
		plain("thalassa_backends", "Backends that operators asked for.", func(m scrape) float64 { return float64(len(m.intent.Backends)) }),
		plain("thalassa_websocket_clients", "Websockets that are open.", func(m scrape) float64 { return float64(m.clients) }),
		plain("thalassa_websocket_slow_clients", "Websockets that were closed because their clients did not keep up, since the agent began.", func(m scrape) float64 { return float64(m.slow) }),
		plain("thalassa_stats_age_seconds", "Age of HAProxy's statistics; -1: there are none.", func(m scrape) float64 {
			if m.sampled.IsZero() {
				return -1
			}
			return max(0, m.now.Sub(m.sampled).Seconds())
		}),
		perService("thalassa_discovery_age_seconds", "Time since Consul last confirmed what is known of a service; -1: nothing is.", func(m scrape, s lb.ServiceStatus) float64 {
			if !s.Known || s.Seen.IsZero() {
				return -1
			}
			return max(0, m.now.Sub(s.Seen).Seconds())
		}),
		perService("thalassa_discovery_stale", "Whether Consul does not confirm what is known of a service, or knows nothing of it.", func(_ scrape, s lb.ServiceStatus) float64 {
			return truth(s.Stale != "")
		}),
		{"thalassa_service_held", "Instances of a service that are kept although Consul does not list them any more.", []string{"service"}, func(m scrape, set func(float64, ...string)) {
			for _, s := range m.services {
				set(float64(held(s)), string(s.Name))
			}
		}},
		{"thalassa_cluster_state", "State of the Pacemaker cluster as this node sees it: 1 for the one that it is in.", []string{"state"}, clusterState},
		{"thalassa_cluster_floating_ip_nodes", "Nodes that have a floating IP, as the Pacemaker of this node believes; 1 is right.", []string{"resource", "address"}, addressHolders},
		{"thalassa_service_instances", "Instances of a service by version and health, as Consul has them.", []string{"service", "version", "health"}, instances},
	}
}

func instances(m scrape, set func(v float64, labels ...string)) {
	for _, s := range m.status.Discovery {
		for _, v := range s.Versions {
			set(float64(v.Healthy), string(s.Service), string(v.Version), "healthy")
			set(float64(v.Total-v.Healthy), string(s.Service), string(v.Version), "unhealthy")
		}
	}
}

func clusterState(m scrape, set func(v float64, labels ...string)) {
	if m.cluster.State == "" || m.cluster.State == cluster.StateNone {
		return
	}
	for _, state := range cluster.States() {
		set(truth(state == m.cluster.State), state)
	}
}

// addressHolders tells nothing while Pacemaker does not answer: what it said last
// may be long ago.
func addressHolders(m scrape, set func(v float64, labels ...string)) {
	if m.cluster.State == cluster.StateOffline {
		return
	}
	for _, ip := range m.cluster.FloatingIPs {
		set(float64(len(ip.Nodes)), ip.Resource, ip.Address)
	}
}

// held counts the instances that Consul does not list and that stay in use.
func held(s lb.Service) int {
	n := 0
	for _, i := range s.Instances {
		if i.Held {
			n++
		}
	}
	return n
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
