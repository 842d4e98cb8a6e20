package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"thalassa/activity"
	"thalassa/auth"
	"thalassa/internal/permit"
	"thalassa/stats"
)

// metrics are the agent's own figures, and serve those of HAProxy beside them. The latter
// (exporter.go) are in no registry: ten thousand servers are too many for one.
type metrics struct {
	read     func(context.Context) scrape
	registry *prometheus.Registry
	// nameless has the metrics that name no object. It is for requests for which isNameless is
	// true.
	nameless    *prometheus.Registry
	isNameless  func(*http.Request) bool // set before use
	sampler     *stats.Sampler           // nil: there are no statistics of HAProxy
	begin       time.Time
	rounds      *prometheus.CounterVec
	reloads     *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	propagation prometheus.Histogram
	events      *prometheus.CounterVec
}

// A lateCollector makes its collector with the first scrape. That of the Go runtime matches a few
// patterns against each of its metrics, which takes longer than the rest of New.
type lateCollector func() prometheus.Collector

// Describe describes nothing: the registry checks what is collected.
func (c lateCollector) Describe(chan<- *prometheus.Desc) {}

func (c lateCollector) Collect(to chan<- prometheus.Metric) { c().Collect(to) }

// newMetrics makes metrics with a registry of their own. read gives the figures of the moment.
func newMetrics(cfg Config, read func(context.Context) scrape) *metrics {
	m := &metrics{
		read: read, registry: prometheus.NewRegistry(), nameless: prometheus.NewRegistry(), isNameless: func(*http.Request) bool { return false }, sampler: cfg.Sampler, begin: cfg.Now(),
		rounds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "thalassa_rounds_total", Help: "Changes applied to HAProxy, by path and result.",
		}, []string{"path", "result"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "thalassa_reloads_total", Help: "Reloads of HAProxy by reason; a reload with several reasons counts for each.",
		}, []string{"reason"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "thalassa_apply_duration_seconds", Help: "Time that HAProxy took to apply a change, by path.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"path"}),
		propagation: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "thalassa_propagation_seconds", Help: "Time from Consul's answer, or an operator's request, until the change was in effect.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "thalassa_events_total", Help: "Events of the activity log by verb.",
		}, []string{"verb"}),
	}
	for _, path := range []string{"runtime", "reload"} {
		m.rounds.WithLabelValues(path, "ok")
		m.duration.WithLabelValues(path)
	}
	m.rounds.WithLabelValues("reload", "failed")
	m.reloads.WithLabelValues("frontend created")
	for _, verb := range []activity.Verb{
		activity.HAProxyExited, activity.HAProxyRestarted, activity.ServersRepaired, activity.BackendSwitched,
		activity.CertificateRenewalFailed,
	} {
		m.events.WithLabelValues(string(verb))
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "thalassa_build_info", Help: "The agent's version; the value is always 1.",
		ConstLabels: prometheus.Labels{"version": cfg.Version, "goversion": runtime.Version()},
	})
	build.Set(1)
	ofGo := lateCollector(sync.OnceValue(func() prometheus.Collector { return collectors.NewGoCollector() }))
	for _, r := range []*prometheus.Registry{m.registry, m.nameless} {
		r.MustRegister(m.rounds, m.reloads, m.duration, m.propagation, m.events, build,
			ofGo, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	own, nameless := append(nodeGauges(), objectGauges()...), nodeGauges()
	own = append(own, floatingGauge)
	if cfg.Console {
		isAbsent := func(name string) bool { return !isConsoleGauge(name) }
		own, nameless = slices.DeleteFunc(own, isAbsent), slices.DeleteFunc(nameless, isAbsent)
	}
	m.registry.MustRegister(newGaugeCollector(read, own), newRouteCollector(cfg.Routes))
	m.nameless.MustRegister(newGaugeCollector(read, nameless))
	return m
}

// count counts an event of the activity log, unless it is from an earlier run.
func (m *metrics) count(e activity.Event) {
	if e.Time < m.begin.UnixMilli() {
		return
	}
	m.events.WithLabelValues(string(e.Verb)).Inc()
	switch e.Verb {
	case activity.HAProxyConfigChanged:
		m.rounds.WithLabelValues(e.Path, "ok").Inc()
		m.duration.WithLabelValues(e.Path).Observe(e.DurationMS / 1000)
		if e.PropagationMS > 0 {
			m.propagation.Observe(e.PropagationMS / 1000)
		}
	case activity.HAProxyReloadFailed:
		m.rounds.WithLabelValues("reload", "failed").Inc()
	case activity.HAProxyReloaded:
		seen := map[string]bool{}
		for _, text := range e.Reasons {
			if reason := reasonOf(text); !seen[reason] {
				seen[reason] = true
				m.reloads.WithLabelValues(reason).Inc()
			}
		}
	default: // counted above
	}
}

// reasonOf removes the name from "frontend/web created", so that there are few
// different reasons.
func reasonOf(text string) string {
	object, what, _ := strings.Cut(text, " ")
	kind, _, _ := strings.Cut(object, "/")
	return strings.TrimSpace(kind + " " + what)
}

// metricsRole is the role that /metrics needs.
func metricsRole(open bool) auth.Role {
	if open {
		return 0
	}
	return auth.Read
}

// scrapeTimeout is how long a scrape waits for new statistics of HAProxy before it
// gets the last ones.
const scrapeTimeout = 2 * time.Second

func (m *metrics) refresh(ctx context.Context) {
	if m.sampler == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	m.sampler.Refresh(ctx)
}

// registryFor has the agent's own metrics for a caller. A caller who may not see all objects gets
// the metrics of the visible ones, and none of the node.
func (m *metrics) registryFor(ctx context.Context) (registry *prometheus.Registry, sees func(*stats.Series) bool) {
	s, limited := sightOf(ctx)
	if !limited {
		return m.registry, nil
	}
	registry = prometheus.NewRegistry()
	registry.MustRegister(newGaugeCollector(func(context.Context) scrape { return m.read(ctx) }, objectGauges()))
	return registry, func(series *stats.Series) bool { return s.grant.Sees(proxyID(series)) }
}

// proxyID is the object that a series belongs to.
func proxyID(s *stats.Series) string {
	if s.Kind == stats.Frontend {
		return "frontend/" + s.Key
	}
	return "backend/" + s.Key
}

// serve answers in Prometheus' text format.
func (m *metrics) serve(c echo.Context) error {
	m.refresh(c.Request().Context())
	registry, sees := m.registryFor(c.Request().Context())
	if m.isNameless(c.Request()) {
		registry, sees = m.nameless, func(*stats.Series) bool { return false }
	}
	families, err := registry.Gather()
	if err != nil {
		return fmt.Errorf("gathering metrics: %w", err)
	}
	var own bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	encoder := expfmt.NewEncoder(&own, format)
	for _, f := range families {
		if err := encoder.Encode(f); err != nil {
			return fmt.Errorf("encoding metrics: %w", err)
		}
	}
	if err := permit.Check(c.Request().Context()); err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentType, string(format))
	c.Response().WriteHeader(http.StatusOK)
	w := pacedWriter{c.Response()}
	if _, err := w.Write(own.Bytes()); err != nil {
		return nil //nolint:nilerr // the reader has closed the connection
	}
	if m.sampler != nil {
		_ = writeHAProxyMetrics(w, m.sampler, sees) // fails when the reader has closed the connection
	}
	return nil
}

// pacedWriter gives each piece of a long answer writeTimeout.
type pacedWriter struct{ response *echo.Response }

// Write sends a piece.
func (w pacedWriter) Write(data []byte) (int, error) {
	_ = http.NewResponseController(w.response).SetWriteDeadline(time.Now().Add(writeTimeout)) // where there is one
	return w.response.Write(data)
}
