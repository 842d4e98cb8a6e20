package agent_test

import (
	"fmt"
	"maps"
	"strconv"
	"testing"

	"thalassa/agent"
	"thalassa/lb"
	"thalassa/plan"
)

// instances of a service of the benchmark.
func instances(service, count int) []lb.Instance {
	out := make([]lb.Instance, count)
	for j := range out {
		host := lb.Host(fmt.Sprintf("10.%d.%d.%d", service/250, service%250, j))
		out[j] = lb.Instance{ID: strconv.Itoa(j), Address: lb.HostPort{Host: host, Port: 80}, Version: "1.0.0", Weight: 1, Healthy: true}
	}
	return out
}

// BenchmarkOneChange is what a round thinks about one membership change among
// services of ten instances each, without what HAProxy does: it must not grow
// with their number.
func BenchmarkOneChange(b *testing.B) {
	for _, services := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("services=%d", services), func(b *testing.B) {
			in := lb.Intent{Revision: 1, Backends: map[lb.Name]lb.Backend{}}
			before := lb.Snapshot{Services: map[lb.Name]lb.Service{}}
			for i := range services {
				name := lb.Name(fmt.Sprintf("service-%d", i))
				in.Backends[name] = lb.Backend{Key: name, Type: "dynamic", Service: name, Version: "1.0.0", Balance: "roundrobin", Mode: "http"}
				before.Services[name] = lb.Service{Name: name, Index: 1, Instances: instances(i, 10)}
			}
			after := lb.Snapshot{Services: maps.Clone(before.Services)}
			after.Services["service-0"] = lb.Service{Name: "service-0", Index: 2, Instances: instances(0, 11)}
			e := agent.Effective(in, before)
			b.ReportAllocs()
			for b.Loop() {
				running, wanted := e.Next(in, after)
				if c := plan.Compute(&running, wanted); c.Servers != 1 || len(c.Reload) != 0 {
					b.Fatalf("got %+v", c)
				}
			}
		})
	}
}
