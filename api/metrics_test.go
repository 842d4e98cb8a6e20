package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"thalassa/activity"
	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/stats"
	"thalassa/statsock"
)

// parseMetrics reads Prometheus' text format.
func parseMetrics(t *testing.T, data []byte) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	return families
}

// described are the names and types that the text tells, with or without
// samples.
func described(data []byte) map[string]string {
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(string(data), -1) {
		out[m[1]] = m[2]
	}
	return out
}

// sampled is a real HAProxy with its own exporter, a frontend and two servers,
// and a sampler that has seen it.
func sampled(t *testing.T, binary string) (sampler *stats.Sampler, address string) {
	t.Helper()
	address = fmt.Sprintf("127.0.0.1:%d", testkit.Port(t))
	web := testkit.StartWeb(t, "hello")
	h := testkit.RunHAProxy(t, binary, testkit.HAProxyConfig{
		Address: address, Backend: fmt.Sprintf("127.0.0.1:%d check", web.Port),
		Frontend: []string{"http-request use-service prometheus-exporter if { path /metrics }"},
	})
	sampler = stats.New(stats.Config{
		Client: statsock.New(h.StatsSocket), Master: statsock.NewMaster(h.MasterSocket), Interval: 100 * time.Millisecond,
	})
	run(t, sampler.Run)
	testkit.Eventually(t, patience, func() error {
		if sampler.Workers().PID == 0 {
			return errors.New("HAProxy has not answered")
		}
		resp, err := http.Get("http://" + address + "/")
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	return sampler, address
}

func TestMetricsAreNamedAsHAProxyNamesThem(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) { metricsLikeThoseOf(t, binary.Path) })
	}
}

func metricsLikeThoseOf(t *testing.T, binary string) {
	t.Helper()
	sampler, address := sampled(t, binary)
	s := newFixture(t, func(c *api.Config) { c.Sampler = sampler })
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var own bytes.Buffer
	if _, err := own.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	theirs := parseMetrics(t, own.Bytes())
	var families map[string]*dto.MetricFamily
	testkit.Eventually(t, patience, func() error {
		families = parseMetrics(t, s.get("/metrics").body)
		if f := families["haproxy_server_check_status"]; len(f.GetMetric()) == 0 || families["haproxy_frontend_http_requests_total"].GetMetric()[0].GetCounter().GetValue() == 0 {
			return fmt.Errorf("the server has not been checked: %v", f)
		}
		return nil
	})
	seen := 0
	for name, f := range families {
		if !strings.HasPrefix(name, "haproxy_") {
			continue
		}
		seen++
		their := theirs[name]
		if their == nil || their.GetType() != f.GetType() {
			t.Errorf("%s is a %v here and a %v in HAProxy's exporter", name, f.GetType(), their.GetType())
			continue
		}
		known := labels(their.GetMetric()[0])
		for _, label := range labels(f.GetMetric()[0]) {
			if !slices.Contains(known, label) {
				t.Errorf("%s has the label %s here, HAProxy's exporter has %v", name, label, known)
			}
		}
	}
	if seen < 70 {
		t.Errorf("%d metrics of HAProxy", seen)
	}
}

func labels(m *dto.Metric) []string {
	var names []string
	for _, l := range m.GetLabel() {
		names = append(names, l.GetName())
	}
	return names
}

// run runs something long-lived until the test's end.
func run(tb testing.TB, f func(ctx context.Context) error) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
}

// value is that of the sample with all of the labels, "name=value" each.
func value(t *testing.T, families map[string]*dto.MetricFamily, name string, want ...string) float64 {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		have := map[string]string{}
		for _, l := range m.GetLabel() {
			have[l.GetName()] = l.GetValue()
		}
		if slices.ContainsFunc(want, func(w string) bool { n, v, _ := strings.Cut(w, "="); return have[n] != v }) {
			continue
		}
		switch families[name].GetType() {
		case dto.MetricType_COUNTER:
			return m.GetCounter().GetValue()
		case dto.MetricType_HISTOGRAM:
			return float64(m.GetHistogram().GetSampleCount())
		default:
			return m.GetGauge().GetValue()
		}
	}
	t.Errorf("there is no %s%v", name, want)
	return -1
}

