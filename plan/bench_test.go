package plan_test

import (
	"fmt"
	"testing"

	"thalassa/lb"
	"thalassa/plan"
)

// large is an intent of 1,000 backends and what Consul says of their services,
// ten instances each; the first has the given number of instances.
func large(first int) (lb.Intent, lb.Snapshot) {
	in := lb.Intent{Backends: map[lb.Name]lb.Backend{}}
	snap := lb.Snapshot{Services: map[lb.Name]lb.Service{}}
	for i := range 1000 {
		name := lb.Name(fmt.Sprintf("service-%d", i))
		in.Backends[name] = lb.Backend{Key: name, Type: "dynamic", Service: name, Version: "1.0.0", Balance: "roundrobin", Mode: "http"}
		s := lb.Service{Name: name, Index: 1}
		count := 10
		if i == 0 {
			count = first
		}
		for j := range count {
			s.Instances = append(s.Instances, lb.Instance{
				ID: fmt.Sprint(j), Address: lb.HostPort{Host: lb.Host(fmt.Sprintf("10.%d.%d.%d", i/250, i%250, j)), Port: 80},
				Version: "1.0.0", Weight: 1, Healthy: true,
			})
		}
		snap.Services[name] = s
	}
	return in, snap
}

// BenchmarkOneChangeAmongMany is what a round thinks about one membership change
// among 10,000 servers, without what HAProxy does.
func BenchmarkOneChangeAmongMany(b *testing.B) {
	in, before := large(10)
	_, after := large(11)
	running := plan.Layout(nil, lb.Resolve(in, before, lb.Process{}))
	b.ReportAllocs()
	for b.Loop() {
		wanted := plan.Layout(plan.SlotsOf(running), lb.Resolve(in, after, lb.Process{}))
		if c := plan.Compute(&running, wanted); len(c.Ops) != 1 || len(c.Reload) != 0 {
			b.Fatalf("got %+v", c)
		}
	}
}
