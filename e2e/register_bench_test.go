package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

// A subject keeps a HAProxy in step with Consul. Its frontend leads to the
// instances of service shop.
type subject struct {
	consul  *testkit.ConsulAgent
	address string // of the frontend
	// reloads counts those that it has made so far.
	reloads func() int
}

// services beside shop, of three instances each, as shop has.
const neighbors = 19

// populate registers the neighbors and the first three instances of shop.
func populate(tb testing.TB, consul *testkit.ConsulAgent) {
	tb.Helper()
	ports := make([]int, 3)
	for i := range ports {
		ports[i] = testkit.StartWeb(tb, "neighbor").Port
	}
	for i := range neighbors {
		for j, port := range ports {
			consul.Register(testkit.Instance{
				ID: fmt.Sprintf("service-%d-%d", i, j), Service: fmt.Sprintf("service-%d", i), Address: "127.0.0.1", Port: port,
				Meta: map[string]string{"version": "1.0.0"},
			})
		}
	}
	service(tb, consul, "1.0.0", 3)
}

// BenchmarkRegister measures the time from registering an instance in Consul to
// the first request that it answers, and from deregistering it to the last request
// that begins and that it answers, with 20 services of three instances; beside
// the floors: the times until Consul itself tells a blocking query of each. It does the
// same to consul-template, where that is installed.
func BenchmarkRegister(b *testing.B) {
	b.Run("thalassa", func(b *testing.B) {
		consul := testkit.Consul(b)
		populate(b, consul)
		n := newNode(b, consul.Address())
		n.start()
		for i := range neighbors {
			n.call(200, http.MethodPut, fmt.Sprintf("/backends/service-%d", i), fmt.Sprintf(`{"type":"dynamic","name":"service-%d","version":"1.0.0"}`, i))
		}
		n.route()
		n.answers("1.0.0-0", "1.0.0-1", "1.0.0-2")
		load := subject{consul, n.address(), n.reloads}.measure(b, samples)
		b.ReportMetric(n.residentMB(), "agent-MB")
		if load.Failed > 0 {
			b.Errorf("%d of %d requests failed: %v", load.Failed, load.Requests, load.Errors)
		}
	})
	b.Run("consul-template", func(b *testing.B) { consulTemplate(b).measure(b, samples) })
	b.Run("consul-template-wait-2s", func(b *testing.B) { consulTemplate(b, "-wait=2s").measure(b, samples/4) })
}

// measure registers and deregisters instances, one after the other, and reports
// how long that takes to show.
func (s subject) measure(b *testing.B, samples int) testkit.LoadResult {
	b.Helper()
	before := s.reloads()
	load := testkit.StartLoad(b, testkit.LoadConfig{Address: s.address, Fresh: 4, Pause: time.Millisecond, For: 10 * time.Minute})
	load.Await(100)
	first, last := make([]time.Duration, 0, samples), make([]time.Duration, 0, samples)
	floor, lastFloor := make([]time.Duration, 0, samples), make([]time.Duration, 0, samples)
	for i := range samples {
		line := fmt.Sprintf("new-%d", i)
		web := testkit.StartWeb(b, line)
		told := blocked(b, s.consul)
		begin := time.Now()
		s.consul.Register(testkit.Instance{ID: line, Service: "shop", Port: web.Port, Address: "127.0.0.1", Meta: map[string]string{"version": "1.0.0"}})
		floor = append(floor, (<-told).Sub(begin))
		testkit.Eventually(b, patience, func() error {
			if load.Result().Count[line] == 0 {
				return fmt.Errorf("%s has answered nothing", line)
			}
			return nil
		})
		first = append(first, load.Result().First[line].Sub(begin))
		<-time.After(pace)
		told = blocked(b, s.consul)
		begin = time.Now()
		s.consul.Deregister(line)
		lastFloor = append(lastFloor, (<-told).Sub(begin))
		last = append(last, max(0, lastRequest(b, load, line).Sub(begin)))
		web.Close()
	}
	result := load.Stop()
	quantiles(b, "register-first-request", first)
	quantiles(b, "deregister-last-request", last)
	quantiles(b, "consul-floor", floor)
	quantiles(b, "consul-deregister-floor", lastFloor)
	b.ReportMetric(median(last)/median(lastFloor), "deregister-to-floor") // both are sorted
	b.ReportMetric(0, "ns/op")                                            // the time of the whole is its pace
	b.ReportMetric(float64(s.reloads()-before)/float64(2*samples), "reloads/change")
	b.ReportMetric(float64(result.Requests), "requests")
	b.ReportMetric(float64(result.Failed), "failed")
	return result
}