func TestMetricsOfTheAgent(t *testing.T) {
	s := streamingFixture(t)
	s.Discover("shop", "10.1.0.1:8080 1.0.0", "10.1.0.3:8080 2.0.0")
	s.put("/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`)
	pair := testkit.NewAuthority(t).Issue(t, "shop.example")
	s.put("/certificates/shop", pair.Body())
	for _, e := range []activity.Event{
		{Verb: activity.HAProxyConfigChanged, Path: "runtime", DurationMS: 3, PropagationMS: 12},
		{Verb: activity.HAProxyConfigChanged, Path: "reload", DurationMS: 90},
		{Verb: activity.HAProxyReloaded, Path: "reload", Reasons: []string{"frontend/web created", "backend/a slots", "backend/b slots", "process settings"}},
		{Verb: activity.HAProxyReloadFailed, Error: "no"},
	} {
		s.Log.Record(t.Context(), e)
	}
	var families map[string]*dto.MetricFamily
	testkit.Eventually(t, patience, func() error {
		families = parseMetrics(t, s.get("/metrics").body)
		for _, m := range families["thalassa_rounds_total"].GetMetric() {
			if m.GetCounter().GetValue() == 0 {
				return fmt.Errorf("not counted yet: %v", m)
			}
		}
		return nil
	})
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{1, "thalassa_rounds_total", []string{"path=runtime", "result=ok"}},
		{1, "thalassa_rounds_total", []string{"path=reload", "result=failed"}},
		{1, "thalassa_reloads_total", []string{"reason=frontend created"}},
		{1, "thalassa_reloads_total", []string{"reason=backend slots"}},
		{1, "thalassa_reloads_total", []string{"reason=process settings"}},
		{1, "thalassa_propagation_seconds", nil},
		{1, "thalassa_apply_duration_seconds", []string{"path=reload"}},
		{1, "thalassa_events_total", []string{"verb=haproxyReloaded"}},
		{1, "thalassa_build_info", []string{"version=1.2.3"}},
		{1, "thalassa_haproxy_up", nil},
		{0, "thalassa_haproxy_idle", nil},
		{1, "thalassa_backends", nil},
		{float64(pair.Leaf.NotAfter.Unix()), "thalassa_certificate_not_after_seconds", []string{"certificate=shop"}},
		{0, "thalassa_discovery_stale", []string{"service=shop"}},
		{1, "thalassa_service_instances", []string{"service=shop", "version=2.0.0", "health=healthy"}},
		{0, "thalassa_websocket_clients", nil},
		{-1, "thalassa_stats_age_seconds", nil},
	} {
		if got := value(t, families, c.name, c.labels...); got != c.want {
			t.Errorf("%s%v is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	if age := value(t, families, "thalassa_discovery_age_seconds", "service=shop"); age < 0 || age > 60 {
		t.Errorf("the service is %v s old", age)
	}
	s.SetDown(true)
	s.subscriber(t).next()
	families = parseMetrics(t, s.get("/metrics").body)
	if value(t, families, "thalassa_haproxy_up") != 0 || value(t, families, "thalassa_websocket_clients") != 1 {
		t.Error("the moment is another one")
	}
	s.SetIdle(true)
	families = parseMetrics(t, s.get("/metrics").body)
	if value(t, families, "thalassa_haproxy_up") != 0 || value(t, families, "thalassa_haproxy_idle") != 1 {
		t.Error("HAProxy is missed on a node where it need not be")
	}
}

func TestMetricsMayBeOpen(t *testing.T) {
	s := newFixture(t, apitest.Guarded(t))
	s.get("/metrics").refused(t, http.StatusUnauthorized, "unauthorized")
	s.get("/metrics", bearer(apitest.ReadToken)).wants(t, 200, nil)
	free := newFixture(t, apitest.Guarded(t), func(c *api.Config) { c.OpenMetrics = true })
	free.get("/metrics").wants(t, 200, nil)
	free.get("/status").refused(t, http.StatusUnauthorized, "unauthorized")
}

func TestMetricsOfTheCluster(t *testing.T) {
	s, c := clustered(t)
	is := func(want float64, name string, labels ...string) {
		t.Helper()
		if got := value(t, parseMetrics(t, s.get("/metrics").body), name, labels...); got != want {
			t.Errorf("%s%v is %v, want %v", name, labels, got, want)
		}
	}
	is(1, "thalassa_cluster_state", "state=ok")
	is(0, "thalassa_cluster_state", "state=errors")
	is(1, "thalassa_cluster_floating_ip_nodes", "resource=vip", "address=192.0.2.10/24")
	c.Change(func(v *cluster.Status) {
		v.State, v.FloatingIPs[0].Node, v.FloatingIPs[0].Nodes = cluster.StateErrors, "", nil
	})
	is(1, "thalassa_cluster_state", "state=errors")
	is(0, "thalassa_cluster_floating_ip_nodes", "resource=vip")
	c.Change(func(v *cluster.Status) { v.State = cluster.StateOffline })
	is(1, "thalassa_cluster_state", "state=offline")
	for _, state := range []string{cluster.StateOffline, cluster.StateNone, ""} {
		c.Change(func(v *cluster.Status) { v.State = state })
		known := described(s.get("/metrics").body)
		if state != cluster.StateOffline && known["thalassa_cluster_state"] != "" {
			t.Errorf("a cluster in state %q has one", state)
		}
		if state == cluster.StateOffline && known["thalassa_cluster_floating_ip_nodes"] != "" {
			t.Error("a Pacemaker that does not answer knows who has the address")
		}
	}
}

// failedOrders have failed once.
type failedOrders struct{}

func (failedOrders) Check(lb.ACME) error        { return nil }
func (failedOrders) Files(lb.ACME) []lb.PEMFile { return nil }
func (failedOrders) Status(lb.ACME) lb.OrderStatus {
	return lb.OrderStatus{State: "failed", Failures: 1, Failed: 3}
}
func (failedOrders) Renew(lb.Certificate) error { return nil }

// failedStaples are OCSP responses that could not be fetched.
type failedStaples struct{}

func (failedStaples) Status(string) (lb.StapleStatus, bool) {
	return lb.StapleStatus{Next: time.Now(), Failures: 1, Error: "no answer"}, true
}

// Every metric that the dashboard, the alerts and the page name is there, and
// every one of the agent's is on the page.
func TestMetricsThatOthersName(t *testing.T) {
	sampler := stats.New(stats.Config{Client: statsock.New("/nonexistent")})
	run(t, sampler.Run)
	s, _ := clustered(t, routed(t, newApplication(t)), func(c *api.Config) {
		c.Sampler, c.Orders, c.Staples, c.Clusters = sampler, failedOrders{}, failedStaples{}, apitest.NewClusters(t, "paris")
	})
	s.Discover("shop", "10.1.0.1:8080 1.0.0")
	s.put("/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`)
	s.put("/certificates/shop", testkit.NewAuthority(t).Issue(t, "shop.example").Body())
	s.do("PUT", "/certificates/www", `{"acme":{"domains":["www.shop.example"]}}`).wants(t, 200, nil)
	corp := testkit.NewAuthority(t)
	s.put("/certificates/corp", fmt.Sprintf(`{"chain":%q,"crl":%q}`, corp.PEM, corp.Revoke(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))))
	known := described(s.get("/metrics").body)
	files := []string{"../packaging/grafana-dashboard.json", "../packaging/prometheus-alerts.yaml", "../docs/metrics.md"}
	var dashboard, alerts any
	texts := map[string]string{}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(data)
	}
	if err := json.Unmarshal([]byte(texts[files[0]]), &dashboard); err != nil {
		t.Errorf("%s: %v", files[0], err)
	}
	if err := yaml.Unmarshal([]byte(texts[files[1]]), &alerts); err != nil {
		t.Errorf("%s: %v", files[1], err)
	}
	for path, text := range texts {
		named := map[string]bool{}
		for _, name := range regexp.MustCompile(`\b(thalassa|haproxy|process|go)_[a-z0-9_]*[a-z0-9]\b`).FindAllString(text, -1) {
			named[name] = true
		}
		if len(named) < 10 {
			t.Errorf("%s names %d metrics", path, len(named))
		}
		for _, name := range slices.Sorted(maps.Keys(named)) {
			if known[name] == "" && known[strings.TrimSuffix(name, "_bucket")] != "histogram" {
				t.Errorf("%s names %s, which is not there", path, name)
			}
		}
	}
	for name := range known {
		if strings.HasPrefix(name, "thalassa_") && !strings.Contains(texts[files[2]], "`"+name+"`") {
			t.Errorf("%s does not tell of %s", files[2], name)
		}
	}
}
