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
)

// history is that of an object as it is told.
func (f *fixture) history(id string) map[string]any {
	f.t.Helper()
	history, _ := f.object(id)["history"].(map[string]any)
	return history
}

// object is one as it is told in a state.
func (f *fixture) object(id string) map[string]any {
	f.t.Helper()
	var found map[string]any
	f.sampler.Objects(nil, 1<<20, func(_ time.Time, piece []stats.Object) bool {
		for _, o := range piece {
			if strings.HasPrefix(o.ID, crowdID) && o.ID != id {
				continue // they are only there to be many
			}
			var v map[string]any
			if err := json.Unmarshal(o.JSON, &v); err != nil {
				f.t.Fatalf("%v: %s", err, o.JSON)
			}
			if v["id"] != o.ID {
				f.t.Errorf("object %s has id %v", o.ID, v["id"])
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
func (f *fixture) changes() (map[string]map[string]any, []string) {
	f.t.Helper()
	news := f.sampler.Changes(true, false)
	var ids []string
	for _, r := range news.Removed {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return f.decode(news.Changed), ids
}

// decode gives objects by id.
func (f *fixture) decode(objects []stats.Object) map[string]map[string]any {
	f.t.Helper()
	out := map[string]map[string]any{}
	for _, o := range objects {
		var v map[string]any
		if err := json.Unmarshal(o.JSON, &v); err != nil {
			f.t.Fatalf("%v: %s", err, o.JSON)
		}
		if v["id"] != o.ID {
			f.t.Errorf("object %s has id %v", o.ID, v["id"])
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
	w.config.Backends = []lb.ResolvedBackend{pool("", "10.0.0.2:80 1.0.0", "", "")}
	w.sample()
	if _, removed := w.changes(); !slices.Equal(removed, []string{aID}) {
		t.Errorf("removed %v", removed)
	}
	w.config.Backends = []lb.ResolvedBackend{pool("10.0.0.1:80 1.0.0", "10.0.0.2:80 1.0.0", "", "")}
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
