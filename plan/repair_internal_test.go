package plan

import (
	"strconv"
	"testing"

	"thalassa/lb"
)

// Nothing is allocated for servers that are as they should be, of which there are
// ten thousand, and which are looked at every few seconds.
func TestRepairOfRightServersAllocatesNothing(t *testing.T) {
	const count = 1000
	p := lb.ResolvedBackend{Backend: lb.Backend{Key: "live", Balance: "roundrobin"}, Slots: make([]lb.Slot, count)}
	for i := range p.Slots {
		p.Slots[i].Member = &lb.Member{Address: lb.HostPort{Host: lb.Host("10.0.0." + strconv.Itoa(i)), Port: 80}, Weight: 1}
	}
	config, servers := lb.Config{Backends: []lb.ResolvedBackend{p}}, states(p)
	names := testing.AllocsPerRun(10, func() { _ = p.Servers() })
	got := testing.AllocsPerRun(10, func() {
		if change := Repair(config, servers); !change.Empty() {
			t.Errorf("there is nothing to repair, but %v", change.Diff())
		}
	})
	if got > names+20 {
		t.Errorf("%v allocations, %v of them to name the servers", got, names)
	}
}
