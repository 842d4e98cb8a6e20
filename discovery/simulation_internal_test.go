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

	"thalassa/consul"
	"thalassa/lb"
)

// A state is a Consul between two changes.
type state struct {
	since    time.Time
	services map[lb.Name]instance
	node     string // status of the node's own check
	// checks and catalog are the indexes of the tables.
	checks, catalog uint64

	// What the queries over the whole catalog return; nil: not asked yet.
	all, critical *digests
	tags          map[string]uint64
}

// digestsOf returns the digests of all checks, or of the critical ones.
func (s *state) digestsOf(seed maphash.Seed, critical bool) *digests {
	cached := &s.all
	if critical {
		cached = &s.critical
	}
	if *cached != nil {
		return *cached
	}
	d := newDigests(seed)
	add := func(c consul.Check) {
		if !critical || c.Status == consul.Critical {
			d.add(c)
		}
	}
	add(consul.Check{Node: "n", CheckID: "up", Status: s.node})
	for n, i := range s.services {
		if i.present {
			add(consul.Check{Node: "n", CheckID: string(n), ServiceID: string(n), ServiceName: string(n), Status: i.status})
		}
	}
	*cached = d
	return d
}

// tagDigests returns the digests of the tags.
func (s *state) tagDigests(seed maphash.Seed) map[string]uint64 {
	if s.tags == nil {
		tags := map[string][]string{}
		for n, i := range s.services {
			if i.present {
				tags[string(n)] = nil
			}
		}
		s.tags = digestTags(seed, tags)
	}
	return s.tags
}

// An instance is the only one of its service.
type instance struct {
	present bool
	status  string
	port    uint16 // shows in neither checks nor tags
	index   uint64
}

// A simulation is a schedule with a Consul whose whole history is known in advance,
// requests that take time, and a simulated clock.
type simulation struct {
	t       *testing.T
	random  *rand.Rand
	seed    maphash.Seed
	history []*state
	down    [2]time.Time // no answers between these times
	// lag is how far behind the server is; negative: each request goes to another
	// server, with another lag.
	lag      time.Duration
	schedule *schedule
	now      time.Time
	pending  []*delivery
	greatest int // queries under way at once
	asked    int
	canceled int // queries
}

// A delivery is a request under way.
type delivery struct {
	task  task
	begun time.Time
	read  time.Time     // when it reaches the server
	back  time.Duration // of the response
	lag   time.Duration // of that server
	at    time.Time     // when the result arrives, as far as the future is known
	ended time.Time     // when it was canceled; zero: it was not
	state *state        // that the server answers with; nil: there is no answer, but err
	err   error
}

const simulatedWait = 45 * time.Second

func newSimulation(t *testing.T, seed uint64, services, maxWatched int) *simulation {
	t.Helper()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	sim := &simulation{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), seed: maphash.MakeSeed(), now: start, //nolint:gosec // to be repeated
		history: []*state{{since: start.Add(-time.Hour), services: map[lb.Name]instance{}, node: consul.Passing, checks: 1, catalog: 1}},
	}
	sim.schedule = &schedule{services: map[lb.Name]*service{}, maxWatched: maxWatched, random: sim.random.Float64, policy: testPolicy}
	for _, n := range simulatedNames(services) {
		sim.history[0].services[n] = instance{present: true, status: consul.Passing, port: 1, index: 1}
	}
	return sim
}

func simulatedNames(n int) []lb.Name {
	names := make([]lb.Name, n)
	for i := range names {
		names[i] = lb.Name("s" + strconv.Itoa(i))
	}
	return names
}

// change appends a random change to the history, or two that cancel out.
func (sim *simulation) change(at time.Time, names []lb.Name) time.Time {
	last := sim.history[len(sim.history)-1]
	next := sim.after(at)
	n := names[sim.random.IntN(len(names))]
	i := next.services[n]
	i.index = max(last.checks, last.catalog) + 1
	kind := sim.random.IntN(6)
	if sim.lag < 0 {
		kind = 2 + sim.random.IntN(4) // what shows in checks
	}
	switch kind {
	case 0:
		i.port++
		next.catalog = i.index
	case 1, 2:
		i.present = !i.present
		next.checks, next.catalog = i.index, i.index
	default:
		states := []string{consul.Passing, consul.Warning, consul.Critical}
		i.status = states[sim.random.IntN(len(states))]
		next.checks = i.index
	}
	next.services[n] = i
	sim.history = append(sim.history, next)
	if sim.random.IntN(4) == 0 {
		return sim.blink(at)
	}
	return at
}

// blink takes the node into maintenance and out of it.
func (sim *simulation) blink(at time.Time) time.Time {
	for _, status := range []string{consul.Critical, consul.Passing} {
		at = at.Add(time.Duration(1+sim.random.IntN(60)) * time.Millisecond)
		next := sim.after(at)
		next.node = status
		next.checks = max(next.checks, next.catalog) + 1
		for n, i := range next.services {
			i.index = next.checks
			next.services[n] = i
		}
		sim.history = append(sim.history, next)
	}
	return at
}

// after is a copy of the last state, to be changed.
func (sim *simulation) after(at time.Time) *state {
	last := sim.history[len(sim.history)-1]
	return &state{since: at, services: maps.Clone(last.services), node: last.node, checks: last.checks, catalog: last.catalog}
}

// at is the state at a time.
func (sim *simulation) at(t time.Time) *state {
	i, _ := slices.BinarySearchFunc(sim.history, t, func(s *state, t time.Time) int { return s.since.Compare(t) })
	if i == len(sim.history) || sim.history[i].since.After(t) {
		i--
	}
	return sim.history[i]
}

