package e2e_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"thalassa/api/apitest"
	"thalassa/cluster"
)

// largeStatus is a cluster of 32 nodes and 500 resources, each of which runs on one of them.
func largeStatus(v *cluster.Status) {
	v.Nodes, v.Resources, v.FloatingIPs, v.Failures = nil, nil, []cluster.FloatingIP{}, []cluster.Failure{}
	for i := range 32 {
		v.Nodes = append(v.Nodes, cluster.Node{Name: fmt.Sprintf("n%d", i+1), State: "online", DC: i == 0, Attributes: map[string]string{}})
	}
	for i := range 500 {
		on, id := &v.Nodes[i%32], fmt.Sprintf("web-%d", i)
		on.Resources = append(on.Resources, id)
		v.Resources = append(v.Resources, cluster.Resource{
			ID: id, Agent: "ocf:heartbeat:apache", State: "started", Managed: true, Places: []cluster.Placement{{Node: on.Name, State: "started"}},
		})
	}
}

// BenchmarkLargeCluster opens the page of a cluster of 500 resources and 32 nodes, and measures how
// long a change takes from the cluster's view to the browser. The memory is that of the heap
// that the browser's connection and the views cost, after a collection.
func BenchmarkLargeCluster(b *testing.B) {
	const rows = `document.querySelectorAll(".matrix tbody tr").length`
	for b.Loop() {
		c := apitest.NewCluster()
		n := inMemory(b, c)
		before := heapMB()
		c.Change(largeStatus)
		p := openPage(b, n, "/cluster", look{})
		p.sees(rows + " === 500")
		var paint, complete []time.Duration
		for range 10 {
			p.visit("/cluster")
			var took struct{ Paint, Complete float64 }
			p.ask(`new Promise(done => { const look = () => { if (`+rows+` === 500) requestAnimationFrame(() => done(
				{Paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0, Complete: performance.now()})); else setTimeout(look, 5); }; look(); })`, &took)
			paint = append(paint, time.Duration(took.Paint*float64(time.Millisecond)))
			complete = append(complete, time.Duration(took.Complete*float64(time.Millisecond)))
		}
		p.ask(`(() => { window.delays = []; new MutationObserver(() => { const at = /changed at (\d+)/.exec(document.querySelector(".notices")?.innerText ?? "");
			if (at && at[1] !== window.seen) { window.seen = at[1]; window.delays.push(Date.now() - Number(at[1])); } }).observe(document.body, {subtree: true, childList: true, characterData: true}); })()`, new(any))
		const changes = 300
		for i := range changes {
			c.Change(func(v *cluster.Status) {
				v.Epoch.Updates++
				at := i * 5 % len(v.Resources)
				v.Resources[at].State = []string{"failed", "blocked", "started"}[i*5/len(v.Resources)]
				v.State, v.Reasons = cluster.StateErrors, []string{fmt.Sprintf("web-%d changed at %d", at, time.Now().UnixMilli())}
			})
			<-time.After(time.Duration(150+i%7*20) * time.Millisecond)
		}
		var delays []int64
		p.ask("window.delays", &delays)
		var took []time.Duration
		for _, ms := range delays {
			took = append(took, time.Duration(ms)*time.Millisecond)
		}
		if len(took) < changes*9/10 { // changes that follow at once are seen as one
			b.Fatalf("the browser saw %d of %d changes", len(took), changes)
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(heapMB()-before, "heap-MB")
		quantiles(b, "first-paint", paint)
		quantiles(b, "complete", complete)
		quantiles(b, "change-to-browser", took)
	}
}

func heapMB() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}
