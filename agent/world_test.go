package agent_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/agent"
	"thalassa/haproxy"
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

	holder                    holder        // discovery's other side
	lacks                     string        // for changes at run time
	between                   func()        // called with the lock, between two steps of an Adjust
	emptied                   bool          // an operation has left no server in use
	forgets                   bool          // what nobody watches leaves the snapshot
	reload                    time.Duration // what one takes
	templateFile, persistence string
	jitter                    time.Duration
	chance                    func(time.Duration) time.Duration
	archive                   agent.Archive
	most                      int           // server lines that HAProxy can have; 0: any number
	lag                       time.Duration // from what Commit has stored to its return
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, reload: 50 * time.Millisecond, snapshot: lb.Snapshot{Services: map[lb.Name]lb.Service{}}, changed: make(chan struct{}, 1)}
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
		Intents: w, Source: w, HAProxy: w, Journal: w, Runtime: w, Memory: w, Holder: w.holder, Archive: w.archive,
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
	return w.snapshot
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

func (w *world) Check(_ context.Context, config []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full != nil {
		return w.full
	}
	if w.checkRefuses != "" && strings.Contains(string(config), w.checkRefuses) {
		return &lb.RefusedError{Stage: "check", Output: "[ALERT] refused by the check"}
	}
	return nil
}

func (w *world) Apply(ctx context.Context, config []byte, fingerprint string) (haproxy.Outcome, error) {
	if err := w.Check(ctx, config); err != nil {
		return haproxy.Outcome{}, err
	}
	w.mu.Lock()
	took := w.reload
	runs := w.running && w.down == nil && w.file == string(config) && fingerprint != "" && w.shown() == fingerprint
	w.mu.Unlock()
	if runs {
		return haproxy.Outcome{}, nil
	}
	pause(context.WithoutCancel(ctx), took)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.applies++
	if w.down != nil {
		return haproxy.Outcome{}, w.down
	}
	if w.startRefuses != "" && strings.Contains(string(config), w.startRefuses) {
		return haproxy.Outcome{}, &lb.RefusedError{Stage: "start", Output: "[ALERT] cannot bind"}
	}
	if w.idle && !w.running {
		w.file = string(config)
		return haproxy.Outcome{Idle: true}, nil
	}
	if n := len(serversIn(string(config))); w.most > 0 && n > w.most {
		return haproxy.Outcome{}, &lb.RefusedError{Stage: "start", Output: "[ALERT] [/usr/sbin/haproxy.main()] Cannot raise FD limit to 429, limit is 256."}
	}
	started := !w.running
	w.running = true
	w.worker++
	w.applied, w.file = append(w.applied, string(config)), string(config)
	w.servers = serversIn(string(config))
	return haproxy.Outcome{Started: started, Reloaded: !started, Duration: 50 * time.Millisecond}, nil
}

func (w *world) State(ctx context.Context) (haproxy.State, error) {
	w.mu.Lock()
	if d := w.look; d > 0 {
		w.mu.Unlock()
		pause(ctx, d)
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	return haproxy.State{Running: w.running, Answers: w.running, WorkerPID: w.worker, Fingerprint: w.shown(), Lacks: w.lacks}, w.unclear
}

// shown is the fingerprint of what runs.
func (w *world) shown() string {
	_, rest, _ := strings.Cut(w.loaded(), "description \"thalassa ")
	shown, _, _ := strings.Cut(rest, "\"")
	return shown
}

// loaded is the configuration that the worker started with.
func (w *world) loaded() string {
	if len(w.applied) == 0 {
		return ""
	}
	return w.applied[len(w.applied)-1]
}

// serversIn lists the servers of a configuration as HAProxy starts with them.
func serversIn(config string) []lb.ServerState {
	var out []lb.ServerState
	backend := ""
	for line := range strings.SplitSeq(config, "\n") {
		f := strings.Fields(line)
		if len(f) == 2 && f[0] == "backend" {
			backend = f[1]
		}
		if len(f) < 3 || f[0] != "server" {
			continue
		}
		s := lb.ServerState{Backend: lb.Name(backend), Server: f[1], Maintenance: slices.Contains(f, "disabled")}
		bind, err := lb.ParseBind(f[2])
		if err != nil {
			panic(err)
		}
		s.Address = lb.HostPort(bind)
		if _, err := fmt.Sscan(f[slices.Index(f, "weight")+1], &s.Weight); err != nil {
			panic(err)
		}
		out = append(out, s)
	}
	return out
}

func (w *world) Servers(context.Context) ([]lb.ServerState, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	return slices.Clone(w.servers), nil
}

func (w *world) Adjust(_ context.Context, about []lb.Name, decide func([]lb.ServerState) ([]lb.ServerOp, error)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deaf != nil {
		return w.deaf
	}
	w.adjusts++
	for range 4 {
		servers := slices.DeleteFunc(slices.Clone(w.servers), func(s lb.ServerState) bool { return !slices.Contains(about, s.Backend) })
		ops, err := decide(servers)
		if err != nil || len(ops) == 0 {
			return err
		}
		if err := w.operate(ops); err != nil {
			return err
		}
		if w.between != nil {
			w.between()
		}
	}
	return errors.New("servers are not as they should be")
}

func (w *world) operate(ops []lb.ServerOp) error {
	for _, op := range ops {
		i := slices.IndexFunc(w.servers, func(s lb.ServerState) bool { return s.Backend == op.Backend && s.Server == op.Server })
		if i < 0 {
			return errors.New("no such server")
		}
		s := &w.servers[i]
		if op.Address != nil {
			s.Address = *op.Address
		}
		if op.Weight != nil {
			s.Weight = *op.Weight
		}
		s.Maintenance = s.Maintenance && !op.Ready || op.Maintenance
		w.emptied = w.emptied || !slices.ContainsFunc(w.servers, func(s lb.ServerState) bool { return s.Backend == op.Backend && !s.Maintenance })
	}
	return nil
}

func (w *world) Intact() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.file == w.installed
}

func (w *world) Install(_ context.Context, config []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.file, w.installed, w.installs = string(config), string(config), w.installs+1
	return nil
}

// members lists the ports of the servers that are in use.
func members(servers []lb.ServerState) []string {
	var out []string
	for _, s := range servers {
		if !s.Maintenance {
			out = append(out, strconv.Itoa(int(s.Address.Port)))
		}
	}
	slices.Sort(out)
	return out
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
