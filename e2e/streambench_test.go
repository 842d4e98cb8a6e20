package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"thalassa/internal/testkit"
)

// staticNode is a node with static backends of so many members each; the first
// member of each answers, and is the only one of the first backend. The frontend
// leads to the first backend, or to all in turn.
func staticNode(tb testing.TB, backends, members int, all bool, flags ...string) *node {
	tb.Helper()
	consul := testkit.Consul(tb)
	n := newNode(tb, consul.Address(), append([]string{"--persistence", "", "--haproxy-maxconn", "1000"}, flags...)...)
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

// BenchmarkSampling measures the agent while it samples 10,000 servers: its
// memory, the processor it takes, and how often it asks about servers.
func BenchmarkSampling(b *testing.B) {
	n := staticNode(b, 500, 20, false)
	<-time.After(10 * time.Second) // the start is over
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(n.used(20*time.Second), "cpu-%")
	b.ReportMetric(n.residentMB(), "agent-MB")
	idle := staticNode(b, 500, 20, false, "--stats-interval", "1m")
	<-time.After(10 * time.Second)
	b.ReportMetric(idle.used(20*time.Second), "unsampled-cpu-%")
	b.ReportMetric(idle.residentMB(), "unsampled-MB")
}

// BenchmarkSamplingThroughput compares what HAProxy serves with sampling and
// (nearly) without, in turns, with 20 and with 10,000 servers.
func BenchmarkSamplingThroughput(b *testing.B) {
	for _, backends := range []int{1, 500} {
		b.Run(fmt.Sprintf("servers-%d", backends*20), func(b *testing.B) {
			n := staticNode(b, backends, 20, false)
			serve := func() float64 {
				const turn = 6 * time.Second
				load := testkit.StartLoad(b, testkit.LoadConfig{Address: n.address(), KeepAlive: 8, For: 2 * turn})
				<-time.After(time.Second)
				before, begin := load.Result().Requests, time.Now()
				<-time.After(turn)
				rate := float64(load.Result().Requests-before) / time.Since(begin).Seconds()
				load.Stop()
				return rate
			}
			restart := func(interval string) {
				n.signal(syscall.SIGINT)
				n.flags = append(n.flags, "--stats-interval", interval)
				n.start()
				<-time.After(3 * time.Second)
			}
			var with, without []float64
			for range 4 {
				with = append(with, serve())
				restart("1m")
				without = append(without, serve())
				restart("1s")
			}
			slices.Sort(with)
			slices.Sort(without)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric((with[1]+with[2])/2, "sampled-req/s")
			b.ReportMetric((without[1]+without[2])/2, "unsampled-req/s")
			b.ReportMetric((with[1]+with[2])/(without[1]+without[2]), "ratio")
		})
	}
}

// BenchmarkFollowers measures 1,000 websockets that follow 100 backends at 1 Hz,
// without and with a client beside them that reads nothing.
func BenchmarkFollowers(b *testing.B) {
	const followers = 1000
	n := staticNode(b, 100, 1, true)
	load := testkit.StartLoad(b, testkit.LoadConfig{Address: n.address(), KeepAlive: 4, Pause: 10 * time.Millisecond, For: 5 * time.Minute})
	defer load.Stop()
	<-time.After(5 * time.Second)
	before := n.residentMB()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var late latencies
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for range followers {
		conn := n.follow(b, ctx)
		all.Go(func() { late.watch(ctx, conn) })
	}
	<-time.After(5 * time.Second)
	late.reset()
	cpu := n.used(15 * time.Second)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric((n.residentMB()-before)*1024/followers, "KB/client")
	b.ReportMetric(cpu, "cpu-%")
	late.report(b, "")
	for range 3 {
		stuck := n.follow(b, ctx) // and never reads again
		defer func() { _ = stuck.CloseNow() }()
	}
	late.reset()
	<-time.After(15 * time.Second)
	late.report(b, "-beside-stuck")
	if late.lost.Load() > 0 {
		b.Errorf("%d clients were closed", late.lost.Load())
	}
}

// follow opens a websocket that follows the statistics.
func (n *node) follow(b *testing.B, ctx context.Context) *websocket.Conn { //nolint:revive // b is the test
	b.Helper()
	conn, res, err := websocket.Dial(ctx, fmt.Sprintf("ws://127.0.0.1:%d/streams", n.api), &websocket.DialOptions{Subprotocols: []string{"thalassa.v1"}})
	if err != nil {
		b.Fatal(err)
	}
	if res.Body != nil {
		_ = res.Body.Close()
	}
	conn.SetReadLimit(64 << 20)
	if err := conn.Write(ctx, websocket.MessageText, []byte(`{"type":"subscribe","topics":["backends","stat"]}`)); err != nil {
		b.Fatal(err)
	}
	return conn
}

// latencies are the times from a tick to a client.
type latencies struct {
	lost atomic.Int64
	mu   sync.Mutex
	list []time.Duration
}

func (l *latencies) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = nil
}

func (l *latencies) watch(ctx context.Context, conn *websocket.Conn) {
	defer func() { _ = conn.CloseNow() }()
	head := make([]byte, 128)
	for {
		_, r, err := conn.Reader(ctx)
		if err != nil {
			if !errors.Is(err, context.Canceled) && ctx.Err() == nil {
				l.lost.Add(1)
			}
			return
		}
		n, _ := r.Read(head)
		at := time.Now()
		rest := make([]byte, 4096)
		for {
			if _, err := r.Read(rest); err != nil {
				break
			}
		}
		var tick int64
		text := string(head[:n])
		if !strings.HasPrefix(text, `{"type":"delta","topic":"stat"`) {
			continue
		}
		_, behind, _ := strings.Cut(text, `"time":`)
		if _, err := fmt.Sscanf(behind, `%d,`, &tick); err == nil {
			l.mu.Lock()
			l.list = append(l.list, at.Sub(time.UnixMilli(tick)))
			l.mu.Unlock()
		}
	}
}

func (l *latencies) report(b *testing.B, suffix string) {
	b.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) == 0 {
		b.Error("no delta has come")
		return
	}
	slices.Sort(l.list)
	b.ReportMetric(float64(l.list[len(l.list)/2].Microseconds())/1000, "p50-ms"+suffix)
	b.ReportMetric(float64(l.list[len(l.list)*99/100].Microseconds())/1000, "p99-ms"+suffix)
	b.ReportMetric(float64(len(l.list)), "deltas"+suffix)
}
