package e2e_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// events registers and deregisters instances within the slots that there are, one
// after the other, without waiting for the agent.
func (f *fleet) events(count int) {
	f.tb.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"1-a", "1-b", "1-c", "1-d", "1-e", "1-f"}
	for done := 0; done < count; {
		name := names[random.IntN(len(names))]
		switch {
		case !f.present[name]:
			f.come(1, name)
		case len(f.present) > 1:
			f.leave(name)
		default:
			continue
		}
		done++
	}
}

// eventful is a node whose slots have room for six instances.
func eventful(tb testing.TB) (*node, *fleet, *testkit.Load) {
	tb.Helper()
	n, f := sailing(tb, "1-a", "1-b", "1-c", "1-d", "1-e", "1-f")
	load := testkit.StartLoad(tb, testkit.LoadConfig{Address: n.address(), KeepAlive: 8, Fresh: 8, Pause: 2 * time.Millisecond, For: 10 * time.Minute})
	return n, f, load
}

// TestManyMembershipEvents is the short form of BenchmarkEvents.
func TestManyMembershipEvents(t *testing.T) {
	n, f, load := eventful(t)
	n.withoutReload(func() {
		f.events(200)
		n.settles(f, f.names("1")...)
	})
	if r := load.Stop(); r.Failed > 0 {
		t.Errorf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
}

// BenchmarkEvents counts the reloads and failed requests of a thousand membership
// events, as fast as Consul takes them.
func BenchmarkEvents(b *testing.B) {
	const events = 1000
	n, f, load := eventful(b)
	before, begin := n.reloads(), time.Now()
	n.withoutReload(func() {
		f.events(events)
		n.settles(f, f.names("1")...)
	})
	b.ReportMetric(events/time.Since(begin).Seconds(), "events/s")
	r := load.Stop()
	n.report(b, before, r)
	if r.Failed > 0 {
		b.Errorf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
}
