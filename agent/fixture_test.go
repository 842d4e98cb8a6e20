package agent_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/agent"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// A world is everything around an agent, in memory, so that a test can say what
// Consul and HAProxy do and when.
type world struct {
	t     *testing.T
	agent *agent.Agent

	mu        sync.Mutex
	intent    lb.Intent
	revisions []lb.Revision
	committed wake.Signal
	snapshot  lb.Snapshot
	wanted    []lb.Name
	changed   chan struct{}
	events    []activity.Event
	saved     lb.Snapshot

	running   bool             // HAProxy's state
	idle      bool             // Pacemaker starts it
	drops     bool             // every configuration lacks what HAProxy has from an earlier run
	applied   []string         // configurations HAProxy took, in order
	applies   int              // attempts
	worker    int              // the process that serves
	servers   []lb.ServerState // as they stand in HAProxy
	reads     int              // of all servers
	adjusts   int              // changes at run time
	installs  int              // of the file on disk
	file      string           // on disk
	installed string           // the last one to come there by Install
	deaf      error            // every Adjust fails
	// check and start refuse configurations that hold these words.
	checkRefuses, startRefuses string
	down                       error         // every Apply fails
	unclear                    error         // every State fails
	full                       error         // every Check fails
	unwritable                 error         // every Commit but the first fails
	look                       time.Duration // what a State takes

	control        *lb.Control   // addresses of the node
	controlChanged chan struct{} // pokes

	holder                    holder        // discovery's other side
	lacks                     string        // for changes at run time
	lost                      string        // ways to HAProxy; each reload brings them back
	between                   func()        // called with the lock, between two steps of an Adjust
	emptied                   bool          // an operation has left no server in use
	forgets                   bool          // what nobody watches leaves the snapshot
	reload                    time.Duration // what one takes
	templateFile, persistence string
	jitter                    time.Duration
	chance                    func(time.Duration) time.Duration
	archive                   agent.Archive
	rawLines                  agent.RawLines
	checked                   int           // by HAProxy, before they are stored
	most                      int           // server lines that HAProxy can have; 0: any number
	lag                       time.Duration // from what Commit has stored to its return
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, reload: 50 * time.Millisecond, snapshot: lb.Snapshot{Services: map[lb.Name]lb.Service{}}, changed: make(chan struct{}, 1), controlChanged: make(chan struct{}, 1)}
}

// run starts the agent in the test's bubble; it ends with the test.
func (w *world) run() {
	w.t.Helper()
	w.t.Cleanup(w.start())
}

// ready runs the agent with a backend in front of these instances of shop, and
// waits until HAProxy has it.
func (w *world) ready(instances ...string) {
	w.t.Helper()
	w.consul("shop", 1, "", instances...)
	w.run()
	if _, err := w.put(); err != nil {
		w.t.Fatal(err)
	}
}

// make makes an agent that does not run yet.
func (w *world) make() {
	w.t.Helper()
	a, err := agent.New(agent.Config{
		Intents: w, Source: w, HAProxy: w, Journal: w, Runtime: w, Memory: w, Holder: w.holder, Archive: w.archive, RawLines: w.rawLines,
		Control: w.controlNow, ControlChanged: w.controlChanged,
		Drops:        func([]byte) (bool, error) { return w.drops, nil },
		Process:      lb.Process{StatsSocket: "/run/h.sock", MaxConn: 100, HardStopAfter: time.Minute},
		TemplateFile: w.templateFile, Persistence: w.persistence, ReloadJitter: w.jitter, Chance: w.chance, MayBeIdle: w.idle,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.agent = a
}

// start starts an agent and returns what stops it.
func (w *world) start() (stop func()) {
	w.t.Helper()
	w.make()
	return w.begin()
}

// begin runs the agent that was made, and returns what stops it.
func (w *world) begin() (stop func()) {
	w.t.Helper()
	a := w.agent
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("the agent ended with %v", err)
		}
	}
}

func (w *world) Load(context.Context) (lb.Intent, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.intent, nil
}

func (w *world) Commit(ctx context.Context, base uint64, next lb.Intent, by lb.Stamp) (lb.Revision, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if base != w.intent.Revision {
		return lb.Revision{}, &lb.StaleRevisionError{Base: base, Current: w.intent.Revision}
	}
	if w.unwritable != nil && len(w.revisions) > 0 {
		return lb.Revision{}, w.unwritable
	}
	changes, err := w.intent.Changes(next)
	if err != nil {
		return lb.Revision{}, err
	}
	if len(changes) == 0 {
		return lb.Revision{Number: base}, nil
	}
	next.Revision = base + 1
	w.intent = next
	rev := lb.Revision{Number: next.Revision, Stamp: by, Changes: changes}
	w.revisions = append(w.revisions, rev)
	w.committed.Broadcast()
	if d := w.lag; d > 0 {
		w.mu.Unlock()
		pause(context.WithoutCancel(ctx), d)
		w.mu.Lock()
	}
	return rev, nil
}

