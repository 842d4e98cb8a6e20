package stats

import (
	"strings"

	"thalassa/lb"
	"thalassa/statsock"
)

// Health is what HAProxy says of the members of a backend that are in use, as last read.
// It is empty while HAProxy does not answer.
func (s *Sampler) Health(backend string) []lb.ServerHealth {
	t := &s.table
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []lb.ServerHealth
	for _, series := range t.byKey[backend] {
		if series.Kind != statsock.KindServer || series.Member == "" || !series.listed || series.Gauges.Status == Unknown || series.Gauges.Status == "" {
			continue
		}
		address, err := lb.ParseBind(series.Address)
		if err != nil {
			continue // Address is that of an lb.Member
		}
		out = append(out, series.health(lb.HostPort(address)))
	}
	return out
}

// health is what HAProxy says of a member.
func (s *Series) health(address lb.HostPort) lb.ServerHealth {
	g := &s.Gauges
	return lb.ServerHealth{
		Address: address, Status: g.Status, Check: strings.TrimPrefix(g.CheckStatus, "* "), Code: int(g.CheckCode),
		Output: g.CheckOutput, Since: s.Since,
	}
}
