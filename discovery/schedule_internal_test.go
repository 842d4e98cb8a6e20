package discovery

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"thalassa/lb"
)

// A state is a Consul between two changes.
type state struct {
	since    time.Time
	services map[lb.Name]instance
	node     string // status of the node's own check
	// checks and catalog are the indexes of the tables.
	checks, catalog uint64
}

// An instance is the only one of its service.
type instance struct {
	present bool
	status  string
	port    uint16 // shows in neither checks nor tags
	index   uint64
}

// A world is a Consul whose whole history is known in advance, queries that
// take their time, and a clock that jumps.
type world struct {
	t       *testing.T
	random  *rand.Rand
	seed    maphash.Seed
	history []state
	down    [2]time.Time // no answers in between
	// lag is how far the server that is asked is behind; negative: another one,
	// further behind or less, is asked each time.
	lag      time.Duration
	schedule *schedule
	now      time.Time
	pending  []*delivery
	greatest int // queries under way at once
	asked    int
	canceled int // queries
}

// A delivery is a query under way.
type delivery struct {
	task  task
	begun time.Time
	read  time.Time     // when it reaches the server
	back  time.Duration // from there
	lag   time.Duration // of that server
	at    time.Time     // when the result arrives, as far as the future is known
	ended time.Time     // when it was canceled; zero: it was not
	result
}

const simulatedWait = 45 * time.Second

func newWorld(t *testing.T, seed uint64, services, hot int) *world {
	t.Helper()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := &world{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), seed: maphash.MakeSeed(), now: start, //nolint:gosec // to be repeated
		history: []state{{since: start.Add(-time.Hour), services: map[lb.Name]instance{}, node: api.HealthPassing, checks: 1, catalog: 1}},
	}
	w.schedule = &schedule{services: map[lb.Name]*service{}, hot: hot, random: w.random.Float64, policy: testPolicy}
	for _, n := range simulatedNames(services) {
		w.history[0].services[n] = instance{present: true, status: api.HealthPassing, port: 1, index: 1}
	}
	return w
}

func simulatedNames(n int) []lb.Name {
	names := make([]lb.Name, n)
	for i := range names {
		names[i] = lb.Name("s" + strconv.Itoa(i))
	}
	return names
}

// change appends one random change to the history, or two that undo each other.
func (w *world) change(at time.Time, names []lb.Name) time.Time {
	last := w.history[len(w.history)-1]
	next := w.after(at)
	n := names[w.random.IntN(len(names))]
	i := next.services[n]
	i.index = max(last.checks, last.catalog) + 1
	kind := w.random.IntN(6)
	if w.lag < 0 {
		kind = 2 + w.random.IntN(4) // what shows in checks
	}
	switch kind {
	case 0:
		i.port++
		next.catalog = i.index
	case 1, 2:
		i.present = !i.present
		next.checks, next.catalog = i.index, i.index
	default:
		states := []string{api.HealthPassing, api.HealthWarning, api.HealthCritical}
		i.status = states[w.random.IntN(len(states))]
		next.checks = i.index
	}
	next.services[n] = i
	w.history = append(w.history, next)
	if w.random.IntN(4) == 0 {
		return w.blink(at)
	}
	return at
}

// blink takes the node into maintenance and out of it.
func (w *world) blink(at time.Time) time.Time {
	for _, status := range []string{api.HealthCritical, api.HealthPassing} {
		at = at.Add(time.Duration(1+w.random.IntN(60)) * time.Millisecond)
		next := w.after(at)
		next.node = status
		next.checks = max(next.checks, next.catalog) + 1
		for n, i := range next.services {
			i.index = next.checks
			next.services[n] = i
		}
		w.history = append(w.history, next)
	}
	return at
}

// after is a copy of the last state.
func (w *world) after(at time.Time) state {
	next := w.history[len(w.history)-1]
	next.since, next.services = at, maps.Clone(next.services)
	return next
}

// at is the state at a moment, as a server knows it that is a little behind.
func (w *world) at(t time.Time) state {
	i, _ := slices.BinarySearchFunc(w.history, t, func(s state, t time.Time) int { return s.since.Compare(t) })
	if i == len(w.history) || w.history[i].since.After(t) {
		i--
	}
	return w.history[i]
}

// ask sends the query of a task.
func (w *world) ask(t task) {
	short := func() time.Duration { return time.Duration(1+w.random.IntN(15)) * time.Millisecond }
	d := &delivery{task: t, begun: w.now, read: w.now.Add(short()), back: short(), lag: w.lag}
	if w.lag < 0 {
		d.lag = time.Duration(w.random.IntN(60)) * time.Millisecond
	}
	w.resolve(d)
	t.query.cancel = func() {
		if d.ended.IsZero() {
			d.ended = w.now
			w.canceled++
			w.resolve(d)
		}
	}
	w.pending = append(w.pending, d)
	w.greatest = max(w.greatest, len(w.pending))
	w.asked++
}

// resolve works out when the result of a query arrives, and which. It is done
// again when more of the future is known.
func (w *world) resolve(d *delivery) {
	read := d.read
	if d.task.index > 0 {
		read = w.wake(d.task, read, d.lag)
	}
	d.at = read.Add(d.back)
	if d.at.After(w.down[0]) && d.begun.Before(w.down[1]) {
		d.at = d.begun.Add(d.back)
		if d.begun.Before(w.down[0]) {
			d.at = w.down[0].Add(d.back)
		}
		d.result = result{task: d.task, err: errors.New("connection refused")}
	} else {
		d.result = w.answer(d.task, w.at(read.Add(-d.lag)), d.at)
	}
	if at := d.ended.Add(d.back); !d.ended.IsZero() && at.Before(d.at) { // else the answer is faster
		d.at, d.result = at, result{task: d.task, err: context.Canceled}
	}
	d.took = d.at.Sub(d.begun)
}

