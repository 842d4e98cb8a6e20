package discovery

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"thalassa/consul"
	"thalassa/lb"
)

// Whatever changes in Consul while queries are under way, and whichever of its
// servers answers them: soon after the last change everything is known, long
// before the sweep that comes each minute would find it. (Changes that show in
// no check are known soon from one server. When another one, that is behind,
// answers the request that follows, it is the sweep's task to find them.)
func TestScheduleLosesNoUpdate(t *testing.T) {
	t.Parallel()
	const hot = 8
	for _, services := range []int{5, hot, hot + 1, 40, 120} {
		for _, lag := range []time.Duration{0, 30 * time.Millisecond, -1} {
			t.Run(fmt.Sprintf("%d services, lag %v", services, lag), func(t *testing.T) {
				t.Parallel()
				for seed := range uint64(8) {
					w := newWorld(t, seed, services, hot)
					w.lag = lag
					w.inBursts(simulatedNames(services))
					if limit := hot + fetchConns + catalogConns; w.greatest > limit {
						t.Fatalf("seed %d: %d queries at once, want at most %d", seed, w.greatest, limit)
					}
				}
			})
		}
	}
}

// inBursts lets everything change at once, many times, and expects all to be
// known soon after each. Half of the services are wanted later, during changes.
func (w *world) inBursts(names []lb.Name) {
	w.t.Helper()
	w.schedule.want(names[:len(names)/2+1], w.now)
	for burst := range 25 {
		end := w.now
		for range 1 + w.random.IntN(25) {
			end = w.change(end.Add(time.Duration(w.random.ExpFloat64()*float64(15*time.Millisecond))), names)
		}
		if burst%4 == 1 { // an outage in the middle
			middle := w.now.Add(end.Sub(w.now) / 2)
			w.down = [2]time.Time{middle, middle.Add(time.Second)}
		}
		for _, d := range w.pending {
			w.resolve(d)
		}
		w.run(w.now.Add(end.Sub(w.now) / 3))
		w.schedule.want(names, w.now)
		w.run(end.Add(10 * time.Second))
		if wrong := w.wrong(names); len(wrong) > 0 {
			w.t.Fatalf("burst %d: %d wrong: %s", burst, len(wrong), wrong[0])
		}
	}
}

// When nothing happens there is little to ask: a blocking query now and then
// for each hot service, a sweep a minute for each cold one, or fewer where there are
// many.
func TestScheduleRestsInPeace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		services, least, most int
		age                   time.Duration
	}{
		{200, 1700, 4400, 80 * time.Second},   // 176 cold ones every 30 to 60 s, 26 queries that block for 45 s
		{1000, 2600, 5200, 270 * time.Second}, // 976 cold ones every 125 to 250 s
	} {
		w := newWorld(t, 1, c.services, 24)
		names := simulatedNames(c.services)
		w.schedule.want(names, w.now)
		w.run(w.now.Add(30 * time.Second))
		if wrong := w.wrong(names); len(wrong) > 0 {
			t.Fatal(wrong)
		}
		w.asked = 0
		w.run(w.now.Add(10 * time.Minute))
		if w.asked < c.least || w.asked > c.most {
			t.Errorf("%d services: asked %d times in ten minutes", c.services, w.asked)
		}
		for n, s := range w.schedule.snapshot().Services {
			if age := w.now.Sub(s.Seen); age > c.age {
				t.Errorf("%s was confirmed %v ago", n, age)
			}
		}
	}
}

// With Consul away everything backs off; when it is back, the first answer
// brings all the others.
func TestScheduleRecoversAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 200, 24)
	names := simulatedNames(200)
	w.schedule.want(names, w.now)
	w.run(w.now.Add(10 * time.Second))
	w.down = [2]time.Time{w.now, w.now.Add(time.Hour)}
	for _, d := range w.pending {
		w.resolve(d)
	}
	w.run(w.now.Add(50 * time.Minute))
	for n, s := range w.schedule.snapshot().Services {
		if s.Stale == "" || len(s.Instances) != 1 {
			t.Fatalf("%s is %+v, want its instance, stale", n, s)
		}
	}
	w.asked = 0
	w.run(w.down[1])
	if w.asked < 1000 || w.asked > 4200 { // 202 in ten minutes, each every 30 to 60 s
		t.Errorf("asked %d times in ten minutes of an outage", w.asked)
	}
	for range 30 { // the first back-off to end, then all
		w.run(w.now.Add(time.Second))
		if len(w.wrong(names)) < len(names) {
			w.run(w.now.Add(time.Second))
			if wrong := w.wrong(names); len(wrong) > 0 {
				t.Errorf("a second after the first answer %d are not confirmed: %s", len(wrong), wrong[0])
			}
			return
		}
	}
	t.Error("nothing was confirmed half a minute after Consul came back")
}

func TestScheduleHeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 50, 4)
	names := simulatedNames(50)
	w.schedule.want(names, w.now)
	start := w.now
	for i := range 40 { // s49 changes again and again
		next := w.after(start.Add(time.Duration(10+i) * time.Second))
		next.checks = uint64(10 + i)
		next.services["s49"] = instance{present: true, status: []string{consul.Critical, consul.Passing}[i%2], port: 1, index: next.checks}
		w.history = append(w.history, next)
	}
	w.run(start.Add(100 * time.Second))
	if svc := w.schedule.services["s49"]; !svc.watching || !svc.busy {
		t.Errorf("the service that changed last has no blocking query")
	}
}

// The service that changed last gets a blocking query, however many others have
// one: the one that has been quiet for longest gives its own up, at a bounded
// rate, and that is neither a failure nor anything to tell of.
func TestScheduleGivesSlotsToWhatChanges(t *testing.T) {
	t.Parallel()
	const services, hot, changes = 60, 8, 200
	w := newWorld(t, 3, services, hot)
	names := simulatedNames(services)
	w.schedule.want(names, w.now)
	w.run(w.now.Add(10 * time.Second))
	if w.canceled > 0 {
		t.Errorf("%d queries given up while nothing changed", w.canceled)
	}
	for i := range changes { // by turns, so that nobody keeps a slot
		n := names[i%services]
		next := w.after(w.now.Add(300 * time.Millisecond))
		next.checks++
		status := []string{consul.Warning, consul.Critical, consul.Passing}[i/services%3]
		next.services[n] = instance{present: true, status: status, port: 1, index: next.checks}
		w.history = append(w.history, next)
		for _, d := range w.pending {
			w.resolve(d)
		}
		w.run(w.now.Add(time.Second))
		if svc := w.schedule.services[n]; !svc.busy || !svc.watching {
			t.Fatalf("change %d: %s has no blocking query a moment later", i, n)
		}
	}
	if w.canceled < changes/2 || w.canceled > changes {
		t.Errorf("%d queries given up for %d changes", w.canceled, changes)
	}
	if len(w.schedule.notes) > 0 {
		t.Errorf("told of %+v", w.schedule.notes)
	}
	if limit := hot + fetchConns + catalogConns; w.greatest > limit {
		t.Errorf("%d queries at once, want at most %d", w.greatest, limit)
	}
	w.run(w.now.Add(2 * time.Second))
	if wrong := w.wrong(names); len(wrong) > 0 {
		t.Errorf("%d wrong: %s", len(wrong), wrong[0])
	}

	// All change at once: slots go over one by one, and not for ever.
	w.canceled = 0
	next := w.after(w.now.Add(10 * time.Millisecond))
	for n, i := range next.services {
		next.checks++
		i.status, i.index = consul.Critical, next.checks
		next.services[n] = i
	}
	w.history = append(w.history, next)
	for _, d := range w.pending {
		w.resolve(d)
	}
	w.run(w.now.Add(10 * time.Second))
	if w.canceled > services {
		t.Errorf("%d queries given up for one change of all", w.canceled)
	}
	w.canceled = 0
	w.run(w.now.Add(time.Minute))
	if w.canceled > 0 {
		t.Errorf("%d queries given up while nothing changed", w.canceled)
	}
}

func TestScheduleForgetsTheUnwanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 30, 8)
	names := simulatedNames(30)
	w.schedule.want(names, w.now)
	w.run(w.now.Add(time.Second))
	canceled := 0
	for _, svc := range w.schedule.services {
		svc.cancel = func() { canceled++ }
	}
	w.schedule.checks.cancel = func() { canceled++ }
	w.schedule.catalog.cancel = func() { canceled++ }
	watching := 0
	for _, svc := range w.schedule.services {
		if svc.busy && svc.name != "s3" {
			watching++
		}
	}
	if watching == 0 {
		t.Fatal("no query under way to be ended")
	}
	w.schedule.want([]lb.Name{"s3"}, w.now)
	w.schedule.assign(w.now)
	if canceled < watching+2 {
		t.Errorf("%d of %d queries ended", canceled, watching+2)
	}
	for i := range w.pending { // they come back with or without an answer
		if i%2 == 0 {
			w.pending[i].err = errors.New("context canceled")
		}
		w.pending[i].at = w.now
	}
	w.run(w.now.Add(time.Minute))
	if got := w.schedule.snapshot().Services; len(got) != 1 || got["s3"].Stale != "" {
		t.Errorf("snapshot %v, want s3 alone and confirmed", got)
	}
	if w.schedule.hotBusy+w.schedule.fetched > 1 {
		t.Errorf("%d and %d slots in use, want one", w.schedule.hotBusy, w.schedule.fetched)
	}
}
