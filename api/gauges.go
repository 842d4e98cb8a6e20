package api

import (
	"context"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"thalassa/cluster"
	"thalassa/lb"
)

// A gaugeCollector collects the figures of the moment when Prometheus asks.
type gaugeCollector struct {
	read   func(context.Context) scrape
	gauges []gauge
}

// A gauge is a figure of the moment with at most three labels.
type gauge struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(scrape, func(v float64, labels ...string))
}

// newGaugeCollector collects the gauges of some names; nil: all.
func newGaugeCollector(read func(context.Context) scrape, names []string) gaugeCollector {
	c := gaugeCollector{read: read}
	for _, g := range gauges() {
		if names != nil && !slices.Contains(names, g.name) {
			continue
		}
		kind := prometheus.GaugeValue
		if strings.HasSuffix(g.name, "_total") { // somebody else counts
			kind = prometheus.CounterValue
		}
		c.gauges = append(c.gauges, gauge{prometheus.NewDesc(g.name, g.help, g.labels, nil), kind, g.read})
	}
	return c
}

// Describe names the figures.
func (c gaugeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range c.gauges {
		ch <- g.desc
	}
}

// Collect reads them.
func (c gaugeCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout/2)
	defer cancel()
	m := c.read(ctx)
	for _, g := range c.gauges {
		g.read(m, func(v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(g.desc, g.kind, v, labels...)
		})
	}
}

// A gaugeKind is the name of a gauge, and how it is read from a scrape.
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
	return slices.Concat([]gaugeKind{
		plain("thalassa_haproxy_up", "Whether HAProxy runs.", func(m scrape) float64 { return boolean(m.known && m.status.HAProxy.Running) }),
		plain("thalassa_haproxy_idle", "Whether HAProxy does not run because Pacemaker runs it elsewhere.", func(m scrape) float64 { return boolean(m.known && m.status.HAProxy.Idle) }),
		plain("thalassa_haproxy_old_workers", "Workers of HAProxy that are ending after a reload.", func(m scrape) float64 { return float64(m.status.HAProxy.OldWorkers) }),
		plain("thalassa_haproxy_in_step", "Whether HAProxy runs the newest configuration.", func(m scrape) float64 {
			ready, _ := m.status.Ready()
			return boolean(m.known && ready)
		}),
		plain("thalassa_revision", "The newest revision of the configuration by operators.", func(m scrape) float64 { return float64(m.status.Revision) }),
		plain("thalassa_revision_in_effect", "The revision that HAProxy runs.", func(m scrape) float64 { return float64(m.status.InEffect) }),
		plain("thalassa_start_time_seconds", "When the agent started, in seconds since the epoch.", func(m scrape) float64 { return float64(m.status.Started.UnixMilli()) / 1000 }),
		plain("thalassa_frontends", "Number of frontends.", func(m scrape) float64 { return float64(len(m.intent.Frontends)) }),
		plain("thalassa_backends", "Number of backends.", func(m scrape) float64 { return float64(len(m.intent.Backends)) }),
		plain("thalassa_websocket_clients", "Open websockets.", func(m scrape) float64 { return float64(m.clients) }),
		plain("thalassa_websocket_slow_clients", "Websockets closed because their clients were too slow, since the agent started.", func(m scrape) float64 { return float64(m.slow) }),
		plain("thalassa_websocket_refused", "Websockets refused because there were too many, since the agent started.", func(m scrape) float64 { return float64(m.unopened) }),
		plain("thalassa_api_connections", "Open connections to the API.", func(m scrape) float64 { return float64(m.open) }),
		plain("thalassa_api_connections_refused", "Connections to the API that were refused, or closed for others, because there were too many, since the agent started.", func(m scrape) float64 { return float64(m.refused) }),
		plain("thalassa_log_dropped_lines", "Lines of the agent's log that were dropped because nobody read it, since the agent started.", func(m scrape) float64 { return float64(m.dropped) }),
		plain("thalassa_stats_age_seconds", "Age of HAProxy's statistics; -1: there are none.", func(m scrape) float64 {
			if m.sampled.IsZero() {
				return -1
			}
			return max(0, m.now.Sub(m.sampled).Seconds())
		}),
		perService("thalassa_discovery_age_seconds", "Time since Consul last confirmed the instances of a service; -1: it never did.", func(m scrape, s lb.ServiceStatus) float64 {
			if !s.Known || s.Seen.IsZero() {
				return -1
			}
			return max(0, m.now.Sub(s.Seen).Seconds())
		}),
		perService("thalassa_discovery_stale", "Whether Consul does not confirm the instances of a service.", func(_ scrape, s lb.ServiceStatus) float64 {
			return boolean(s.Stale != "")
		}),
		{"thalassa_service_held", "Instances of a service that stay in use although Consul no longer lists them.", []string{"service"}, func(m scrape, set func(float64, ...string)) {
			for _, s := range m.services {
				set(float64(held(s)), string(s.Name))
			}
		}},
		{"thalassa_certificate_not_after_seconds", "When the first certificate of a stored chain expires, in seconds since the epoch.", []string{"certificate"}, func(m scrape, set func(float64, ...string)) {
			for _, c := range m.intent.SortedCertificates() {
				if len(c.Files) > 0 {
					set(float64(c.NotAfter().Unix()), string(c.Key))
				}
			}
		}},
		{"thalassa_certificate_not_before_seconds", "When the first certificate of a stored chain began to be valid, in seconds since the epoch.", []string{"certificate"}, func(m scrape, set func(float64, ...string)) {
			for _, c := range m.intent.SortedCertificates() {
				if len(c.Files) > 0 {
					set(float64(c.NotBefore().Unix()), string(c.Key))
				}
			}
		}},
		{"thalassa_certificate_renewal_failures_total", "Attempts of this node to order or renew a certificate that failed, since the agent started.", []string{"certificate"}, func(m scrape, set func(float64, ...string)) {
			for _, c := range m.intent.SortedCertificates() {
				if c.ACME != nil && m.orders != nil {
					set(float64(m.orders.Status(*c.ACME).Failed), string(c.Key))
				}
			}
		}},
		{"thalassa_certificate_renewal_failures", "Attempts to order or renew a certificate that failed since the last success.", []string{"certificate"}, func(m scrape, set func(float64, ...string)) {
			for _, c := range m.intent.SortedCertificates() {
				if c.ACME != nil && m.orders != nil {
					set(float64(m.orders.Status(*c.ACME).Failures), string(c.Key))
				}
			}
		}},
		{"thalassa_cluster_state", "State of the Pacemaker cluster as this node sees it: 1 for the current state.", []string{"state"}, clusterState},
		{"thalassa_cluster_shut_down", "Whether the Pacemaker cluster is offline here because somebody has shut it down.", nil, clusterShutDown},
		{floatingGauge, "Nodes that have a floating IP, as Pacemaker on this node knows it; 1 is healthy.", []string{"resource", "address"}, addressHolders},
		{"thalassa_cluster_survives_loss", "Whether all resources of the Pacemaker cluster would run if a node failed; -1: not computed yet.", []string{"node"}, survivedLosses},
		{otherClusterGauge, "State of another cluster: 1 for the current state.", []string{"cluster", "state"}, otherClusterStates},
		{"thalassa_service_instances", "Instances of a service in Consul, by version and health.", []string{"service", "version", "health"}, instances},
	}, revocationGauges())
}

