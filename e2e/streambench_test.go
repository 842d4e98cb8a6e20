package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// staticNode is a node with static backends of so many members each; the first
// member of each answers, and is the only one of the first backend. The frontend
// leads to the first backend, or to all in turn.
func staticNode(tb testing.TB, backends, members int, all bool, flags ...string) *node {
	tb.Helper()
	consul := testkit.Consul(tb)
	n := newNode(tb, consul.Address(), append([]string{"--persistence", "", "--haproxy-maxconn", "1000", "--max-connections-per-address", "4000", "--max-websockets-per-caller", "4000"}, flags...)...)
	n.flags[1] = n.path("persist.json")
	web := testkit.StartWeb(tb, "hello")
	type object map[string]any
	natives := []string{}
	if all {
		natives = append(natives, fmt.Sprintf("use_backend b%%[rand(%d)]", backends))
	}
	list := make([]object, backends)
	number := 0
	for i := range list {
		servers := make([]object, members)
		for j := range servers {
			servers[j] = object{"host": fmt.Sprintf("127.%d.%d.%d", 1+number/62500, number/250%250, 1+number%250), "port": web.Port}
			number++
		}
		// The web server is at 127.0.0.1 alone; nobody asks the others.
		servers[0]["host"] = "127.0.0.1"
		if i == 0 {
			servers = servers[:1]
		}
		list[i] = object{"key": fmt.Sprintf("b%d", i), "type": "static", "members": servers, "health": object{"interval": 3_600_000}}
	}
	doc, err := json.Marshal(object{"version": 1, "backends": list, "frontends": []object{{
		"key": "web", "bind": n.address(), "backend": "b0", "natives": natives,
	}}})
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(n.path("persist.json"), doc, 0o600); err != nil {
		tb.Fatal(err)
	}
	n.start()
	testkit.Eventually(tb, 2*time.Minute, func() error {
		if status, body := n.try(http.MethodGet, "/readyz", ""); status != http.StatusOK {
			return fmt.Errorf("/readyz: %d %s", status, body)
		}
		return nil
	})
	return n
}

// used is how much of a core the agent takes over a time, in percent.
func (n *node) used(over time.Duration) float64 {
	n.tb.Helper()
	cpu, begin := n.cpuTime(), time.Now()
	<-time.After(over)
	return 100 * (n.cpuTime() - cpu).Seconds() / time.Since(begin).Seconds()
}

// followStat is the subscription of who looks at everything that is sampled.
const followStat = `{"type":"subscribe","topics":["stat"]}`

// BenchmarkSampling measures the agent while it samples 10,000 servers for one who
// looks, for nobody, and nearly not: its memory and the processor it takes.
func BenchmarkSampling(b *testing.B) {
	n := staticNode(b, 500, 20, false)
	<-time.After(10 * time.Second) // the start is over
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(n.used(30*time.Second), "unfollowed-cpu-%")
	n.crowd(1, followStat)
	<-time.After(5 * time.Second)
	b.ReportMetric(n.used(20*time.Second), "cpu-%")
	b.ReportMetric(n.residentMB(), "agent-MB")
	idle := staticNode(b, 500, 20, false, "--stats-interval", "1m")
	<-time.After(10 * time.Second)
	b.ReportMetric(idle.used(20*time.Second), "unsampled-cpu-%")
	b.ReportMetric(idle.residentMB(), "unsampled-MB")
}

// BenchmarkSamplingThroughput compares what HAProxy serves with sampling for one who
// looks and (nearly) without, in turns. The first backend is the busy one and has one
// server; beside it there is another one of 20, or 499 of 20.
func BenchmarkSamplingThroughput(b *testing.B) {
	for _, backends := range []int{2, 500} {
		b.Run(fmt.Sprintf("servers-%d", 1+(backends-1)*20), func(b *testing.B) {
			n := staticNode(b, backends, 20, false)
			serve := func() turnResult {
				const turn = 6 * time.Second
				load := testkit.StartLoad(b, testkit.LoadConfig{Address: n.address(), KeepAlive: 8, For: 2 * turn})
				<-time.After(time.Second)
				before, cpu, begin := load.Result().Requests, n.haproxyTime(), time.Now()
				<-time.After(turn)
				served := float64(load.Result().Requests - before)
				r := turnResult{perSecond: served / time.Since(begin).Seconds(), perCPUSecond: served / (n.haproxyTime() - cpu).Seconds()}
				load.Stop()
				return r
			}
			restart := func(interval string) {
				n.signal(syscall.SIGINT)
				n.flags = append(n.flags, "--stats-interval", interval)
				n.start()
				<-time.After(3 * time.Second)
			}
			var with, without []turnResult
			for range 4 {
				n.crowd(1, followStat)        // until the agent ends
				<-time.After(3 * time.Second) // it has been told everything
				with = append(with, serve())
				restart("1m")
				without = append(without, serve())
				restart("1s")
			}
			b.ReportMetric(0, "ns/op")
			compare := func(name string, of func(turnResult) float64) {
				sampled, unsampled := middle(with, of), middle(without, of)
				b.ReportMetric(sampled, "sampled-"+name)
				b.ReportMetric(unsampled, "unsampled-"+name)
				b.ReportMetric(sampled/unsampled, name+"-ratio")
			}
			compare("req/s", func(r turnResult) float64 { return r.perSecond })
			compare("req/cpu-s", func(r turnResult) float64 { return r.perCPUSecond })
		})
	}
}