// since are the states that begin after a time.
func (sim *simulation) since(t time.Time) []*state {
	i, _ := slices.BinarySearchFunc(sim.history, t, func(s *state, t time.Time) int {
		if s.since.After(t) {
			return 1
		}
		return -1
	})
	return sim.history[i:]
}

// ask sends the request of a task.
func (sim *simulation) ask(t task) {
	short := func() time.Duration { return time.Duration(1+sim.random.IntN(15)) * time.Millisecond }
	d := &delivery{task: t, begun: sim.now, read: sim.now.Add(short()), back: short(), lag: sim.lag}
	if sim.lag < 0 {
		d.lag = time.Duration(sim.random.IntN(60)) * time.Millisecond
	}
	sim.resolve(d)
	sim.pending = append(sim.pending, d)
	sim.greatest = max(sim.greatest, len(sim.pending))
	sim.asked++
}

// cancel cancels the request of a query.
func (sim *simulation) cancel(q *query) {
	for _, d := range sim.pending {
		if d.task.query == q && d.ended.IsZero() {
			d.ended = sim.now
			sim.canceled++
			sim.resolve(d)
		}
	}
}

// resolve works out when the result of a request arrives, and which. It is repeated
// when more of the future is known.
func (sim *simulation) resolve(d *delivery) {
	read := d.read
	if d.task.index > 0 {
		read = sim.wake(d.task, read, d.lag)
	}
	d.at = read.Add(d.back)
	if d.at.After(sim.down[0]) && d.begun.Before(sim.down[1]) {
		d.at = d.begun.Add(d.back)
		if d.begun.Before(sim.down[0]) {
			d.at = sim.down[0].Add(d.back)
		}
		d.state, d.err = nil, errors.New("connection refused")
	} else {
		d.state, d.err = sim.at(read.Add(-d.lag)), nil
	}
	if at := d.ended.Add(d.back); !d.ended.IsZero() && at.Before(d.at) { // else the answer is faster
		d.at, d.state, d.err = at, nil, context.Canceled
	}
}

// result is what a request has returned.
func (sim *simulation) result(d *delivery) result {
	r := result{task: d.task, err: d.err}
	if d.state != nil {
		r = sim.answer(d.task, d.state, d.at)
	}
	r.took = d.at.Sub(d.begun)
	return r
}

// wake is when a blocking query is answered that reaches the server at read.
func (sim *simulation) wake(t task, read time.Time, lag time.Duration) time.Time {
	if sim.indexOf(t, sim.at(read.Add(-lag))) > t.index {
		return read
	}
	for _, s := range sim.since(read.Add(-lag)) {
		if !s.since.Add(lag).Before(read.Add(simulatedWait)) {
			break
		}
		if sim.indexOf(t, s) > t.index {
			return s.since.Add(lag)
		}
	}
	return read.Add(simulatedWait)
}

func (sim *simulation) indexOf(t task, s *state) uint64 {
	switch t.query {
	case &sim.schedule.catalog.checks, &sim.schedule.catalog.critical:
		return s.checks
	case &sim.schedule.probe:
		return 1
	case &sim.schedule.catalog.tags:
		return s.catalog
	}
	return s.services[t.service.name].index
}

func (sim *simulation) answer(t task, s *state, at time.Time) result {
	r := result{task: t, meta: consul.Meta{Index: sim.indexOf(t, s), Leader: true}}
	switch t.query {
	case &sim.schedule.catalog.checks, &sim.schedule.catalog.critical:
		r.digests = s.digestsOf(sim.seed, t.query == &sim.schedule.catalog.critical)
	case &sim.schedule.catalog.tags:
		r.tags = s.tagDigests(sim.seed)
	case &sim.schedule.probe:
		r.readable = true
	default:
		n := t.service.name
		var entries []*consul.Entry
		if i := s.services[n]; i.present {
			entries = []*consul.Entry{{
				Node:    &consul.Node{Node: "n", Address: "10.0.0.1"},
				Service: &consul.Service{ID: string(n), Port: int(i.port)},
				Checks:  reports(consul.Check{Node: "n", CheckID: "up", Status: s.node}, consul.Check{Node: "n", CheckID: string(n), ServiceID: string(n), ServiceName: string(n), Status: i.status}),
			}}
		}
		r.answer = answer{Meta: r.meta, asked: t.index, at: at}
		r.answer.instances, r.leftOut = parseInstances(entries, false)
		r.serviceDigest, r.nodes = digestOf(sim.seed, n, entries)
	}
	return r
}

// run advances the clock until end.
func (sim *simulation) run(end time.Time) {
	for {
		decided := sim.schedule.assign(sim.now)
		for _, q := range decided.cancel {
			sim.cancel(q)
		}
		for _, t := range decided.start {
			sim.ask(t)
		}
		next := decided.next
		if !next.After(sim.now) {
			sim.t.Fatal("the schedule wants to be called again at once")
		}
		slices.SortStableFunc(sim.pending, func(a, b *delivery) int { return a.at.Compare(b.at) })
		if len(sim.pending) > 0 && sim.pending[0].at.Before(next) {
			next = sim.pending[0].at
		}
		if next.After(end) {
			sim.now = end
			return
		}
		sim.now = next
		for len(sim.pending) > 0 && !sim.pending[0].at.After(sim.now) {
			d := sim.pending[0]
			sim.pending = sim.pending[1:]
			sim.schedule.apply(sim.result(d), sim.now)
		}
	}
}

// wrong lists the services whose known state differs from Consul's.
func (sim *simulation) wrong(names []lb.Name) []string {
	var out []string
	known := sim.schedule.snapshot().Services
	for _, n := range names {
		i := sim.history[len(sim.history)-1].services[n]
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
