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
		history: []state{{since: start.Add(-time.Hour), services: map[lb.Name]instance{}, node: consul.Passing, checks: 1, catalog: 1}},
	}
	w.schedule = &schedule{services: map[lb.Name]*service{}, hot: hot, random: w.random.Float64, policy: testPolicy}
	for _, n := range simulatedNames(services) {
		w.history[0].services[n] = instance{present: true, status: consul.Passing, port: 1, index: 1}
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
		states := []string{consul.Passing, consul.Warning, consul.Critical}
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
	for _, status := range []string{consul.Critical, consul.Passing} {
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
	case &w.schedule.probe:
		return 1
	case &w.schedule.catalog:
		return s.catalog
	}
	return s.services[t.service.name].index
}

func (w *world) answer(t task, s state, at time.Time) result {
	r := result{task: t, meta: consul.Meta{Index: w.indexOf(t, s), Leader: true}}
	switch t.query {
	case &w.schedule.checks, &w.schedule.critical:
		r.digests = newDigests(w.seed)
		add := func(c consul.Check) {
			if t.query == &w.schedule.checks || c.Status == consul.Critical {
				r.digests.add(c)
			}
		}
		add(consul.Check{Node: "n", CheckID: "up", Status: s.node})
		for n, i := range s.services {
			if i.present {
				add(consul.Check{Node: "n", CheckID: string(n), ServiceID: string(n), ServiceName: string(n), Status: i.status})
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
	case &w.schedule.probe:
		r.readable = true
	default:
		n := t.service.name
		var entries []*consul.Entry
		if i := s.services[n]; i.present {
			entries = []*consul.Entry{{
				Node:    &consul.Node{Node: "n", Address: "10.0.0.1"},
				Service: &consul.Service{ID: string(n), Port: int(i.port)},
				Checks:  []consul.Check{{Node: "n", CheckID: "up", Status: s.node}, {Node: "n", CheckID: string(n), ServiceID: string(n), ServiceName: string(n), Status: i.status}},
			}}
		}
		r.answer = answer{Meta: r.meta, asked: t.index, at: at}
		r.answer.instances, r.leftOut = parseInstances(entries, false)
		r.serviceDigest, r.nodes = digestOf(w.seed, n, entries)
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