func (w *world) Wait(ctx context.Context, after uint64) error {
	for {
		next := w.committed.Next()
		if in, err := w.Load(ctx); err != nil || in.Revision > after {
			return err
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *world) Want(names []lb.Name) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted = names
	if !w.forgets {
		return
	}
	services := map[lb.Name]lb.Service{}
	for name, s := range w.snapshot.Services {
		if slices.Contains(names, name) {
			services[name] = s
		}
	}
	if len(services) < len(w.snapshot.Services) {
		w.snapshot = lb.Snapshot{Services: services}
		w.poke()
	}
}

// poke tells that the snapshot has changed.
func (w *world) poke() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *world) Snapshot() lb.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	snap := lb.Snapshot{Services: w.snapshot.Services, Unanswered: map[lb.Name]string{}}
	for _, name := range w.wanted {
		if _, known := snap.Services[name]; !known {
			snap.Unanswered[name] = ""
		}
	}
	return snap
}

func (w *world) Changed() <-chan struct{} { return w.changed }

func (w *world) watched() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprint(w.wanted)
}

// consul answers for a service: each instance is "VERSION PORT", or "VERSION
// PORT sick".
func (w *world) consul(service string, index uint64, stale string, instances ...string) {
	s := lb.Service{Name: lb.Name(service), Index: index, Stale: stale}
	for _, text := range instances {
		f := strings.Fields(text)
		var port uint16
		if _, err := fmt.Sscan(f[1], &port); err != nil {
			w.t.Fatal(err)
		}
		s.Instances = append(s.Instances, lb.Instance{
			ID: text, Address: lb.HostPort{Host: "127.0.0.1", Port: port}, Version: lb.Version(f[0]), Weight: 1, Healthy: len(f) == 2,
		})
	}
	w.mu.Lock()
	services := map[lb.Name]lb.Service{s.Name: s}
	for name, other := range w.snapshot.Services {
		if name != s.Name {
			services[name] = other
		}
	}
	w.snapshot = lb.Snapshot{Services: services}
	w.mu.Unlock()
	w.poke()
}

func (w *world) Flush(context.Context) error { return nil }

func (w *world) Note(e activity.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

func (w *world) SaveSnapshot(_ context.Context, s lb.Snapshot) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.saved = s
	return nil
}

// config is what HAProxy runs; attempts how often it was asked to run another.
func (w *world) config() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.loaded()
}

func (w *world) attempts() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.applies
}

func (w *world) adjustments() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.adjusts
}

func (w *world) readings() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reads
}

func (w *world) verbs() []activity.Verb {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]activity.Verb, len(w.events))
	for i, e := range w.events {
		out[i] = e.Verb
	}
	return out
}

func (w *world) count(verb activity.Verb) int {
	n := 0
	for _, v := range w.verbs() {
		if v == verb {
			n++
		}
	}
	return n
}

// serves waits until all is quiet and tells whether HAProxy has the ports as
// members, and no others, and the file on disk the same.
func (w *world) serves(ports ...string) {
	w.t.Helper()
	pause(w.t.Context(), 2*time.Second)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if got := members(w.servers); !slices.Equal(got, ports) {
		w.t.Fatalf("HAProxy has the members %v, expected %v", got, ports)
	}
	if got := members(serversIn(w.file)); !slices.Equal(got, ports) {
		w.t.Fatalf("the file has the members %v, expected %v", got, ports)
	}
}

// put creates backend b of service shop in version 1.0.0.
func (w *world) put() (lb.Applied, error) {
	b, err := lb.ParseBackend("b", []byte(`{"type":"dynamic","name":"shop","version":"1.0.0"}`))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.agent.Edit(w.t.Context(), lb.Edit{Backend: &b, Stamp: lb.Stamp{Author: "ann", Cause: "PUT /backends/b"}})
}

// putNative creates a static backend with one raw line.
func (w *world) putNative(key, native string) (lb.Applied, error) {
	b, err := lb.ParseBackend(key, fmt.Appendf(nil, `{"type":"static","natives":[%q]}`, native))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.agent.Edit(w.t.Context(), lb.Edit{Backend: &b})
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func refused(err error) bool {
	_, ok := errors.AsType[*lb.RefusedError](err)
	return ok
}
