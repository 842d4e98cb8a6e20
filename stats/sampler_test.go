package stats_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/lb"
	"thalassa/stats"
	"thalassa/statsock"
)

// A world is a sampler before a HAProxy.
type world struct {
	*haproxy
	sampler *stats.Sampler
	config  lb.Config
	known   bool
}

func newWorld(t *testing.T, pools []lb.Pool, lines ...*row) *world {
	t.Helper()
	w := &world{haproxy: newHAProxy(t, 100, lines...), config: lb.Config{Backends: pools}, known: true}
	w.sampler = stats.New(stats.Config{
		Client: statsock.New(w.stats), Master: statsock.NewMaster(w.master),
		Layout: func() (lb.Config, bool) { return w.config, w.known },
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

// pool is the backend live whose members are in slots; "" is a spare one.
func pool(members ...string) lb.Pool {
	p := lb.Pool{Backend: lb.Backend{Key: "live", Type: "dynamic"}, Slots: make([]lb.Slot, len(members))}
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

func (w *world) sample() { w.sampler.Sample(w.t.Context()) }

// find is a copy of the series with an id; nil: there is none.
func (w *world) find(id string) *stats.Series {
	var found *stats.Series
	w.sampler.Visit(func(s *stats.Series) {
		if s.ID() == id {
			c := *s
			found = &c
		}
	})
	return found
}

func (w *world) total(id string) int64 {
	w.t.Helper()
	s := w.find(id)
	if s == nil {
		w.t.Fatalf("%s is not there", id)
	}
	return s.Total[stats.Requests]
}

func (w *world) wantsTotals(want map[string]int64) {
	w.t.Helper()
	for id, n := range want {
		if got := w.total(id); got != n {
			w.t.Errorf("%s has %d requests, want %d", id, got, n)
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
func shop(t *testing.T) (w *world, web, live, s1, s2 *row) {
	t.Helper()
	web, live, s1, s2 = frontend("web"), backend("live"), server("live", "s1", "10.0.0.1:80"), server("live", "s2", "10.0.0.2:80")
	w = newWorld(t, []lb.Pool{pool("10.0.0.1:80 1.0.0", "10.0.0.2:80 1.0.0", "", "")}, web, s1, s2, live)
	return w, web, live, s1, s2
}

func TestTotalsAreCountedFromTheBeginning(t *testing.T) {
	w, web, live, s1, s2 := shop(t)
	web.requests, live.requests, s1.requests, s2.requests = 1000, 990, 600, 390 // before the agent began
	w.sample()
	w.wantsTotals(map[string]int64{webID: 0, liveID: 0, aID: 0, bID: 0})
	w.set(func() { web.requests, live.requests, s1.requests, s2.requests = 1010, 1000, 605, 395 })
	w.sample()
	w.wantsTotals(map[string]int64{webID: 10, liveID: 10, aID: 5, bID: 5})
	w.set(func() { web.requests, live.requests, s1.requests, s2.requests = 1, 1, 1, 0 }) // clear counters all
	w.sample()
	w.wantsTotals(map[string]int64{webID: 11, liveID: 11, aID: 6, bID: 5})
}

func TestRatesArePerSecond(t *testing.T) {
	w, web, live, s1, _ := shop(t)
	begin := time.Now()
	w.sample()
	if s := w.find(webID); s.Known {
		t.Errorf("one reading gives a rate: %+v", s.Rate)
	}
	<-time.After(50 * time.Millisecond)
	w.set(func() { web.requests, live.e5xx, s1.bytes = 100, 50, 1000 })
	w.sample()
	took := time.Since(begin).Seconds()
	web2, live2, a := w.find(webID), w.find(liveID), w.find(aID)
	if got := float64(web2.Rate[stats.Requests]); !web2.Known || got < 99/took || got > 100/0.05+1 {
		t.Errorf("%v requests/s, 100 in %v s", got, took)
	}
	if live2.Rate.Errors() == 0 || a.Rate[stats.BytesOut] == 0 || a.Rate[stats.Requests] != 0 {
		t.Errorf("rates %+v, %+v", live2.Rate, a.Rate)
	}
}

// What an old worker goes on counting is part of the totals, and its last
// reading stays when it ends.
func TestTotalsGoOnOverReloads(t *testing.T) {
	w, web, live, s1, _ := shop(t)
	w.sample()
	w.set(func() { web.requests, live.requests, s1.requests = 100, 100, 100 })
	w.sample()
	web2, live2, s1b := frontend("web"), backend("live"), server("live", "s1", "10.0.0.1:80")
	web2.requests, live2.requests, s1b.requests = 5, 5, 5 // by the time it is first asked
	w.reload(200, web2, s1b, server("live", "s2", "10.0.0.2:80"), live2)
	w.set(func() { web.requests, live.requests, s1.requests, web.current = 103, 103, 103, 3 })
	w.sample()
	w.wantsTotals(map[string]int64{webID: 108, liveID: 108, aID: 108, bID: 0})
	if s := w.find(webID); s.Gauges.Connections != 3 {
		t.Errorf("%d connections, 3 are in the old worker", s.Gauges.Connections)
	}
	w.set(func() { web.requests, live.requests, s1.requests, web.current = 104, 104, 104, 0 })
	w.sample()
	if got := w.sampler.Workers(); got != (stats.Workers{PID: 200, Old: 1}) {
		t.Errorf("workers %+v", got)
	}
	w.end()
	w.set(func() { web2.requests, live2.requests, s1b.requests = 6, 6, 6 })
	w.sample()
	w.wantsTotals(map[string]int64{webID: 110, liveID: 110, aID: 110})
	w.sample()
	if got := w.sampler.Workers(); got != (stats.Workers{PID: 200}) {
		t.Errorf("workers %+v", got)
	}
	w.asked()
	w.sample()
	if asked := w.asked(); len(asked) != 1 {
		t.Errorf("asked %q, one question is enough when there is one worker", asked)
	}
}

// An old worker that was there before the agent counts from then on; one that
// came and went between two ticks counts as a whole.
func TestWorkersThatWereNeverPresent(t *testing.T) {
	w, web, live, s1, s2 := shop(t)
	before := frontend("web")
	before.requests = 7000
	w.set(func() {
		w.old, w.lines[50] = []int{50}, []*row{before}
	})
	w.sample()
	w.sample()
	w.wantsTotals(map[string]int64{webID: 0})
	w.set(func() { before.requests = 7001 })
	w.sample()
	w.wantsTotals(map[string]int64{webID: 1})
	between := frontend("web")
	between.requests = 10
	w.reload(150, between)
	w.reload(200, frontend("web"), s1, s2, live)
	w.sample()
	w.wantsTotals(map[string]int64{webID: 11})
	_ = web
}

// Old workers that hang hold up neither each other, nor one that answers, nor
// what the present one has told.
func TestOldWorkersThatHang(t *testing.T) {
	w, _, live, s1, s2 := shop(t)
	w.sample()
	last := frontend("web")
	w.set(func() { w.hung = map[int]bool{} })
	for pid := 200; pid < 203; pid++ {
		w.reload(pid, frontend("web"))
		w.set(func() { w.hung[pid] = true })
	}
	w.reload(207, last)
	w.reload(300, frontend("web"), s1, s2, live)
	w.sample() // counts from now on: the sampler has not met them
	w.set(func() { last.requests = 7 })
	begin := time.Now()
	w.sample()
	if took := time.Since(begin); took > 10*time.Second { // one after the other: 15 s
		t.Errorf("the tick took %v", took)
	}
	w.wantsTotals(map[string]int64{webID: 7})
	if got := w.sampler.Workers(); got != (stats.Workers{PID: 300, Old: 5}) {
		t.Errorf("workers %+v", got)
	}
}

func TestMembersThatTakeALineCountForThemselves(t *testing.T) {
	w, _, live, s1, s2 := shop(t)
	w.sample()
	w.set(func() { live.requests, s1.requests, s2.requests, s1.max = 100, 60, 40, 9 })
	w.sample()
	const cID = "stat/backend/live/10.0.0.3:80"
	w.set(func() { live.requests, s1.requests, s2.requests, s1.address = 110, 65, 45, "10.0.0.3:80" })
	w.config.Backends = []lb.Pool{pool("10.0.0.3:80 1.1.0", "10.0.0.2:80 1.0.0", "", "")}
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
	w.config.Backends = []lb.Pool{pool("10.0.0.3:80 1.1.0", "10.0.0.2:80 1.0.0", "10.0.0.1:80 1.0.0", "")}
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
	w.config.Backends = []lb.Pool{pool("10.0.0.1:80 2.0.0", "10.0.0.2:80 1.0.0", "", "")}
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
	p := lb.Pool{Backend: lb.Backend{Key: "live", Type: "static"}, Members: []lb.Member{{Address: lb.HostPort{Host: "db.example", Port: 80}}}}
	line := server("live", "db.example:80", "10.9.9.9:80")
	w := newWorld(t, []lb.Pool{p}, line, backend("live"))
	w.sample()
	w.set(func() { line.requests = 4 })
	w.sample()
	w.wantsTotals(map[string]int64{"stat/backend/live/db.example:80": 4})
}

// What Thalassa did not make is shown by its name.
func TestBackendsOfOthers(t *testing.T) {
	line := server("theirs", "one", "10.9.9.9:80")
	w := newWorld(t, nil, line, backend("theirs"))
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

func TestHAProxyMayBeAway(t *testing.T) {
	w, web, _, _, _ := shop(t)
	w.sample()
	w.set(func() { web.requests = 10 })
	w.sample()
	w.set(func() { w.down = true })
	w.sample()
	s := w.find(webID)
	if s.Gauges.Status != stats.Unknown || s.Known || s.Total[stats.Requests] != 10 {
		t.Errorf("while it is away: %+v", s)
	}
	if w.sampler.Workers().PID != 0 {
		t.Error("there is a worker")
	}
	// Started again, with another process.
	w.set(func() { w.down = false })
	web2 := frontend("web")
	web2.requests = 2
	w.reload(300, web2)
	w.end()
	w.sample()
	w.wantsTotals(map[string]int64{webID: 12})
	history := w.history(webID)
	if got := fmt.Sprint(history["connections"]); got != "[0 0 <nil> 0]" {
		t.Errorf("connections were %s", got)
	}
}

// history is that of an object as it is told.
func (w *world) history(id string) map[string]any {
	w.t.Helper()
	history, _ := w.object(id)["history"].(map[string]any)
	return history
}

// object is one as it is told in a state.
func (w *world) object(id string) map[string]any {
	w.t.Helper()
	var found map[string]any
	w.sampler.Objects(nil, 1<<20, func(_ time.Time, piece []stats.Object) bool {
		for _, o := range piece {
			var v map[string]any
			if err := json.Unmarshal(o.JSON, &v); err != nil {
				w.t.Fatalf("%v: %s", err, o.JSON)
			}
			if v["id"] != o.ID {
				w.t.Errorf("object %s has id %v", o.ID, v["id"])
			}
			if o.ID == id {
				found = v
			}
		}
		return true
	})
	return found
}

func TestObjectsAsTheyAreTold(t *testing.T) {
	w, web, _, s1, _ := shop(t)
	w.sample()
	w.set(func() { web.requests, web.current, web.max, s1.change = 3, 1, 4, 100 })
	w.sample()
	f, b, m := w.object(webID), w.object(liveID), w.object(aID)
	var totals map[string]map[string]any
	w.sampler.Totals(nil, 1<<20, func(_ time.Time, piece []stats.Object) bool {
		totals = w.decode(piece)
		return true
	})
	for _, c := range []struct {
		object map[string]any
		want   string
	}{
		{f, `"type":"frontend","key":"web","status":"OPEN","connections":{"current":1,"max":4,"limit":0}`},
		{b, `"type":"backend","key":"live","status":"UP","members":2,"healthy":2,"weight":1,"downtimeMs":0,"queue":{"current":0,"max":0},
			"timesMs":{"queue":0,"connect":0,"response":2,"total":0}`},
		{m, `"type":"backendMember","key":"10.0.0.1:80","backend":"live","server":"s1","member":"/shop/1.0.0/10.0.0.1/80",
			"version":"1.0.0","address":"10.0.0.1:80","status":"UP","weight":1`},
	} {
		var want map[string]any
		if err := json.Unmarshal([]byte("{"+c.want+"}"), &want); err != nil {
			t.Fatal(err)
		}
		for field, v := range want {
			if got := c.object[field]; fmt.Sprint(got) != fmt.Sprint(v) {
				t.Errorf("%s of %v is %v, want %v", field, c.object["id"], got, v)
			}
		}
		total := totals[c.object["id"].(string)]
		rate, _ := c.object["rate"].(map[string]any)
		for _, name := range []string{
			"requests", "sessions", "bytesIn", "bytesOut", "1xx", "2xx", "3xx", "4xx", "5xx", "connectErrors",
			"responseErrors", "requestErrors", "retries", "redispatches",
		} {
			if total[name] == nil || rate[name] == nil {
				t.Errorf("%v lacks %s", c.object["id"], name)
			}
		}
	}
	if totals[webID]["requests"] != 3.0 || f["total"] != nil || f["queue"] != nil || f["check"] != nil {
		t.Errorf("the frontend is %v", f)
	}
	check, _ := m["check"].(map[string]any)
	if since, _ := check["sinceMs"].(float64); time.Since(time.UnixMilli(int64(since))) < 90*time.Second {
		t.Errorf("the check is %v", check)
	}
	history := w.history(webID)
	if got := fmt.Sprint(history["connections"], len(history["requests"].([]any)), history["interval"], history["end"] == f["time"]); got != "[0 1] 2 1000 true" {
		t.Errorf("the history is %s", got)
	}
	if w.history(aID)["bytesOut"] != nil || w.history(aID)["errors"] == nil {
		t.Errorf("a member's history is %v", w.history(aID))
	}
}

// changes gives what has changed, by id, and what was removed.
func (w *world) changes() (map[string]map[string]any, []string) {
	w.t.Helper()
	news := w.sampler.Changes(true, false)
	var ids []string
	for _, r := range news.Removed {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return w.decode(news.Changed), ids
}

// decode gives objects by id.
func (w *world) decode(objects []stats.Object) map[string]map[string]any {
	w.t.Helper()
	out := map[string]map[string]any{}
	for _, o := range objects {
		var v map[string]any
		if err := json.Unmarshal(o.JSON, &v); err != nil {
			w.t.Fatalf("%v: %s", err, o.JSON)
		}
		if v["id"] != o.ID {
			w.t.Errorf("object %s has id %v", o.ID, v["id"])
		}
		out[o.ID] = v
	}
	return out
}

func TestOnlyWhatChangedIsTold(t *testing.T) {
	w, web, live, s1, _ := shop(t)
	w.sample()
	if changed, _ := w.changes(); len(changed) != 4 || changed[aID]["type"] != "backendMember" {
		t.Errorf("at first %v", changed)
	}
	w.sample()
	changed, _ := w.changes()
	for id, o := range changed { // the first rate is known now
		if rate, _ := o["rate"].(map[string]any); len(o) != 2 || len(rate) != 14 {
			t.Errorf("%s changed: %v", id, o)
		}
	}
	w.sample()
	if changed, removed := w.changes(); len(changed)+len(removed) != 0 {
		t.Errorf("nothing has changed but %v, %v", changed, removed)
	}
	w.set(func() { web.current, s1.status, s1.change = 2, "DOWN", 0 })
	w.sample()
	changed, _ = w.changes()
	if len(changed) != 3 || changed[webID]["connections"] == nil || changed[webID]["status"] != nil ||
		changed[aID]["status"] != "DOWN" || changed[liveID]["healthy"] != 1.0 {
		t.Errorf("changed %v", changed)
	}
	w.config.Backends = []lb.Pool{pool("", "10.0.0.2:80 1.0.0", "", "")}
	w.sample()
	if _, removed := w.changes(); !slices.Equal(removed, []string{aID}) {
		t.Errorf("removed %v", removed)
	}
	w.config.Backends = []lb.Pool{pool("10.0.0.1:80 1.0.0", "10.0.0.2:80 1.0.0", "", "")}
	w.sample()
	if changed, _ = w.changes(); changed[aID]["type"] != "backendMember" {
		t.Errorf("what is back is told as %v", changed[aID])
	}
	w.sampler.Changes(false, false)
	w.set(func() { live.requests = 9 })
	w.sample()
	w.sampler.Changes(false, false)
	if changed, _ = w.changes(); len(changed) != 0 {
		t.Errorf("forgotten changes are told: %v", changed)
	}
}

// Of what is nested, too, only what has changed is told.
func TestChangesAreTheFieldsThatAreNew(t *testing.T) {
	w, web, live, s1, _ := shop(t)
	w.sample()
	w.sample()
	w.sampler.Changes(true, true)
	w.set(func() { web.requests, web.current, live.max, s1.change = 1_000_000, 2, 3, 100 })
	w.sample()
	news := w.sampler.Changes(true, true)
	changed, totals := w.decode(news.Changed), w.decode(news.Totals)
	fields := func(v any) string {
		inner, _ := v.(map[string]any)
		return strings.Join(slices.Sorted(maps.Keys(inner)), " ")
	}
	for _, c := range []struct{ got, want string }{
		{fields(changed[webID]), "connections id rate"},
		{fields(changed[webID]["connections"]), "current max"},
		{fields(changed[webID]["rate"]), "requests sessions"},
		{fields(changed[liveID]), "connections id"},
		{fields(changed[liveID]["connections"]), "max"},
		{fields(changed[aID]), "check id"},
		{fields(changed[aID]["check"]), "sinceMs"},
		{fmt.Sprint(totals), fmt.Sprintf("map[%s:map[id:%[1]s requests:1e+06 sessions:1e+06]]", webID)},
	} {
		if c.got != c.want {
			t.Errorf("told is %s, want %s, of %v", c.got, c.want, changed)
		}
	}
	w.sample()
	if rate, _ := w.decode(w.sampler.Changes(true, true).Changed)[webID]["rate"].(map[string]any); len(rate) != 2 || rate["requests"] != 0.0 {
		t.Errorf("when nothing comes any more: %v", rate)
	}
	w.set(func() { w.down = true })
	w.sample()
	if got := w.decode(w.sampler.Changes(true, true).Changed)[webID]; len(got) != 3 || got["rate"] != nil || got["status"] != "unknown" {
		t.Errorf("while it is away: %v", got)
	}
	w.set(func() { w.down = false })
	w.sample()
	if rate, _ := w.decode(w.sampler.Changes(true, true).Changed)[webID]["rate"].(map[string]any); len(rate) != 14 {
		t.Errorf("when it is back: %v", rate)
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

func TestObjectsOfKeysInPieces(t *testing.T) {
	w, _, _, _, _ := shop(t)
	w.set(func() { w.lines[100] = append(w.lines[100], backend("other"), frontend("other")) })
	w.sample()
	var pieces, objects int
	w.sampler.Objects([]string{"other", "web", "nothing"}, 1, func(at time.Time, piece []stats.Object) bool {
		if at.IsZero() || len(piece) != 1 || piece[0].Key == "live" {
			t.Errorf("at %v: %+v", at, piece)
		}
		pieces++
		objects += len(piece)
		return true
	})
	if pieces != 3 || objects != 3 {
		t.Errorf("%d objects in %d pieces", objects, pieces)
	}
	calls := 0
	w.sampler.Objects([]string{"nothing"}, 1, func(_ time.Time, piece []stats.Object) bool {
		calls++
		return len(piece) > 0
	})
	if calls != 1 {
		t.Errorf("nothing was told %d times", calls)
	}
}
