package stats_test

import (
	"strings"
	"testing"

	"thalassa/lb"
	"thalassa/stats"
	"thalassa/statsock"
)

// A fixture is a sampler and the HAProxy that it reads.
type fixture struct {
	*haproxy
	sampler *stats.Sampler
	config  lb.Config
	known   bool
	moves   []stats.Move // reported
}

func newFixture(t *testing.T, pools []lb.ResolvedBackend, lines ...*row) *fixture {
	t.Helper()
	w := &fixture{haproxy: newHAProxy(t, 100, lines...), config: lb.Config{Backends: pools}, known: true}
	w.sampler = stats.New(stats.Config{
		Client: statsock.New(w.stats), Master: statsock.NewMaster(w.master),
		Layout: func() (lb.Config, bool) { return w.config, w.known },
		Moved:  func(m []stats.Move) { w.moves = append(w.moves, m...) },
	})
	return w
}

func member(address, version string) lb.Member {
	bind, err := lb.ParseBind(address)
	if err != nil {
		panic(err)
	}
	return lb.Member{Address: lb.HostPort(bind), Service: "shop", Version: lb.Version(version), Weight: 1}
}

// backend is the backend live whose members are in slots; "" is a spare one.
func pool(members ...string) lb.ResolvedBackend {
	p := lb.ResolvedBackend{Backend: lb.Backend{Key: "live", Type: "dynamic"}, Slots: make([]lb.Slot, len(members))}
	for i, text := range members {
		if text == "" {
			continue
		}
		address, version, _ := strings.Cut(text, " ")
		m := member(address, version)
		p.Slots[i].Member = &m
		p.Members = append(p.Members, m)
	}
	return p
}

func (f *fixture) sample() { f.sampler.Sample(f.t.Context()) }

// find is a copy of the series with an id; nil: there is none.
func (f *fixture) find(id string) *stats.Series {
	var found *stats.Series
	f.sampler.Visit(func(s *stats.Series) {
		if s.ID() == id {
			c := *s
			found = &c
		}
	})
	return found
}

func (f *fixture) total(id string) int64 {
	f.t.Helper()
	s := f.find(id)
	if s == nil {
		f.t.Fatalf("%s is not there", id)
	}
	return s.Total[stats.Requests]
}

func (f *fixture) wantsTotals(want map[string]int64) {
	f.t.Helper()
	for id, n := range want {
		if got := f.total(id); got != n {
			f.t.Errorf("%s has %d requests, want %d", id, got, n)
		}
	}
}

const (
	webID  = "stat/frontend/web"
	liveID = "stat/backend/live"
	aID    = "stat/backend/live/10.0.0.1:80"
	bID    = "stat/backend/live/10.0.0.2:80"
)

// shop is a frontend and a backend with two members.
func shop(t *testing.T) (w *fixture, web, live, s1, s2 *row) {
	t.Helper()
	web, live, s1, s2 = frontend("web"), backend("live"), server("live", "s1", "10.0.0.1:80"), server("live", "s2", "10.0.0.2:80")
	w = newFixture(t, []lb.ResolvedBackend{pool("10.0.0.1:80 1.0.0", "10.0.0.2:80 1.0.0", "", "")}, web, s1, s2, live)
	return w, web, live, s1, s2
}
