package discovery

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"thalassa/consul"
	"thalassa/lb"
)

// Whatever changes in Consul during requests, and whichever of its servers answers
// them: soon after the last change, everything is known, long before a refresh
// would find it. (Changes that affect no check are known soon with one server. With
// several, a server that is behind may answer the request that follows. A refresh
// then finds the change.)
func TestScheduleLosesNoUpdate(t *testing.T) {
	t.Parallel()
	const maxWatched = 8
	sizes := []int{5, maxWatched, maxWatched + 1, 40, 120}
	if testing.Short() { // the time grows with the square of the services
		sizes = sizes[:4]
	}
	for _, services := range sizes {
		for _, lag := range []time.Duration{0, 30 * time.Millisecond, -1} {
			t.Run(fmt.Sprintf("%d services, lag %v", services, lag), func(t *testing.T) {
				t.Parallel()
				seeds, bursts := 8, 25
				if testing.Short() {
					seeds, bursts = max(1, 16/services), 10
				}
				for seed := range uint64(seeds) {
					sim := newSimulation(t, seed, services, maxWatched)
					sim.lag = lag
					sim.inBursts(simulatedNames(services), bursts)
					if limit := maxWatched + fetchConns + catalogConns; sim.greatest > limit {
						t.Fatalf("seed %d: %d queries at once, want at most %d", seed, sim.greatest, limit)
					}
				}
			})
		}
	}
}

// inBursts makes many changes at once, repeatedly, and expects all to be known soon
// after each burst. Half of the services are wanted later, during changes.
func (sim *simulation) inBursts(names []lb.Name, bursts int) {
	sim.t.Helper()
	sim.schedule.want(names[:len(names)/2+1], sim.now)
	for burst := range bursts {
		end := sim.now
		for range 1 + sim.random.IntN(25) {
			end = sim.change(end.Add(time.Duration(sim.random.ExpFloat64()*float64(15*time.Millisecond))), names)
		}
		if burst%4 == 1 { // an outage in the middle
			middle := sim.now.Add(end.Sub(sim.now) / 2)
			sim.down = [2]time.Time{middle, middle.Add(time.Second)}
		}
		for _, d := range sim.pending {
			sim.resolve(d)
		}
		sim.run(sim.now.Add(end.Sub(sim.now) / 3))
		sim.schedule.want(names, sim.now)
		sim.run(end.Add(10 * time.Second))
		if wrong := sim.wrong(names); len(wrong) > 0 {
			sim.t.Fatalf("burst %d: %d wrong: %s", burst, len(wrong), wrong[0])
		}
	}
}

// Without changes there are few requests: now and then a blocking query for each
// watched service, and a refresh a minute for each other one, or fewer if there are
// many.
func TestScheduleIdles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		services, least, most int
		age                   time.Duration
	}{
		{60, 600, 1600, 80 * time.Second},     // 36 refreshed every 30 to 60 s, 26 queries that block for 45 s
		{200, 1700, 4400, 80 * time.Second},   // 176 refreshed every 30 to 60 s, 26 queries that block for 45 s
		{1000, 2600, 5200, 270 * time.Second}, // 976 refreshed every 125 to 250 s
	} {
		if testing.Short() && c.services > 60 {
			continue // the time grows with the square of the services
		}
		sim := newSimulation(t, 1, c.services, 24)
		names := simulatedNames(c.services)
		sim.schedule.want(names, sim.now)
		sim.run(sim.now.Add(30 * time.Second))
		if wrong := sim.wrong(names); len(wrong) > 0 {
			t.Fatal(wrong)
		}
		sim.asked = 0
		sim.run(sim.now.Add(10 * time.Minute))
		if sim.asked < c.least || sim.asked > c.most {
			t.Errorf("%d services: asked %d times in ten minutes", c.services, sim.asked)
		}
		for n, s := range sim.schedule.snapshot().Services {
			if age := sim.now.Sub(s.Seen); age > c.age {
				t.Errorf("%s was confirmed %v ago", n, age)
			}
		}
	}
}

// In an outage every query backs off. Afterwards, the first answer triggers all the
// others.
func TestScheduleRecoversAtOnce(t *testing.T) {
	t.Parallel()
	services, outage := 200, time.Hour
	if testing.Short() {
		services, outage = 50, 15*time.Minute
	}
	sim := newSimulation(t, 1, services, 24)
	names := simulatedNames(services)
	sim.schedule.want(names, sim.now)
	sim.run(sim.now.Add(10 * time.Second))
	sim.down = [2]time.Time{sim.now, sim.now.Add(outage)}
	for _, d := range sim.pending {
		sim.resolve(d)
	}
	sim.run(sim.down[1].Add(-10 * time.Minute))
	for n, s := range sim.schedule.snapshot().Services {
		if s.Stale == "" || len(s.Instances) != 1 {
			t.Fatalf("%s is %+v, want its instance, stale", n, s)
		}
	}
	sim.asked = 0
	sim.run(sim.down[1])
	if sim.asked < 5*services || sim.asked > 15*services+1200 { // each every 30 to 60 s, and the probe every half second
		t.Errorf("asked %d times in ten minutes of an outage", sim.asked)
	}
	for range 30 { // the first back-off to end, then all
		sim.run(sim.now.Add(time.Second))
		if len(sim.wrong(names)) < len(names) {
			sim.run(sim.now.Add(time.Second))
			if wrong := sim.wrong(names); len(wrong) > 0 {
				t.Errorf("a second after the first answer %d are not confirmed: %s", len(wrong), wrong[0])
			}
			return
		}
	}
	t.Error("no service was confirmed half a minute after the outage")
}