// wake is when a blocking query is answered that reaches the server at read.
func (w *world) wake(t task, read time.Time, lag time.Duration) time.Time {
	if w.indexOf(t, w.at(read.Add(-lag))) > t.index {
		return read
	}
	for _, s := range w.history {
		if seen := s.since.Add(lag); seen.After(read) && seen.Before(read.Add(simulatedWait)) && w.indexOf(t, s) > t.index {
			return seen
		}
	}
	return read.Add(simulatedWait)
}

func (w *world) indexOf(t task, s state) uint64 {
	switch t.query {
	case &w.schedule.checks, &w.schedule.critical:
		return s.checks
	case &w.schedule.canary:
		return 1
	case &w.schedule.catalog:
		return s.catalog
	}
	return s.services[t.service.name].index
}

func (w *world) answer(t task, s state, at time.Time) result {
	r := result{task: t, meta: meta{index: w.indexOf(t, s), leader: true}}
	switch t.query {
	case &w.schedule.checks, &w.schedule.critical:
		r.view = newView(w.seed)
		add := func(c check) {
			if t.query == &w.schedule.checks || c.Status == api.HealthCritical {
				r.view.add(c)
			}
		}
		add(check{Node: "n", CheckID: "up", Status: s.node})
		for n, i := range s.services {
			if i.present {
				add(check{Node: "n", CheckID: string(n), ServiceID: string(n), ServiceName: string(n), Status: i.status})
			}
		}
	case &w.schedule.catalog:
		tags := map[string][]string{}
		for n, i := range s.services {
			if i.present {
				tags[string(n)] = nil
			}
		}
		r.tags = digestTags(w.seed, tags)
	case &w.schedule.canary:
		r.seen = true
	default:
		n := t.service.name
		var entries []*api.ServiceEntry
		if i := s.services[n]; i.present {
			entries = []*api.ServiceEntry{{
				Node:    &api.Node{Node: "n", Address: "10.0.0.1"},
				Service: &api.AgentService{ID: string(n), Service: string(n), Port: int(i.port)},
				Checks:  api.HealthChecks{{Node: "n", CheckID: "up", Status: s.node}, {Node: "n", CheckID: string(n), ServiceID: string(n), ServiceName: string(n), Status: i.status}},
			}}
		}
		r.answer = answer{meta: r.meta, asked: t.index, at: at}
		r.answer.instances, r.leftOut = parseInstances(entries, false)
		r.narrow, r.nodes = viewOf(w.seed, n, entries)
	}
	return r
}

// run lets the clock go on until end.
func (w *world) run(end time.Time) {
	for {
		tasks, next := w.schedule.assign(w.now)
		for _, t := range tasks {
			w.ask(t)
		}
		if !next.After(w.now) {
			w.t.Fatal("the schedule asks to be called again at once")
		}
		slices.SortStableFunc(w.pending, func(a, b *delivery) int { return a.at.Compare(b.at) })
		if len(w.pending) > 0 && w.pending[0].at.Before(next) {
			next = w.pending[0].at
		}
		if next.After(end) {
			w.now = end
			return
		}
		w.now = next
		for len(w.pending) > 0 && !w.pending[0].at.After(w.now) {
			r := w.pending[0].result
			w.pending = w.pending[1:]
			w.schedule.apply(r, w.now)
		}
	}
}

// wrong lists the services that are not known as they are.
func (w *world) wrong(names []lb.Name) []string {
	var out []string
	known := w.schedule.snapshot().Services
	for _, n := range names {
		i := w.history[len(w.history)-1].services[n]
		got := known[n]
		want := "[]"
		if i.present {
			want = fmt.Sprint("[", i.port, " ", i.status, "]") // the node passes in the end
		}
		have := "[]"
		if len(got.Instances) > 0 {
			have = fmt.Sprint("[", got.Instances[0].Address.Port, " ", got.Instances[0].Status, "]")
		}
		if have != want || got.Stale != "" {
			out = append(out, fmt.Sprintf("%s is %s %q, want %s", n, have, got.Stale, want))
		}
	}
	return out
}

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
					if limit := hot + fetchConns + wideConns; w.greatest > limit {
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
// for each hot service, a sweep a minute for each cold one.
func TestScheduleRestsInPeace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 200, 24)
	names := simulatedNames(200)
	w.schedule.want(names, w.now)
	w.run(w.now.Add(30 * time.Second))
	if wrong := w.wrong(names); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	w.asked = 0
	w.run(w.now.Add(10 * time.Minute))
	// 176 cold ones every 30 to 60 s, 26 queries that block for 45 s.
	if w.asked < 1700 || w.asked > 4400 {
		t.Errorf("asked %d times in ten minutes", w.asked)
	}
	for n, s := range w.schedule.snapshot().Services {
		if age := w.now.Sub(s.Seen); age > 80*time.Second {
			t.Errorf("%s was confirmed %v ago", n, age)
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
		next.services["s49"] = instance{present: true, status: []string{api.HealthCritical, api.HealthPassing}[i%2], port: 1, index: next.checks}
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
		status := []string{api.HealthWarning, api.HealthCritical, api.HealthPassing}[i/services%3]
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
	if limit := hot + fetchConns + wideConns; w.greatest > limit {
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
		i.status, i.index = api.HealthCritical, next.checks
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
