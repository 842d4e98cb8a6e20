package stats_test

import (
	"testing"

	"thalassa/lb"
)

func TestMembersThatTakeALineCountForThemselves(t *testing.T) {
	w, _, live, s1, s2 := shop(t)
	w.sample()
	w.set(func() { live.requests, s1.requests, s2.requests, s1.max = 100, 60, 40, 9 })
	w.sample()
	const cID = "stat/backend/live/10.0.0.3:80"
	w.set(func() { live.requests, s1.requests, s2.requests, s1.address = 110, 65, 45, "10.0.0.3:80" })
	w.config.Backends = []lb.ResolvedBackend{pool("10.0.0.3:80 1.1.0", "10.0.0.2:80 1.0.0", "", "")}
	w.sample()
	w.wantsTotals(map[string]int64{liveID: 110, bID: 45, cID: 0})
	c := w.find(cID)
	if c.Member != "/shop/1.1.0/10.0.0.3/80" || c.Version != "1.1.0" || c.Server != "s1" || c.Gauges.MaxConnections != 0 {
		t.Errorf("the new member is %+v", c)
	}
	if s := w.find(aID); s != nil {
		t.Errorf("the former member is told: %+v", s)
	}
	w.set(func() { live.requests, s1.requests, s2.requests, s1.max = 130, 75, 55, 11 })
	w.sample()
	w.wantsTotals(map[string]int64{liveID: 130, bID: 55, cID: 10})
	if c = w.find(cID); c.Gauges.MaxConnections != 11 {
		t.Errorf("max is %d", c.Gauges.MaxConnections)
	}
	// Back again, in another line.
	s3 := server("live", "s3", "10.0.0.1:80")
	w.set(func() { w.lines[100] = append(w.lines[100], s3) })
	w.config.Backends = []lb.ResolvedBackend{pool("10.0.0.3:80 1.1.0", "10.0.0.2:80 1.0.0", "10.0.0.1:80 1.0.0", "")}
	w.sample()
	w.set(func() { s3.requests = 3 })
	w.sample()
	w.wantsTotals(map[string]int64{aID: 63})
}

// Another version at the same address is another member.
func TestMembersAreToldApartByVersion(t *testing.T) {
	w, _, _, s1, _ := shop(t)
	w.sample()
	w.set(func() { s1.requests = 50 })
	w.sample()
	w.set(func() { s1.requests = 60 })
	w.config.Backends = []lb.ResolvedBackend{pool("10.0.0.1:80 2.0.0", "10.0.0.2:80 1.0.0", "", "")}
	w.sample()
	w.wantsTotals(map[string]int64{aID: 0})
	w.set(func() { s1.requests = 61 })
	w.sample()
	w.wantsTotals(map[string]int64{aID: 1})
	if s := w.find(aID); s.Version != "2.0.0" || s.Member != "/shop/2.0.0/10.0.0.1/80" {
		t.Errorf("got %+v", s)
	}
}

func TestMembersInMaintenanceStay(t *testing.T) {
	w, _, _, s1, _ := shop(t)
	w.sample()
	w.set(func() { s1.requests, s1.status = 5, "MAINT" })
	w.sample()
	s := w.find(aID)
	if s == nil || s.Gauges.Status != "MAINT" {
		t.Fatalf("got %+v", s)
	}
	if live := w.find(liveID); live.Members != 2 || live.Healthy != 1 {
		t.Errorf("%d of %d are healthy", live.Healthy, live.Members)
	}
	w.set(func() { s1.status = "UP 1/3" })
	w.sample()
	w.wantsTotals(map[string]int64{aID: 5})
	if live := w.find(liveID); live.Healthy != 2 {
		t.Errorf("%d are healthy", live.Healthy)
	}
}

func TestStaticMembersAreKnownByTheirLine(t *testing.T) {
	p := lb.ResolvedBackend{Backend: lb.Backend{Key: "live", Type: "static"}, Members: []lb.Member{{Address: lb.HostPort{Host: "db.example", Port: 80}}}}
	line := server("live", "db.example:80", "10.9.9.9:80")
	w := newFixture(t, []lb.ResolvedBackend{p}, line, backend("live"))
	w.sample()
	w.set(func() { line.requests = 4 })
	w.sample()
	w.wantsTotals(map[string]int64{"stat/backend/live/db.example:80": 4})
}

// What Thalassa did not make is shown by its name.
func TestBackendsOfOthers(t *testing.T) {
	line := server("theirs", "one", "10.9.9.9:80")
	w := newFixture(t, nil, line, backend("theirs"))
	w.sample()
	w.set(func() { line.requests = 4 })
	w.sample()
	w.wantsTotals(map[string]int64{"stat/backend/theirs/one": 4})
	if s := w.find("stat/backend/theirs"); s.Members != 1 || s.Healthy != 1 {
		t.Errorf("got %+v", s)
	}
	w.reload(200)
	w.sample()
	if w.find("stat/backend/theirs") != nil || w.find("stat/backend/theirs/one") != nil {
		t.Error("what is gone is still told")
	}
}

func TestSamplerWithoutALayout(t *testing.T) {
	w, web, _, _, _ := shop(t)
	w.known = false
	w.sample()
	w.set(func() { web.requests = 1 })
	w.sample()
	w.wantsTotals(map[string]int64{webID: 1, liveID: 0})
	if w.find(aID) != nil {
		t.Error("a member is known")
	}
	w.known = true
	w.sample()
	w.wantsTotals(map[string]int64{webID: 1, aID: 0})
}
