package haproxy_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/plan"
	"thalassa/template"
)

func slowWeb(t *testing.T, line string, delay time.Duration) lb.Member {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if delay > 0 {
			time.Sleep(time.Duration(rand.Int64N(int64(2 * delay))))
		}
		fmt.Fprintln(w, line)
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return lb.Member{Address: lb.HostPort{Host: "127.0.0.1", Port: uint16(l.Addr().(*net.TCPAddr).Port)}, Weight: 1}
}

func TestLeak(t *testing.T) {
	each(t, func(l *lab) {
		t := l.t
		delay, _ := time.ParseDuration(os.Getenv("DELAY"))
		n, _ := strconv.Atoi(os.Getenv("N"))
		var sets [2][]lb.Member
		var names [2][]string
		for i := range sets {
			for j := range n {
				name := fmt.Sprintf("%d-%d", i, j)
				names[i] = append(names[i], name)
				sets[i] = append(sets[i], slowWeb(t, name, delay))
			}
		}
		cfg := func(m []lb.Member) lb.Config {
			return lb.Config{
				Process:   lb.Process{StatsSocket: l.cfg.StatsSocket, HardStopAfter: 10 * time.Second},
				Frontends: []lb.Frontend{{Key: "web", Mode: "http", Keepalive: "default", Backend: "live", Binds: []lb.Bind{{Host: "127.0.0.1", Port: uint16(l.port)}}}},
				Backends:  []lb.Pool{{Backend: lb.Backend{Key: "live", Type: "dynamic", Mode: "http", Balance: "roundrobin"}, Members: m}},
			}
		}
		now := plan.Layout(nil, cfg(sets[0]))
		r, err := template.Default().Render(now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Apply(t.Context(), r.Bytes, r.Fingerprint); err != nil {
			t.Fatal(err)
		}
		load := testkit.StartLoad(t, testkit.LoadConfig{Address: l.address(), KeepAlive: 16, Fresh: 16})
		load.Await(200)
		var took, late []time.Duration
		for i := range 100 {
			next := plan.Layout(plan.SlotsOf(now), cfg(sets[(i+1)%2]))
			change := plan.Compute(&now, next)
			begin := time.Now()
			if err := l.Adjust(t.Context(), change.Ops); err != nil {
				t.Fatal(err)
			}
			end := time.Now()
			took = append(took, end.Sub(begin))
			now = next
			<-time.After(200 * time.Millisecond)
			res := load.Result()
			worst := time.Duration(0)
			for _, name := range names[i%2] {
				worst = max(worst, res.Begun[name].Sub(end))
			}
			late = append(late, worst)
		}
		res := load.Stop()
		slices.Sort(took)
		slices.Sort(late)
		t.Logf("requests %d failed %d %v took p50 %v max %v; late p50 %v p90 %v max %v", res.Requests, res.Failed, res.Errors, took[50], took[99], late[50], late[90], late[99])
	})
}