func TestScheduleWatchesRecentChanges(t *testing.T) {
	t.Parallel()
	sim := newSimulation(t, 1, 50, 4)
	names := simulatedNames(50)
	sim.schedule.want(names, sim.now)
	start := sim.now
	for i := range 40 { // s49 changes again and again
		next := sim.after(start.Add(time.Duration(10+i) * time.Second))
		next.checks = uint64(10 + i)
		next.services["s49"] = instance{present: true, status: []string{consul.Critical, consul.Passing}[i%2], port: 1, index: next.checks}
		sim.history = append(sim.history, next)
	}
	sim.run(start.Add(100 * time.Second))
	if svc := sim.schedule.services["s49"]; !svc.blocking || !svc.busy {
		t.Errorf("the service that changed last has no blocking query")
	}
}

// The service that changed last gets a blocking query, however many others have
// one. It takes the slot of the service that has not changed for longest, at a
// limited rate. That is not a failure, and is not logged.
func TestSchedulePreemptsQueries(t *testing.T) {
	t.Parallel()
	const services, maxWatched, changes = 60, 8, 200
	sim := newSimulation(t, 3, services, maxWatched)
	names := simulatedNames(services)
	sim.schedule.want(names, sim.now)
	sim.run(sim.now.Add(10 * time.Second))
	if sim.canceled > 0 {
		t.Errorf("%d queries preempted while nothing changed", sim.canceled)
	}
	for i := range changes { // in turn, so that no service keeps a slot
		n := names[i%services]
		next := sim.after(sim.now.Add(300 * time.Millisecond))
		next.checks++
		status := []string{consul.Warning, consul.Critical, consul.Passing}[i/services%3]
		next.services[n] = instance{present: true, status: status, port: 1, index: next.checks}
		sim.history = append(sim.history, next)
		for _, d := range sim.pending {
			sim.resolve(d)
		}
		sim.run(sim.now.Add(time.Second))
		if svc := sim.schedule.services[n]; !svc.busy || !svc.blocking {
			t.Fatalf("change %d: %s has no blocking query a moment later", i, n)
		}
	}
	if sim.canceled < changes/2 || sim.canceled > changes {
		t.Errorf("%d queries preempted for %d changes", sim.canceled, changes)
	}
	if len(sim.schedule.notes) > 0 {
		t.Errorf("logged %+v", sim.schedule.notes)
	}
	if limit := maxWatched + fetchConns + catalogConns; sim.greatest > limit {
		t.Errorf("%d queries at once, want at most %d", sim.greatest, limit)
	}
	sim.run(sim.now.Add(2 * time.Second))
	if wrong := sim.wrong(names); len(wrong) > 0 {
		t.Errorf("%d wrong: %s", len(wrong), wrong[0])
	}

	// All change at once: slots are preempted one by one, and not forever.
	sim.canceled = 0
	next := sim.after(sim.now.Add(10 * time.Millisecond))
	for n, i := range next.services {
		next.checks++
		i.status, i.index = consul.Critical, next.checks
		next.services[n] = i
	}
	sim.history = append(sim.history, next)
	for _, d := range sim.pending {
		sim.resolve(d)
	}
	sim.run(sim.now.Add(10 * time.Second))
	if sim.canceled > services {
		t.Errorf("%d queries preempted for one change of all", sim.canceled)
	}
	sim.canceled = 0
	sim.run(sim.now.Add(time.Minute))
	if sim.canceled > 0 {
		t.Errorf("%d queries preempted while nothing changed", sim.canceled)
	}
}

func TestScheduleForgetsTheUnwanted(t *testing.T) {
	t.Parallel()
	sim := newSimulation(t, 1, 30, 8)
	names := simulatedNames(30)
	sim.schedule.want(names, sim.now)
	sim.run(sim.now.Add(time.Second))
	watching := 0
	for _, svc := range sim.schedule.services {
		if svc.busy && svc.name != "s3" {
			watching++
		}
	}
	if watching == 0 {
		t.Fatal("no query under way")
	}
	sim.schedule.want([]lb.Name{"s3"}, sim.now)
	if canceled := len(sim.schedule.assign(sim.now).cancel); canceled < watching+2 {
		t.Errorf("%d of %d queries canceled", canceled, watching+2)
	}
	for i := range sim.pending { // they end with or without an answer
		if i%2 == 0 {
			sim.pending[i].state, sim.pending[i].err = nil, errors.New("context canceled")
		}
		sim.pending[i].at = sim.now
	}
	sim.run(sim.now.Add(time.Minute))
	if got := sim.schedule.snapshot().Services; len(got) != 1 || got["s3"].Stale != "" {
		t.Errorf("snapshot %v, want s3 alone and confirmed", got)
	}
	if sim.schedule.watching+sim.schedule.fetching > 1 {
		t.Errorf("%d and %d slots in use, want one", sim.schedule.watching, sim.schedule.fetching)
	}
}
