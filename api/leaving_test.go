package api_test

import (
	"testing"

	"thalassa/api"
	"thalassa/lb"
)

// TestLeavingMembers are those that are no members any more and have connections, in
// whatever worker.
func TestLeavingMembers(t *testing.T) {
	s := filledFixture(t)
	at := func(host lb.Host) lb.HostPort { return lb.HostPort{Host: host, Port: 8080} }
	s.Connect(
		lb.ServerConnections{Address: at("10.9.0.9"), Connections: 1, Replaced: true}, // of a service that is gone
		lb.ServerConnections{Address: at("10.1.0.1"), Connections: 5},                 // a member
		lb.ServerConnections{Address: at("10.1.0.3"), Connections: 2},
		lb.ServerConnections{Address: at("10.1.0.3"), Connections: 3},
		lb.ServerConnections{Address: at("10.9.0.8"), Replaced: true},
	)
	var got []struct {
		ID, Version string
		Connections int
		Replaced    bool
	}
	s.get("/backends/live/members?leaving=1").wants(t, 200, &got)
	if len(got) != 3 || got[0].ID != "/shop/2.0.0/10.1.0.3/8080" || got[0].Connections != 5 || got[0].Replaced ||
		got[1].ID != "/shop//10.9.0.8/8080" || got[1].Connections != 0 || !got[1].Replaced ||
		got[2].ID != "/shop//10.9.0.9/8080" || got[2].Connections != 1 || !got[2].Replaced {
		t.Errorf("leaving %+v", got)
	}
	s.Connect()
	same(t, s.get("/backends/live/members?leaving=true").body, "[]")
	for _, query := range []string{"?leaving=maybe", "?leaving=1&stats=1"} {
		s.get("/backends/live/members"+query).refused(t, 400, "invalid")
	}
	s.get("/backends/nobody/members?leaving=1").refused(t, 404, "not_found")
	s.SetDown(true)
	s.get("/backends/live/members?leaving=1").refused(t, 503, "unavailable")
	s = filledFixture(t, func(c *api.Config) { c.Connections = nil })
	s.get("/backends/live/members?leaving=1").refused(t, 503, "unavailable")
}
