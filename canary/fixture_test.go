package canary_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/canary"
	"thalassa/lb"
)

// A fixture is an agent with its store, a HAProxy and the traffic through it, in memory.
// It is used in a synctest bubble, while a canary is under way only by the canary.
type fixture struct {
	t *testing.T

	backend lb.Backend // no Key: it does not exist

	healthy map[string]int      // instances of each version
	nature  map[string]behavior // of each version
	lines   map[string]*counter // by version: its instances share one
	traffic time.Time           // was worked off until then
	rate    int                 // requests a second

	asked    int                                // switches
	onSwitch map[int]func(applied func()) error // instead of the n-th switch; applied does it
	onRead   map[int]func() error               // before the n-th reading of counters
	onSave   func(lb.CanaryState)
	reads    int
	away     time.Time // no answer until then
	appears  time.Time // when the first instance of version 2 is there
	pending  string    // why switches do not take effect

	mu     sync.Mutex // guards what callers of actions note and store, too
	stored map[lb.Name]lb.CanaryState
	events []activity.Event
	seen   func() time.Time                           // of Consul's answer; now
	permit func(author string, backend lb.Name) error // nil: everybody may deploy
}

// behavior is how a version's members answer.
type behavior struct {
	bad    int // of 100 requests get a 503
	broken int // of 100 get no answer
	ms     float64
	status string // of HAProxy's check; UP
}

// bubble runs a test with a fixture of its own, and a clock that costs nothing.
func bubble(t *testing.T, f func(w *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newFixture(t)) })
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return &fixture{
		t: t, rate: 100, traffic: time.Now(),
		backend:  lb.Backend{Key: "live", Type: "dynamic", Service: "shop", Version: "1", Balance: "roundrobin", Mode: "http"},
		healthy:  map[string]int{"1": 3, "2": 3},
		nature:   map[string]behavior{"1": {ms: 5}, "2": {ms: 5}},
		lines:    map[string]*counter{},
		onSwitch: map[int]func(func()) error{}, onRead: map[int]func() error{},
		stored: map[lb.Name]lb.CanaryState{},
		seen:   time.Now,
	}
}

// change is a change of the definition.
func (w *fixture) change(f func(*lb.Backend)) {
	w.work()
	f(&w.backend)
}

// split is what the traffic goes to.
func (w *fixture) split() lb.Split {
	return slices.DeleteFunc(slices.Clone(w.backend.Split()), func(s lb.Share) bool { return s.Weight == 0 || w.healthy[string(s.Version)] == 0 })
}

func (w *fixture) line(version string) *counter {
	if w.lines[version] == nil {
		w.lines[version] = &counter{ServerStats: lb.ServerStats{Server: "s" + version}}
	}
	return w.lines[version]
}

// work sends the requests of the time that has passed.
func (w *fixture) work() {
	passed := time.Since(w.traffic)
	w.traffic = time.Now()
	total := 0
	for _, s := range w.split() {
		total += s.Weight
	}
	for _, s := range w.split() {
		n, c := w.nature[string(s.Version)], w.line(string(s.Version))
		requests := int(passed.Seconds()*float64(w.rate)) * s.Weight / total
		for i := range requests {
			switch {
			case i%100 < n.bad:
				c.respond(503, n.ms)
			case i%100 < n.bad+n.broken:
				c.Requests++
				c.ResponseErrors++
			default:
				c.respond(200, n.ms)
			}
		}
	}
}

// address is that of an instance.
func address(version string, i int) lb.HostPort {
	return lb.HostPort{Host: lb.Host("10.0.0." + strconv.Itoa(len(version)+i+1)), Port: uint16(9000 + int(version[len(version)-1]))}
}

func (w *fixture) absent() error {
	if time.Now().Before(w.away) {
		return &lb.UnavailableError{What: "nobody answers"}
	}
	return nil
}

// Intent is the backend, if it exists.
func (w *fixture) Intent(ctx context.Context) (lb.Intent, error) {
	in := lb.Intent{Backends: map[lb.Name]lb.Backend{}}
	if w.backend.Key != "" {
		in.Backends[w.backend.Key] = w.backend
	}
	return in, errors.Join(ctx.Err(), w.absent())
}

// Snapshot is the healthy instances.
func (w *fixture) Snapshot() lb.Snapshot {
	s := lb.Service{Name: "shop", Seen: w.seen()}
	for version, n := range w.healthy {
		for i := range n {
			s.Instances = append(s.Instances, lb.Instance{Address: address(version, i), Version: lb.Version(version), Healthy: true, Weight: 1})
		}
	}
	return lb.Snapshot{Services: map[lb.Name]lb.Service{"shop": s}}
}