// median of sorted times, in nanoseconds.
func median(sorted []time.Duration) float64 { return float64(sorted[len(sorted)/2]) }

// lastRequest waits until an instance has got none for a while, and tells when its
// last one began.
func lastRequest(b *testing.B, load *testkit.Load, line string) time.Time {
	b.Helper()
	var begun time.Time
	testkit.Eventually(b, patience, func() error {
		begun = load.Result().Begun[line]
		if since := time.Since(begun); since < pace {
			return fmt.Errorf("%s got a request %s ago", line, since)
		}
		return nil
	})
	return begun
}

// blocked tells when a blocking query about the service, under way on return,
// is answered.
func blocked(b *testing.B, consul *testkit.ConsulAgent) <-chan time.Time {
	b.Helper()
	ask := func(query string) (string, error) {
		resp, err := http.Get("http://" + consul.Address() + "/v1/health/service/shop" + query)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.Header.Get("X-Consul-Index"), err
	}
	index, err := ask("")
	if err != nil {
		b.Fatal(err)
	}
	told := make(chan time.Time, 1)
	go func() {
		if _, err := ask("?wait=30s&index=" + index); err != nil {
			b.Error(err)
		}
		told <- time.Now()
	}()
	<-time.After(20 * time.Millisecond)
	return told
}

// consulTemplate runs HAProxy and consul-template as their documentation says:
// a template of the services' healthy instances, and a reload of the master
// whenever the file has changed.
func consulTemplate(b *testing.B, flags ...string) subject {
	b.Helper()
	binary := consulTemplateBinary(b)
	consul := testkit.Consul(b)
	populate(b, consul)
	address := fmt.Sprintf("127.0.0.1:%d", testkit.Port(b))
	h := testkit.RunHAProxy(b, testkit.HAProxy(b), testkit.HAProxyConfig{})
	file := h.Dir + "/services.ctmpl"
	if err := os.WriteFile(file, servicesTemplate(h.StatsSocket, address), 0o600); err != nil {
		b.Fatal(err)
	}
	master := statsock.NewMaster(h.MasterSocket)
	testkit.Eventually(b, patience, func() error {
		_, err := master.ShowProc(b.Context())
		return err
	})
	args := append([]string{
		"-consul-addr", consul.Address(), "-log-level", "err",
		"-template", fmt.Sprintf("%s:%s:kill -USR2 %d", file, h.ConfigPath, h.PID),
	}, flags...)
	cmd := exec.Command(binary, args...)
	said := &testkit.Log{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	n := node{tb: b}
	_, _ = fmt.Sscanf(address, "127.0.0.1:%d", &n.web)
	n.answers("1.0.0-0", "1.0.0-1", "1.0.0-2")
	return subject{consul, address, func() (reloads int) {
		testkit.Eventually(b, patience, func() error { // not while it executes itself anew
			procs, err := master.ShowProc(b.Context())
			if err != nil {
				return fmt.Errorf("%w; consul-template says %s", err, said)
			}
			reloads = procs.Master.Reloads
			return nil
		})
		return reloads
	}}
}

// consulTemplateBinary is that on PATH, or the one that tools/setup has built.
func consulTemplateBinary(b *testing.B) string {
	b.Helper()
	const name = "consul-template"
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	cache, err := os.UserCacheDir()
	path := filepath.Join(cache, "thalassa", name)
	if err != nil || exec.Command(path, "-v").Run() != nil {
		b.Skip(name + " is not installed; tools/setup " + name + " builds it")
	}
	return path
}

// servicesTemplate leads the frontend to shop and has a backend for each neighbor,
// with the timeouts of Thalassa's own template.
func servicesTemplate(socket, address string) []byte {
	base := testkit.HAProxyConfig{StatsSocket: socket, Address: address, Frontend: []string{"default_backend shop"}}.Bytes()
	text := bytes.NewBuffer(base)
	for i := range neighbors + 1 {
		service := "shop"
		if i < neighbors {
			service = fmt.Sprintf("service-%d", i)
		}
		fmt.Fprintf(text, "backend %s\n{{range $i, $s := service %q}}    server s{{$i}} {{.Address}}:{{.Port}} check\n{{end}}", service, service)
	}
	return text.Bytes()
}
