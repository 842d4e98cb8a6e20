package stats_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/stats"
	"thalassa/statsock"
)

// crowd is so many servers that, while nobody looks, they are asked about every
// seven seconds at most.
const crowd = 5_000

// crowdID begins the ID of each of them.
const crowdID = "stat/backend/crowded/"

const patience = 2 * time.Minute

// long is a time after which servers are asked about, however many they are and however
// long their last answer took.
const long = time.Hour

// crowdedShop is shop beside a backend with so many servers, sampled once.
func crowdedShop(t *testing.T, servers int) (w *fixture, web, live, s1, s2 *row) {
	t.Helper()
	w, web, live, s1, s2 = shop(t)
	for i := range servers {
		w.lines[100] = append(w.lines[100], server("crowded", lb.SlotName(i), fmt.Sprintf("10.1.%d.%d:80", i/250, i%250)))
	}
	w.lines[100] = append(w.lines[100], backend("crowded"))
	w.sample()
	w.asked()
	return w, web, live, s1, s2
}

// askedAboutMembers says whether HAProxy was, since the last call.
func (f *fixture) askedAboutMembers() bool {
	return slices.ContainsFunc(f.asked(), func(command string) bool { return strings.Contains(command, "show stat -1 7") })
}

func TestMembersWaitWhileNobodyLooks(t *testing.T) {
	t.Parallel()
	w, web, _, s1, _ := crowdedShop(t, crowd)
	w.sampler.Changes(false, false)
	w.set(func() { web.requests, s1.requests = 10, 10 })
	w.sample()
	w.sample()
	if w.askedAboutMembers() {
		t.Error("haproxy was asked about members that nobody looks at")
	}
	w.wantsTotals(map[string]int64{webID: 10, aID: 0})
	if s := w.find(aID); s.Gauges.Status != "UP" {
		t.Errorf("a member that was not asked about is %+v", s.Gauges)
	}
	w.sampler.Changes(true, false)
	w.sampler.Pass(long)
	if w.sample(); !w.askedAboutMembers() {
		t.Fatal("haproxy is not asked about members that somebody follows")
	}
	w.wantsTotals(map[string]int64{webID: 10, aID: 10})
	if history := w.history(aID); len(history["connections"].([]any)) != len(w.history(webID)["connections"].([]any)) {
		t.Errorf("the histories are not equally long: %v", history)
	}
}

// Who begins to look gets figures of the moment between two ticks, and no other
// history for it.
func TestWhoLooksIsToldSoon(t *testing.T) {
	t.Parallel()
	w, web, _, s1, _ := crowdedShop(t, crowd)
	before := w.object(webID)
	if w.sampler.RefreshRequested(t.Context()) {
		t.Error("fresh figures were asked for")
	}
	w.sampler.Pass(long) // they grow old
	w.set(func() { web.requests++; s1.requests++; s1.current = 3 })
	w.object(aID)
	if !w.sampler.RefreshRequested(t.Context()) {
		t.Fatal("nobody has asked")
	}
	w.wantsTotals(map[string]int64{aID: 1})
	w.wantsTotals(map[string]int64{webID: 0})
	member, after := w.object(aID), w.object(webID)
	if fmt.Sprint(after) != fmt.Sprint(before) || member["time"] != before["time"] {
		t.Errorf("that was no tick, but %v became %v", before, after)
	}
	if got := fmt.Sprint(w.history(aID)["connections"], w.history(aID)["requests"].([]any)[0] != nil); got != "[3] true" {
		t.Errorf("the history is %s", got)
	}
	w.asked()
	if w.sample(); w.askedAboutMembers() {
		t.Error("members were asked about right again")
	}
}

func TestRefreshWaitsForFiguresOfTheMoment(t *testing.T) {
	w, _, _, s1, _ := crowdedShop(t, crowd/5) // the whole crowd would have it wait for seconds
	w.sampler = stats.New(stats.Config{
		Client: statsock.New(w.stats), Interval: 50 * time.Millisecond,
		Layout: func() (lb.Config, bool) { return w.config, true },
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.sampler.Run(ctx) }()
	testkit.Eventually(t, patience, func() error {
		if w.find(aID) == nil {
			return errors.New("nothing is known")
		}
		return nil
	})
	w.set(func() { s1.requests = 5 })
	testkit.Eventually(t, patience, func() error {
		w.sampler.Refresh(ctx)
		if n := w.total(aID); n != 5 {
			return fmt.Errorf("%d requests", n)
		}
		return nil
	})
	cancel()
	w.sampler.Refresh(ctx) // waits for nobody
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Another version at the same address, in a tick in which nobody asks about it.
func TestMembersThatChangeBetweenTwoLooks(t *testing.T) {
	t.Parallel()
	w, _, _, s1, _ := crowdedShop(t, crowd)
	w.set(func() { s1.requests = 60 }) // still the former member's
	w.config.Backends = []lb.ResolvedBackend{pool("10.0.0.1:80 2.0.0", "10.0.0.2:80 1.0.0", "", "")}
	w.sample()
	if w.askedAboutMembers() {
		t.Fatal("members were asked about")
	}
	w.follow()
	w.wantsTotals(map[string]int64{aID: 0})
	w.set(func() { s1.requests = 61 })
	w.follow()
	w.wantsTotals(map[string]int64{aID: 1})
}

// follow samples once, for somebody who follows, when members may be asked about.
func (f *fixture) follow() {
	f.t.Helper()
	f.sampler.Changes(true, true)
	f.sampler.Pass(long)
	if f.sample(); !f.askedAboutMembers() {
		f.t.Fatal("nobody was asked")
	}
}

// What old workers count is heard in every tick, and what they have counted for
// members when they become old.
func TestReloadsWhileNobodyLooks(t *testing.T) {
	w, web, live, s1, _ := crowdedShop(t, crowd)
	w.set(func() { web.requests, live.requests, s1.requests = 7, 7, 7 })
	w.reload(200, frontend("web"), backend("live"))
	w.sample()
	w.wantsTotals(map[string]int64{webID: 7, liveID: 7, aID: 7})
	w.set(func() { web.requests, live.requests = 9, 9 })
	w.sample()
	w.end()
	w.sample()
	w.wantsTotals(map[string]int64{webID: 9, liveID: 9, aID: 7})
}
