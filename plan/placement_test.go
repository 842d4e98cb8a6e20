package plan_test

import (
	"strings"
	"testing"

	"thalassa/lb"
	"thalassa/plan"
)

// TestNumberedLinesHaveNoSlots: the members change with a reload, which says why.
func TestNumberedLinesHaveNoSlots(t *testing.T) {
	t.Parallel()
	of := func(placement lb.Placement, ports ...uint16) lb.Config {
		p := lb.ResolvedBackend{Backend: lb.Backend{Key: "live", Type: "dynamic", Balance: "uri", Mode: "http"}, Placement: placement}
		for _, port := range ports {
			p.Members = append(p.Members, lb.Member{Address: lb.HostPort{Host: "10.0.0.1", Port: port}, Weight: 1})
		}
		return plan.Layout(nil, lb.Config{Backends: []lb.ResolvedBackend{p}})
	}
	one, two := of(lb.PlacedByNumber, 80), of(lb.PlacedByNumber, 80, 81)
	if one.Backends[0].Slots != nil || of(lb.PlacedByAddress, 80).Backends[0].Slots == nil {
		t.Error("slots where they are not, or none")
	}
	for what, c := range map[string]struct {
		from, to lb.Config
		reason   string
	}{
		"a member":       {one, two, "backend/live hash: hashStable numbers the server lines by address"},
		"on":             {of(lb.PlacedByLine, 80), one, "backend/live hash: lines → addresses (hashStable)"},
		"a new HAProxy":  {of(lb.PlacedByLine, 80), of(lb.PlacedByAddress, 80), "backend/live hash: lines → addresses (hash-key)"},
		"nothing at all": {one, of(lb.PlacedByNumber, 80), ""},
	} {
		change := plan.Compute(&c.from, c.to)
		if got := strings.Join(change.Diff(), "\n"); (len(change.Reload) > 0) != (c.reason != "") || !strings.Contains(got, c.reason) {
			t.Errorf("%s: %s", what, got)
		}
	}
}