// Stats reads the counters.
func (w *fixture) Stats(ctx context.Context, _ lb.Name) ([]lb.ServerStats, error) {
	w.work()
	w.reads++
	if f := w.onRead[w.reads]; f != nil {
		if err := f(); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(ctx.Err(), w.absent()); err != nil {
		return nil, err
	}
	var list []lb.ServerStats
	for version, n := range w.healthy {
		for i := range n {
			s := w.line(version).ServerStats
			if i > 0 { // the first has it all
				s = lb.ServerStats{Server: fmt.Sprint("s", version, i)}
			}
			s.Address, s.Status = address(version, i), "UP"
			if status := w.nature[version].status; status != "" {
				s.Status = status
			}
			list = append(list, s)
		}
	}
	return list, nil
}

// Switch checks the condition and health, and changes the versions.
func (w *fixture) Switch(ctx context.Context, s lb.Switch) (lb.Applied, error) {
	w.work()
	w.asked++
	applied := lb.Applied{Applied: w.pending == "", Path: "runtime", Reason: w.pending, Revision: uint64(w.asked), Duration: 2 * time.Millisecond}
	in, err := w.Intent(context.WithoutCancel(ctx))
	if err != nil {
		return lb.Applied{}, err
	}
	next, err := in.Switched(s)
	if err != nil {
		return lb.Applied{}, err
	}
	do := func() { w.change(func(b *lb.Backend) { *b = next }) }
	if f := w.onSwitch[w.asked]; f != nil {
		return applied, f(do)
	}
	if len(s.IfMatch) > 0 && !slices.Contains(s.IfMatch, w.backend.ETag()) {
		return lb.Applied{}, &lb.PreconditionError{ID: "backend/live", Current: w.backend.ETag()}
	}
	for end := time.Now().Add(s.Wait); ; {
		missing := w.missing(next.Split())
		if missing == "" {
			break
		}
		if err := ctx.Err(); err != nil {
			return lb.Applied{}, err
		}
		if !time.Now().Before(end) {
			return lb.Applied{}, &lb.ConflictError{ID: "backend/live", Reason: "version " + missing + " of service shop has no healthy instance"}
		}
		<-time.After(100 * time.Millisecond)
	}
	do()
	return applied, nil
}

func (w *fixture) missing(split lb.Split) string {
	if !w.appears.IsZero() && !time.Now().Before(w.appears) {
		w.healthy["2"] = 1
	}
	for _, v := range split.Active() {
		if w.healthy[string(v)] == 0 {
			return string(v)
		}
	}
	return ""
}

// SaveCanary keeps a state.
func (w *fixture) SaveCanary(_ context.Context, s lb.CanaryState) error {
	w.mu.Lock()
	w.stored[s.Backend] = s
	w.mu.Unlock()
	if w.onSave != nil {
		w.onSave(s)
	}
	return nil
}

// DeleteCanary forgets a state.
func (w *fixture) DeleteCanary(_ context.Context, backend lb.Name) error {
	delete(w.stored, backend)
	return nil
}

// Canaries lists the states.
func (w *fixture) Canaries(context.Context) ([]lb.CanaryState, error) {
	var list []lb.CanaryState
	for _, s := range w.stored {
		list = append(list, s)
	}
	return list, nil
}

// Note keeps an event.
func (w *fixture) Note(e activity.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// verbs are those of the events.
func (w *fixture) verbs() string {
	var out []activity.Verb
	for _, e := range w.events {
		out = append(out, e.Verb)
	}
	return fmt.Sprint(out)
}

// runner makes the Runner of an agent.
func (w *fixture) runner() *canary.Runner {
	w.t.Helper()
	r, err := canary.New(w.t.Context(), canary.Config{Node: w, Store: w, Journal: w, Stats: w.Stats, Permit: w.permit, Interval: 2 * time.Second})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// request is a canary of version 2 in four steps of a minute each.
func (w *fixture) request(adjust ...func(*lb.Canary)) lb.Canary {
	w.t.Helper()
	abortOn, err := lb.ParseCanaryConditions("5xx>1%,errors>2%,rtime>500ms")
	if err != nil {
		w.t.Fatal(err)
	}
	c := lb.Canary{
		Backend: "live", Version: "2", Steps: []int{5, 25, 50, 100}, Every: time.Minute, MinRequests: 20, AbortOn: abortOn,
		Origin: lb.Origin{Author: "ann"},
	}
	for _, a := range adjust {
		a(&c)
	}
	return c
}

// deploy makes a canary and waits for its end.
func (w *fixture) deploy(ctx context.Context, adjust ...func(*lb.Canary)) (lb.CanaryState, error) {
	w.t.Helper()
	r := w.runner() //nolint:contextcheck // it lives as long as the test
	w.running(r)    //nolint:contextcheck // as long as the test
	if s, err := r.Start(ctx, w.request(adjust...)); err != nil {
		return s, err
	}
	return w.await(r, lb.CanaryPhase.IsEnd), nil
}

// running runs a Runner until stop is called, at the latest to the end of the test.
func (w *fixture) running(r *canary.Runner) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	stop = func() { cancel(); <-done }
	w.t.Cleanup(stop)
	return stop
}

// await waits for a phase.
func (w *fixture) await(r *canary.Runner, reached func(lb.CanaryPhase) bool) lb.CanaryState {
	w.t.Helper()
	for {
		next := r.Changed()
		s, err := r.Canary("live")
		if err != nil {
			w.t.Fatal(err)
		}
		if reached(s.Phase) {
			return s
		}
		<-next
	}
}

// stands demands which versions the backend is at.
func (w *fixture) stands(selection string) {
	w.t.Helper()
	if got := w.backend.Selection(); got != selection {
		w.t.Errorf("the backend is at %s, want %s; %s", got, selection, w.verbs())
	}
}

// aborted demands that a canary has gone back, for a reason.
func aborted(t *testing.T, s lb.CanaryState, err error, percent int, reason string) {
	t.Helper()
	if err != nil || s.Phase != lb.CanaryBack || s.Percent != percent || !contains(s.Reason, reason) {
		t.Fatalf("%v, %s at %d%% because %s, want a way back at %d%% because %s", err, s.Phase, s.Percent, s.Reason, percent, reason)
	}
}
