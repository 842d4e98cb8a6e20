package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

const (
	manyServices  = 1000
	manyInstances = 10 // of each service
)

// catalog registers an instance straight in Consul's catalog, as one agent
// cannot hold ten thousand.
func catalog(tb testing.TB, consul *testkit.ConsulAgent, service string, number, port int) {
	tb.Helper()
	node := fmt.Sprintf("node-%d", number)
	id := fmt.Sprintf("%s-%d", service, number)
	consul.Do(http.MethodPut, "/v1/catalog/register", map[string]any{
		"Node": node, "Address": "127.0.0.1", "SkipNodeUpdate": true,
		"Service": map[string]any{"ID": id, "Service": service, "Address": "127.0.0.1", "Port": port, "Meta": map[string]string{"version": "1.0.0"}},
		"Check":   map[string]any{"Node": node, "CheckID": "service:" + id, "Name": "alive", "ServiceID": id, "Status": "passing"},
	})
}

// manyNode is a node with a thousand backends of ten servers each, all of them
// members that Consul knows. The frontend leads to the first.
func manyNode(tb testing.TB, consul *testkit.ConsulAgent) *node {
	tb.Helper()
	ports := make([]int, manyInstances)
	for i := range ports {
		ports[i] = testkit.StartWeb(tb, fmt.Sprintf("web-%d", i)).Port
	}
	n := newNode(tb, consul.Address())
	// HAProxy wants a file descriptor for each check, beside two a connection.
	n.flags = append(n.flags, "--persistence", n.path("persist.json"), "--haproxy-maxconn", "500")
	type object map[string]any
	backends := make([]object, manyServices)
	for i := range backends {
		service := fmt.Sprintf("service-%d", i)
		backends[i] = object{"key": service, "type": "dynamic", "name": service, "version": "1.0.0", "health": object{"interval": 3_600_000}}
		for j, port := range ports {
			catalog(tb, consul, service, j, port)
		}
	}
	doc, err := json.Marshal(object{
		"version": 1, "backends": backends,
		"frontends": []object{{"key": "web", "bind": n.address(), "backend": "service-0"}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(n.path("persist.json"), doc, 0o600); err != nil {
		tb.Fatal(err)
	}
	return n
}

// consulConnections counts the agent's connections to Consul.
func (n *node) consulConnections() int {
	n.tb.Helper()
	_, port, _ := strings.Cut(n.consul, ":")
	number, err := strconv.Atoi(port)
	if err != nil {
		n.tb.Fatal(err)
	}
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", n.agent.Process.Pid))
	if err != nil {
		n.tb.Fatal(err)
	}
	own := map[string]bool{}
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", n.agent.Process.Pid))
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, "socket:[") {
			own[strings.Trim(target, "socket:[]")] = true
		}
	}
	count := 0
	remote := fmt.Sprintf("0100007F:%04X", number)
	for line := range strings.SplitSeq(string(table), "\n") {
		if f := strings.Fields(line); len(f) > 9 && f[2] == remote && own[f[9]] {
			count++
		}
	}
	return count
}

// cpuTime is what the agent has used so far.
func (n *node) cpuTime() time.Duration {
	n.tb.Helper()
	return processTime(n.tb, n.agent.Process.Pid)
}

// processTime is what a process has used so far.
func processTime(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Fatal(err)
	}
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	ticks := 0
	for _, field := range f[11:13] { // utime, stime
		t, err := strconv.Atoi(field)
		if err != nil {
			tb.Fatal(err)
		}
		ticks += t
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100
}

// BenchmarkScale measures one membership change among 1,000 services and 10,000
// servers, and the agent at rest there.
func BenchmarkScale(b *testing.B) {
	consul := testkit.Consul(b)
	n := manyNode(b, consul)
	begin := time.Now()
	n.start()
	testkit.Eventually(b, 3*time.Minute, func() error {
		status, body := n.try(http.MethodGet, "/readyz", "")
		if status != http.StatusOK {
			return fmt.Errorf("/readyz: %d %s", status, body)
		}
		if in := bytes.Count([]byte(n.config()), []byte(" 127.0.0.1:")); in < manyServices*manyInstances {
			return fmt.Errorf("%d servers in haproxy.cfg", in)
		}
		return nil
	})
	b.ReportMetric(time.Since(begin).Seconds(), "start-s")
	<-time.After(10 * time.Second) // the start is over

	cpu, rest := n.cpuTime(), time.Now()
	<-time.After(20 * time.Second)
	b.ReportMetric(100*(n.cpuTime()-cpu).Seconds()/time.Since(rest).Seconds(), "rest-cpu-%")

	before := n.reloads()
	load := testkit.StartLoad(b, testkit.LoadConfig{Address: n.address(), Fresh: 4, Pause: time.Millisecond, For: 10 * time.Minute})
	first := make([]time.Duration, 0, samples)
	for i := range samples {
		line := fmt.Sprintf("new-%d", i)
		web := testkit.StartWeb(b, line)
		begin := time.Now()
		catalog(b, consul, "service-0", manyInstances+i, web.Port)
		testkit.Eventually(b, patience, func() error {
			if load.Result().Count[line] == 0 {
				return fmt.Errorf("%s has answered nothing", line)
			}
			return nil
		})
		first = append(first, load.Result().First[line].Sub(begin))
		deregister(b, n, consul, "service-0", manyInstances+i, web.Port)
		<-time.After(pace)
		web.Close()
	}
	quantiles(b, "register-first-request", first)
	result := load.Stop()
	cold := make([]time.Duration, 0, samples)
	for i := range samples { // each of another service, that has never changed
		service, web := fmt.Sprintf("service-%d", 100+i), testkit.StartWeb(b, "cold")
		begin := time.Now()
		catalog(b, consul, service, manyInstances+samples+i, web.Port)
		n.awaitServer(b, service, web.Port, true)
		cold = append(cold, time.Since(begin))
		<-time.After(pace)
	}
	b.ReportMetric(float64(n.consulConnections()), "consul-connections")
	quantiles(b, "cold-register-server", cold)
	n.report(b, before, result)
}

// deregister removes what catalog registered and waits until HAProxy has
// followed: a web that ends earlier refuses requests.
func deregister(tb testing.TB, n *node, consul *testkit.ConsulAgent, service string, number, port int) {
	tb.Helper()
	consul.Do(http.MethodPut, "/v1/catalog/deregister", map[string]any{"Node": fmt.Sprintf("node-%d", number)})
	n.awaitServer(tb, service, port, false)
}

// awaitServer waits until the running HAProxy uses a server on that port, or
// does not any more.
func (n *node) awaitServer(tb testing.TB, backend string, port int, used bool) {
	tb.Helper()
	socket := statsock.New(n.path("h.sock"))
	testkit.Eventually(tb, patience, func() error {
		servers, err := socket.ShowServers(tb.Context(), backend)
		if err != nil {
			return err
		}
		got := slices.ContainsFunc(servers, func(s statsock.Server) bool {
			return s.Port == port && !s.Maintenance && !s.Draining
		})
		if got != used {
			return fmt.Errorf("server on port %d in use: %t, want %t", port, got, used)
		}
		return nil
	})
}
