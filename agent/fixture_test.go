package agent_test

import (
	"cmp"
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
	"thalassa/api/node"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// A fixture is everything around an agent, in memory, so that a test can say what
// Consul and HAProxy do and when.
type fixture struct {
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
	checkHangs                 string        // the check of such a configuration does not end
	down                       error         // every Apply fails
	unclear                    error         // every State fails
	full                       error         // every Check fails
	unwritable                 error         // every Commit but the first fails
	stuck, commitStuck         chan struct{} // every Load, every Commit waits for its end; nil: none does
	look                       time.Duration // what a State takes

	control        *lb.Control   // addresses of the node
	controlChanged chan struct{} // pokes

	holder                    holder        // discovery's other side
	lacks                     string        // for changes at run time
	fixed                     string        // why no server line is added at run time
	definition                string        // that put stores; "": shop
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
	keys                      agent.Keys
	checked                   int    // texts that HAProxy has checked
	passed                    string // the last one that it did not refuse
	most                      int    // server lines that HAProxy can have; 0: any number
	maxServers                int    // of the agent
	hasRoute                  func(lb.Host) bool
	hasLocal                  func(lb.LocalUse) bool
	lag                       time.Duration // from what Commit has stored to its return
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return &fixture{t: t, reload: 50 * time.Millisecond, snapshot: lb.Snapshot{Services: map[lb.Name]lb.Service{}}, changed: make(chan struct{}, 1), controlChanged: make(chan struct{}, 1)}
}

// run starts the agent in the test's bubble; it ends with the test.
func (fx *fixture) run() {
	fx.t.Helper()
	fx.t.Cleanup(fx.start())
}

// ready runs the agent with a backend in front of these instances of shop, and
// waits until HAProxy has it.
func (fx *fixture) ready(instances ...string) {
	fx.t.Helper()
	fx.consul("shop", 1, "", instances...)
	fx.run()
	if _, err := fx.put(); err != nil {
		fx.t.Fatal(err)
	}
}

// make makes an agent that does not run yet.
func (fx *fixture) make() {
	fx.t.Helper()
	a, err := agent.New(agent.Config{
		Intents: fx, Source: fx, HAProxy: fx, Journal: fx, Runtime: fx, Memory: fx, Holder: fx.holder, Archive: fx.archive, RawLines: fx.rawLines, Keys: fx.keys,
		Control: fx.controlNow, ControlChanged: fx.controlChanged,
		Drops:        func([]byte) (bool, error) { return fx.drops, nil },
		Process:      lb.Process{StatsSocket: "/run/h.sock", MaxConn: 100, HardStopAfter: time.Minute},
		TemplateFile: fx.templateFile, Persistence: fx.persistence, ReloadJitter: fx.jitter, Chance: fx.chance, MayBeIdle: fx.idle,
		MaxServers: fx.maxServers, HasRoute: fx.hasRoute, HasLocal: fx.hasLocal,
	})
	if err != nil {
		fx.t.Fatal(err)
	}
	fx.agent = a
}

// start starts an agent and returns what stops it.
func (fx *fixture) start() (stop func()) {
	fx.t.Helper()
	fx.make()
	return fx.begin()
}

// begin runs the agent that was made, and returns what stops it.
func (fx *fixture) begin() (stop func()) {
	fx.t.Helper()
	a := fx.agent
	ctx, cancel := context.WithCancel(fx.t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		if err := <-done; err != nil {
			fx.t.Errorf("the agent ended with %v", err)
		}
	}
}

// set changes the fixture.
func (fx *fixture) set(change func()) {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	change()
}

// hang waits while the disk of the store hangs.
func (fx *fixture) hang(on *chan struct{}) {
	fx.mu.Lock()
	stuck := *on
	fx.mu.Unlock()
	if stuck != nil {
		<-stuck
	}
}

func (fx *fixture) Load(context.Context) (lb.Intent, error) {
	fx.hang(&fx.stuck)
	fx.mu.Lock()
	defer fx.mu.Unlock()
	return fx.intent, nil
}

func (fx *fixture) Commit(ctx context.Context, base uint64, next lb.Intent, by lb.Origin) (lb.Revision, error) {
	revs, err := fx.CommitAll(ctx, base, []lb.Proposal{{Intent: next, Origin: by}})
	if err != nil {
		return lb.Revision{}, err
	}
	return revs[0], nil
}

func (fx *fixture) CommitAll(ctx context.Context, base uint64, proposals []lb.Proposal) ([]lb.Revision, error) {
	fx.hang(&fx.commitStuck)
	fx.mu.Lock()
	defer fx.mu.Unlock()
	if base != fx.intent.Revision {
		return nil, &lb.StaleRevisionError{Base: base, Current: fx.intent.Revision}
	}
	if fx.unwritable != nil && len(fx.revisions) > 0 {
		return nil, fx.unwritable
	}
	var out []lb.Revision
	for _, p := range proposals {
		rev := lb.Revision{Number: fx.intent.Revision, Origin: p.Origin, Changes: fx.intent.Changes(p.Intent)}
		if len(rev.Changes) > 0 {
			rev.Number++
			fx.intent = p.Intent
			fx.intent.Revision = rev.Number
			fx.revisions = append(fx.revisions, rev)
		}
		out = append(out, rev)
	}
	if fx.intent.Revision == base {
		return out, nil
	}
	fx.committed.Broadcast()
	if d := fx.lag; d > 0 {
		fx.mu.Unlock()
		pause(context.WithoutCancel(ctx), d)
		fx.mu.Lock()
	}
	return out, nil
}

func (fx *fixture) Wait(ctx context.Context, after uint64) error {
	for {
		next := fx.committed.Next()
		if in, err := fx.Load(ctx); err != nil || in.Revision > after {
			return err
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (fx *fixture) Want(names []lb.Name) {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	fx.wanted = names
	if !fx.forgets {
		return
	}
	services := map[lb.Name]lb.Service{}
	for name, s := range fx.snapshot.Services {
		if slices.Contains(names, name) {
			services[name] = s
		}
	}
	if len(services) < len(fx.snapshot.Services) {
		fx.snapshot = lb.Snapshot{Services: services}
		fx.poke()
	}
}

// poke says that the snapshot has changed.
func (fx *fixture) poke() {
	select {
	case fx.changed <- struct{}{}:
	default:
	}
}

func (fx *fixture) Snapshot() lb.Snapshot {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	snap := lb.Snapshot{Services: fx.snapshot.Services, Unanswered: map[lb.Name]string{}}
	for _, name := range fx.wanted {
		if _, known := snap.Services[name]; !known {
			snap.Unanswered[name] = ""
		}
	}
	return snap
}

func (fx *fixture) Changed() <-chan struct{} { return fx.changed }

func (fx *fixture) watched() string {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	return fmt.Sprint(fx.wanted)
}

// consul answers for a service: each instance is "VERSION PORT", or "VERSION
// PORT sick".
func (fx *fixture) consul(service string, index uint64, stale string, instances ...string) {
	s := lb.Service{Name: lb.Name(service), Index: index, Stale: stale}
	for _, text := range instances {
		f := strings.Fields(text)
		var port uint16
		if _, err := fmt.Sscan(f[1], &port); err != nil {
			fx.t.Fatal(err)
		}
		s.Instances = append(s.Instances, lb.Instance{
			ID: text, Address: lb.HostPort{Host: "127.0.0.1", Port: port}, Version: lb.Version(f[0]), Weight: 1, Healthy: len(f) == 2,
		})
	}
	fx.mu.Lock()
	services := map[lb.Name]lb.Service{s.Name: s}
	for name, other := range fx.snapshot.Services {
		if name != s.Name {
			services[name] = other
		}
	}
	fx.snapshot = lb.Snapshot{Services: services}
	fx.mu.Unlock()
	fx.poke()
}

func (fx *fixture) Flush(context.Context) error { return nil }

func (fx *fixture) Note(e activity.Event) {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	fx.events = append(fx.events, e)
}

func (fx *fixture) SaveSnapshot(_ context.Context, s lb.Snapshot) error {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	fx.saved = s
	return nil
}

// config is what HAProxy runs; attempts counts how often it was asked to run another.
func (fx *fixture) config() string {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	return fx.loaded()
}

func (fx *fixture) attempts() int {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	return fx.applies
}

func (fx *fixture) adjustments() int {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	return fx.adjusts
}

func (fx *fixture) readings() int {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	return fx.reads
}

func (fx *fixture) verbs() []activity.Verb {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	out := make([]activity.Verb, len(fx.events))
	for i, e := range fx.events {
		out[i] = e.Verb
	}
	return out
}

func (fx *fixture) count(verb activity.Verb) int {
	n := 0
	for _, v := range fx.verbs() {
		if v == verb {
			n++
		}
	}
	return n
}

// serves waits until nothing changes any more and checks that HAProxy has the ports as
// members, and no others, and the file on disk the same.
func (fx *fixture) serves(ports ...string) {
	fx.t.Helper()
	pause(fx.t.Context(), 2*time.Second)
	synctest.Wait()
	fx.mu.Lock()
	defer fx.mu.Unlock()
	if got := members(fx.servers); !slices.Equal(got, ports) {
		fx.t.Fatalf("HAProxy has the members %v, expected %v", got, ports)
	}
	if got := members(serversIn(fx.file)); !slices.Equal(got, ports) {
		fx.t.Fatalf("the file has the members %v, expected %v", got, ports)
	}
}

// put creates backend b of service shop in version 1.0.0.
func (fx *fixture) put() (lb.Applied, error) {
	b, err := node.ParseBackend("b", []byte(cmp.Or(fx.definition, shop)))
	if err != nil {
		fx.t.Fatal(err)
	}
	return fx.agent.Edit(fx.t.Context(), lb.Edit{Backend: &b, Origin: lb.Origin{Author: "ann", Cause: "PUT /backends/b"}})
}

// putNative creates a static backend with one raw line.
func (fx *fixture) putNative(key, native string) (lb.Applied, error) {
	b, err := node.ParseBackend(key, fmt.Appendf(nil, `{"type":"static","natives":[%q]}`, native))
	if err != nil {
		fx.t.Fatal(err)
	}
	return fx.agent.Edit(fx.t.Context(), lb.Edit{Backend: &b})
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
