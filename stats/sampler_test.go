package stats_test

import (
	"fmt"
	"testing"
	"time"

	"thalassa/stats"
	"thalassa/statsock"
)

func TestTotalsAreCountedFromTheBeginning(t *testing.T) {
	w, web, live, s1, s2 := shop(t)
	web.requests, live.requests, s1.requests, s2.requests = 1000, 990, 600, 390 // before the agent began
	w.sample()
	w.wantsTotals(map[string]int64{webID: 0, liveID: 0, aID: 0, bID: 0})
	w.set(func() { web.requests, live.requests, s1.requests, s2.requests = 1010, 1000, 605, 395 })
	w.sample()
	w.wantsTotals(map[string]int64{webID: 10, liveID: 10, aID: 5, bID: 5})
	w.set(func() { web.requests, live.requests, s1.requests, s2.requests = 1, 1, 1, 0 }) // clear counters all
	w.sample()
	w.wantsTotals(map[string]int64{webID: 11, liveID: 11, aID: 6, bID: 5})
}

func TestRatesArePerSecond(t *testing.T) {
	w, web, live, s1, _ := shop(t)
	begin := time.Now()
	w.sample()
	if s := w.find(webID); s.Known {
		t.Errorf("one reading gives a rate: %+v", s.Rate)
	}
	<-time.After(50 * time.Millisecond)
	w.set(func() { web.requests, live.e5xx, s1.bytes = 100, 50, 1000 })
	w.sample()
	took := time.Since(begin).Seconds()
	web2, live2, a := w.find(webID), w.find(liveID), w.find(aID)
	if got := float64(web2.Rate[stats.Requests]); !web2.Known || got < 99/took || got > 100/0.05+1 {
		t.Errorf("%v requests/s, 100 in %v s", got, took)
	}
	if live2.Rate.Errors(live2.Kind) == 0 || a.Rate[stats.BytesOut] == 0 || a.Rate[stats.Requests] != 0 {
		t.Errorf("rates %+v, %+v", live2.Rate, a.Rate)
	}
}

// A request that HAProxy answers with 503, because it cannot connect, is one error of its
// backend, and one of the server.
func TestErrorsCountOnce(t *testing.T) {
	rates := stats.Rates{stats.Responses5xx: 7, stats.ConnectErrors: 4, stats.ResponseErrors: 1}
	for kind, want := range map[statsock.Kind]float32{statsock.KindFrontend: 7, statsock.KindBackend: 7, statsock.KindServer: 12} {
		if got := rates.Errors(kind); got != want {
			t.Errorf("kind %v: %v errors, want %v", kind, got, want)
		}
	}
	tcp := stats.Rates{stats.ConnectErrors: 4}
	if got := tcp.Errors(statsock.KindBackend); got != 4 {
		t.Errorf("mode tcp: %v errors, want 4", got)
	}
}

// What an old worker goes on counting is part of the totals, and its last
// reading stays when it ends.
func TestTotalsGoOnOverReloads(t *testing.T) {
	w, web, live, s1, _ := shop(t)
	w.sample()
	w.set(func() { web.requests, live.requests, s1.requests = 100, 100, 100 })
	w.sample()
	web2, live2, s1b := frontend("web"), backend("live"), server("live", "s1", "10.0.0.1:80")
	web2.requests, live2.requests, s1b.requests = 5, 5, 5 // by the time it is first asked
	w.reload(200, web2, s1b, server("live", "s2", "10.0.0.2:80"), live2)
	w.set(func() { web.requests, live.requests, s1.requests, web.current = 103, 103, 103, 3 })
	w.sample()
	w.wantsTotals(map[string]int64{webID: 108, liveID: 108, aID: 108, bID: 0})
	if s := w.find(webID); s.Gauges.Connections != 3 {
		t.Errorf("%d connections, 3 are in the old worker", s.Gauges.Connections)
	}
	w.set(func() { web.requests, live.requests, s1.requests, web.current = 104, 104, 104, 0 })
	w.sample()
	if got := w.sampler.Workers(); got != (stats.Workers{PID: 200, Old: 1}) {
		t.Errorf("workers %+v", got)
	}
	w.end()
	w.set(func() { web2.requests, live2.requests, s1b.requests = 6, 6, 6 })
	w.sample()
	w.wantsTotals(map[string]int64{webID: 110, liveID: 110, aID: 110})
	w.sample()
	if got := w.sampler.Workers(); got != (stats.Workers{PID: 200}) {
		t.Errorf("workers %+v", got)
	}
	w.asked()
	w.sample()
	if asked := w.asked(); len(asked) != 1 {
		t.Errorf("asked %q, one question is enough when there is one worker", asked)
	}
}

// An old worker that was there before the agent counts from then on; one that
// came and went between two ticks counts as a whole.
func TestWorkersThatWereNeverPresent(t *testing.T) {
	w, web, live, s1, s2 := shop(t)
	before := frontend("web")
	before.requests = 7000
	w.set(func() {
		w.old, w.lines[50] = []int{50}, []*row{before}
	})
	w.sample()
	w.sample()
	w.wantsTotals(map[string]int64{webID: 0})
	w.set(func() { before.requests = 7001 })
	w.sample()
	w.wantsTotals(map[string]int64{webID: 1})
	between := frontend("web")
	between.requests = 10
	w.reload(150, between)
	w.reload(200, frontend("web"), s1, s2, live)
	w.sample()
	w.wantsTotals(map[string]int64{webID: 11})
	_ = web
}

// Old workers that hang hold up neither each other, nor one that answers, nor
// what the present one has told.
func TestOldWorkersThatHang(t *testing.T) {
	w, _, live, s1, s2 := shop(t)
	w.sample()
	last := frontend("web")
	w.set(func() { w.hung = map[int]bool{} })
	for pid := 200; pid < 203; pid++ {
		w.reload(pid, frontend("web"))
		w.set(func() { w.hung[pid] = true })
	}
	w.reload(207, last)
	w.reload(300, frontend("web"), s1, s2, live)
	w.sample() // counts from now on: the sampler has not met them
	w.set(func() { last.requests = 7 })
	begin := time.Now()
	w.sample()
	if took := time.Since(begin); took > 10*time.Second { // one after the other: 15 s
		t.Errorf("the tick took %v", took)
	}
	w.wantsTotals(map[string]int64{webID: 7})
	if got := w.sampler.Workers(); got != (stats.Workers{PID: 300, Old: 5}) {
		t.Errorf("workers %+v", got)
	}
}

func TestHAProxyMayBeAway(t *testing.T) {
	w, web, _, _, _ := shop(t)
	w.sample()
	w.set(func() { web.requests = 10 })
	w.sample()
	w.set(func() { w.down = true })
	w.sample()
	s := w.find(webID)
	if s.Gauges.Status != stats.Unknown || s.Known || s.Total[stats.Requests] != 10 {
		t.Errorf("while it is away: %+v", s)
	}
	if w.sampler.Workers().PID != 0 {
		t.Error("there is a worker")
	}
	// Started again, with another process.
	w.set(func() { w.down = false })
	web2 := frontend("web")
	web2.requests = 2
	w.reload(300, web2)
	w.end()
	w.sample()
	w.wantsTotals(map[string]int64{webID: 12})
	history := w.history(webID)
	if got := fmt.Sprint(history["connections"]); got != "[0 0 <nil> 0]" {
		t.Errorf("connections were %s", got)
	}
}