// objectGauges are the names of the gauges with one sample for each object.
func objectGauges() []string {
	return []string{
		"thalassa_frontends", "thalassa_backends", "thalassa_discovery_age_seconds", "thalassa_discovery_stale",
		"thalassa_service_held", "thalassa_service_instances", "thalassa_certificate_not_after_seconds",
		"thalassa_certificate_crl_next_update_seconds", "thalassa_certificate_ocsp_next_update_seconds",
		"thalassa_certificate_ocsp_failures",
		"thalassa_certificate_not_before_seconds", "thalassa_certificate_renewal_failures", "thalassa_certificate_renewal_failures_total",
		otherClusterGauge,
	}
}

// nodeGauges are the names of the gauges that name no object.
func nodeGauges() (names []string) {
	for _, g := range gauges() {
		if !slices.Contains(objectGauges(), g.name) && g.name != floatingGauge {
			names = append(names, g.name)
		}
	}
	return names
}

// otherClusterGauge names other clusters.
const otherClusterGauge = "thalassa_other_cluster_state"

func otherClusterStates(m scrape, set func(v float64, labels ...string)) {
	for _, c := range m.others {
		for _, state := range append(cluster.States(), cluster.StateUnreachable, cluster.StateUnknown) {
			set(boolean(c.State == state), c.Name, state)
		}
	}
}

// floatingGauge names addresses.
const floatingGauge = "thalassa_cluster_floating_ip_nodes"

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
		set(boolean(state == m.cluster.State), state)
	}
}

// clusterShutDown sets 1 while somebody wants the cluster to be down.
func clusterShutDown(m scrape, set func(v float64, labels ...string)) {
	if m.cluster.State != "" && m.cluster.State != cluster.StateNone {
		set(boolean(m.cluster.ShutDown != nil))
	}
}

// addressHolders sets nothing while Pacemaker does not answer: its last answer may be
// old.
func addressHolders(m scrape, set func(v float64, labels ...string)) {
	if m.cluster.State == cluster.StateOffline {
		return
	}
	for _, ip := range m.cluster.FloatingIPs {
		set(float64(len(ip.Nodes)), ip.Resource, ip.Address)
	}
}

// survivedLosses sets 1 for a node that may fail, 0 for one that may not.
func survivedLosses(m scrape, set func(v float64, labels ...string)) {
	if m.cluster.State == "" || m.cluster.State == cluster.StateNone || m.cluster.State == cluster.StateOffline {
		return
	}
	for _, loss := range m.losses {
		value := -1.0
		if loss.Known {
			value = boolean(loss.Survives)
		}
		set(value, loss.Nodes[0])
	}
}

// held counts the instances that Consul no longer lists and that stay in use.
func held(s lb.Service) int {
	n := 0
	for _, i := range s.Instances {
		if i.Held {
			n++
		}
	}
	return n
}

// boolean is 1 for true.
func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