// A turnResult is how many requests HAProxy served, by the clock and by the
// processor time that it got: on a busy machine only the latter tells.
type turnResult struct{ perSecond, perCPUSecond float64 }

// middle is the mean of the two middle ones of at least two results.
func middle(results []turnResult, of func(turnResult) float64) float64 {
	list := make([]float64, len(results))
	for i, r := range results {
		list[i] = of(r)
	}
	slices.Sort(list)
	return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
}

// haproxyTime is what HAProxy's workers have used so far.
func (n *node) haproxyTime() (total time.Duration) {
	n.tb.Helper()
	text, err := os.ReadFile(n.path("h.pid"))
	if err != nil {
		n.tb.Fatal(err)
	}
	master := strings.TrimSpace(string(text))
	children, err := os.ReadFile("/proc/" + master + "/task/" + master + "/children")
	if err != nil {
		n.tb.Fatal(err)
	}
	for child := range strings.FieldsSeq(string(children)) {
		pid, err := strconv.Atoi(child)
		if err != nil {
			n.tb.Fatal(err)
		}
		total += processTime(n.tb, pid)
	}
	if total == 0 {
		n.tb.Fatalf("HAProxy's master %s has no workers", master)
	}
	return total
}

// BenchmarkFollowers measures 1,000 websockets that follow 100 backends at 1 Hz,
// all of them busy, without and with clients beside them that read nothing. The
// clients are in a process of their own. Memory and processor are the agent's;
// times are from a tick, or an event, until its text has come as a whole.
func BenchmarkFollowers(b *testing.B) {
	const followers, turn = 1000, 15 * time.Second
	n := staticNode(b, 100, 1, true)
	load := testkit.StartLoad(b, testkit.LoadConfig{Address: n.address(), KeepAlive: 4, Pause: 10 * time.Millisecond, For: 5 * time.Minute})
	defer load.Stop()
	subscription, err := json.Marshal(map[string]any{"type": "subscribe", "topics": []string{"backends", "stat", "activity"}})
	if err != nil {
		b.Fatal(err)
	}
	one := n.crowd(1, string(subscription)) // what the first one costs is no matter of how many there are
	<-time.After(10 * time.Second)
	before, unfollowed := n.residentMB(), n.used(turn)
	one.report()
	all := n.crowd(followers, string(subscription))
	<-time.After(10 * time.Second)
	all.report()
	cpu := n.used(turn)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(cpu, "cpu-%")
	b.ReportMetric(unfollowed, "one-cpu-%")
	all.tell(b, "")
	b.ReportMetric((n.residentMB()-before)*1024/followers, "KB/client")
	for range 3 {
		stuck := n.stuck(b)
		defer func() { _ = stuck.Close() }()
	}
	all.report()
	n.events(turn)
	r := all.tell(b, "-beside-stuck")
	if r.Lost > 0 {
		b.Errorf("%d clients were closed", r.Lost)
	}
}

// BenchmarkFollowersTLS is BenchmarkFollowers over TLS, without the clients that read
// nothing.
func BenchmarkFollowersTLS(b *testing.B) {
	const followers, turn = 1000, 15 * time.Second
	n := staticNode(b, 100, 1, true, "--tls", "auto")
	load := testkit.StartLoad(b, testkit.LoadConfig{Address: n.address(), KeepAlive: 4, Pause: 10 * time.Millisecond, For: 5 * time.Minute})
	defer load.Stop()
	address := fmt.Sprintf("tls://127.0.0.1:%d", n.api)
	const subscription = `{"type":"subscribe","topics":["backends","stat","activity"]}`
	n.crowdAt(address, 1, subscription)
	<-time.After(10 * time.Second)
	before := n.residentMB()
	all := n.crowdAt(address, followers, subscription)
	<-time.After(10 * time.Second)
	all.report()
	cpu := n.used(turn)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(cpu, "cpu-%")
	all.tell(b, "")
	b.ReportMetric((n.residentMB()-before)*1024/followers, "KB/client")
}

// tell reports what a crowd has seen since it reported last.
func (c *crowd) tell(b *testing.B, suffix string) crowdReport {
	b.Helper()
	r := c.report()
	for topic, d := range r.Late {
		if topic != "backends" {
			b.ReportMetric(d.P50, topic+"-p50-ms"+suffix)
			b.ReportMetric(d.P99, topic+"-p99-ms"+suffix)
			b.ReportMetric(float64(d.Count)/float64(r.Clients), topic+"-deltas"+suffix)
		}
	}
	if r.Late["stat"].Count == 0 {
		b.Error("no delta has come")
		return r
	}
	b.ReportMetric(float64(r.Bytes)/float64(r.Late["stat"].Count), "bytes/tick"+suffix)
	return r
}

// events makes one now and then.
func (n *node) events(over time.Duration) {
	n.tb.Helper()
	const every = 1700 * time.Millisecond // at another moment of the tick each time
	for i := range int(over / every) {
		n.call(http.StatusOK, http.MethodPut, "/backends/event", fmt.Sprintf(`{"type":"static","members":[{"host":"127.9.9.9","port":%d}]}`, 1+i%2))
		<-time.After(every)
	}
}

// stuck opens a websocket that follows the statistics and never reads.
func (n *node) stuck(b *testing.B) net.Conn {
	b.Helper()
	conn, _, err := connectRaw(fmt.Sprintf("127.0.0.1:%d", n.api), []byte(`{"type":"subscribe","topics":["backends","stat"]}`))
	if err != nil {
		b.Fatal(err)
	}
	return conn
}
