package nodes_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
	"thalassa/nodes"
	"thalassa/services"
)

// A machine has the services of a node as root would have them, and notes what is asked of it.
type machine struct {
	name string
	all  *machines

	mu      sync.Mutex
	running map[string]bool
	key     string
	broken  error
	looks   int
	holds   chan struct{} // not nil: services stop when it is closed

	membershipOf
}

// machines are those of a cluster, with what happened in order.
type machines struct {
	mu    sync.Mutex
	notes []string

	forgotten, syncing map[string]bool
}

func (a *machines) note(text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.notes = append(a.notes, text)
}

func (m *machine) State(context.Context) (map[string]services.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.looks++
	out := map[string]services.State{}
	for _, name := range services.Names() {
		var s services.State
		if m.running[name] {
			s = services.State{Running: true, Daemons: []string{name}}
		}
		out[name] = s
	}
	return out, nil
}

func (m *machine) set(ctx context.Context, to bool, name string) (map[string]services.State, error) {
	list := []string{name}
	if name == "" {
		list = services.Names()
	}
	m.mu.Lock()
	err := m.broken
	for _, name := range list {
		if err == nil {
			m.running[name] = to
			m.all.note(fmt.Sprintf("%s %s %t", m.name, name, to))
		}
	}
	m.mu.Unlock()
	s, _ := m.State(ctx)
	return s, err
}

func (m *machine) Start(ctx context.Context, name string) (map[string]services.State, error) {
	return m.set(ctx, true, name)
}

func (m *machine) Stop(ctx context.Context, name string) (map[string]services.State, error) {
	m.mu.Lock()
	holds := m.holds
	m.mu.Unlock()
	if holds != nil {
		<-holds
	}
	return m.set(ctx, false, name)
}

func (m *machine) Key(context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.key == "" {
		return nil, errors.New("there is no key")
	}
	return []byte(m.key), nil
}

// book knows where the agents are.
type book struct {
	self    string
	servers map[string]*httptest.Server
	former  map[string][]string // come first
}

func (b book) Self() string    { return b.self }
func (b book) Nodes() []string { return []string{"n1", "n2", "n3"} }

func (b book) URLs(node string) []string {
	if b.servers[node] == nil {
		return nil
	}
	return append(slices.Clone(b.former[node]), b.servers[node].URL)
}

// A fleet is the agents of three nodes, and the cluster as all of them see it.
type fleet struct {
	machines map[string]*machine
	servers  map[string]*httptest.Server
	crews    map[string]*nodes.Crew
	locals   map[string]*nodes.Local
	former   map[string][]string // addresses of agents at which nothing answers any more
	all      *machines
}

// view is the cluster: a node is online while Pacemaker runs there.
func (f *fleet) view(self string) cluster.Status {
	v := cluster.Status{Self: self, State: cluster.StateOffline}
	f.machines[self].mu.Lock()
	if f.machines[self].running[services.Pacemaker] {
		v.State = cluster.StateOK
	}
	f.machines[self].mu.Unlock()
	if v.State == cluster.StateOffline {
		return v // it sees nobody
	}
	v.Quorum = !f.all.is(f.all.forgotten, "quorum")
	for _, name := range []string{"n1", "n2", "n3"} {
		m := f.machines[name]
		if f.all.is(f.all.forgotten, name) {
			continue
		}
		m.mu.Lock()
		state := "offline"
		if m.unclean {
			state = "unclean"
		}
		if m.running[services.Pacemaker] && !m.unseen {
			state = "online"
		}
		m.mu.Unlock()
		v.Nodes = append(v.Nodes, cluster.Node{Name: name, State: state})
	}
	v.Resources = []cluster.Resource{{ID: "vip", Places: []cluster.Placement{{Node: "n1", State: "started"}}}}
	return v
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{machines: map[string]*machine{}, servers: map[string]*httptest.Server{}, crews: map[string]*nodes.Crew{}, locals: map[string]*nodes.Local{}, former: map[string][]string{}, all: &machines{forgotten: map[string]bool{}, syncing: map[string]bool{}}}
	names := []string{"n1", "n2", "n3"}
	for _, name := range names {
		f.machines[name] = &machine{name: name, all: f.all, running: map[string]bool{services.Corosync: true, services.Pacemaker: true}, key: "of the cluster"}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	log := slog.New(slog.DiscardHandler)
	for _, name := range names {
		local := nodes.NewLocal(f.machines[name], f.machines[name], func() string { return name }, time.Now, log)
		f.locals[name] = local
		f.servers[name] = httptest.NewTLSServer(answering(local))
		t.Cleanup(f.servers[name].Close)
		view := func() cluster.Status { return f.view(name) }
		f.crews[name] = nodes.New(nodes.Config{
			Local: local, Roster: book{name, f.servers, f.former}, View: view, Now: time.Now, Logger: log,
			Predict: func(context.Context, cluster.Action) (cluster.Consequences, error) {
				return cluster.Consequences{Actions: []cluster.Consequence{{Action: "move", Resource: "vip", From: "n1", Node: "n2"}}}, nil
			},
			Settled: func(context.Context, time.Duration) (cluster.Status, error) { return f.view(name), nil },
		})
		running.Go(func() { _ = local.Run(ctx) })
	}
	return f
}

// answering serves what other agents ask.
func answering(l *nodes.Local) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verb := strings.TrimPrefix(r.URL.Path, nodes.Path+"/")
		text, err := l.Challenge()
		if verb != "challenge" {
			body, _ := io.ReadAll(r.Body)
			text, _, _, err = l.Answer(r.Context(), verb, body)
		}
		if err != nil {
			status := http.StatusForbidden
			if errors.As(err, new(*lb.ConflictError)) { // as the API does
				status = http.StatusConflict
			}
			w.WriteHeader(status)
			text = fmt.Appendf(nil, `{"error":%q}`, err)
		}
		_, _ = w.Write(text)
	})
}

// carry carries an action out within a time.
func (f *fleet) carry(t *testing.T, through string, a cluster.Action, within time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := f.crews[through].Check(ctx, a); err != nil {
		return err
	}
	a.Wait = within
	_, err := f.crews[through].Carry(ctx, a, cluster.Job{ID: "job " + a.Kind, Begun: time.Now()})
	return err
}

// Corosync stops nowhere before Pacemaker has stopped everywhere, and both start again.
func TestShutdownAndStartup(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	if err := f.carry(t, "n1", cluster.Action{Kind: cluster.Shutdown, Author: "ann"}, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if len(f.all.notes) != 6 || slices.ContainsFunc(f.all.notes[:3], func(note string) bool { return !strings.HasSuffix(note, " pacemaker false") }) ||
		slices.ContainsFunc(f.all.notes[3:], func(note string) bool { return !strings.HasSuffix(note, " corosync false") }) {
		t.Errorf("order: %q", f.all.notes)
	}
	if err := f.crews["n2"].Look(t.Context(), cluster.Action{Kind: cluster.Shutdown}); err != nil {
		t.Error(err)
	}
	if err := f.crews["n2"].Look(t.Context(), cluster.Action{Kind: cluster.Startup, Node: "n2"}); err == nil || !strings.Contains(err.Error(), "n2: corosync is stopped; pacemaker is stopped") {
		t.Errorf("a look: %v", err)
	}
	if err := f.carry(t, "n3", cluster.Action{Kind: cluster.Startup}, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	for name := range f.machines {
		if s, _ := f.machines[name].State(t.Context()); !s[services.Corosync].Running || !s[services.Pacemaker].Running {
			t.Errorf("%s: %v", name, s)
		}
	}
}

// One node leaves while the others have quorum without it.
func TestOneNode(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	seen, commands, err := f.crews["n1"].Foresee(t.Context(), cluster.Action{Kind: cluster.Shutdown, Node: "n2"})
	if err != nil || len(commands) != 1 || strings.Join(seen.Text, "; ") != "will move vip from n1 to n2; will shut down node n2" {
		t.Errorf("%q, %q, %v", seen.Text, commands, err)
	}
	if err := f.carry(t, "n1", cluster.Action{Kind: cluster.Shutdown, Node: "n2"}, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if strings.Join(f.all.notes, ", ") != "n2 corosync false, n2 pacemaker false" {
		t.Errorf("order: %q", f.all.notes)
	}
	if _, _, err := f.crews["n1"].Foresee(t.Context(), cluster.Action{Kind: cluster.Shutdown, Node: "n3"}); err == nil || !strings.Contains(err.Error(), "1 of 3 nodes are left") {
		t.Errorf("without quorum: %v", err)
	}
	if _, _, err := f.crews["n1"].Foresee(t.Context(), cluster.Action{Kind: cluster.Shutdown, Node: "n4"}); err == nil {
		t.Error("there is a node n4")
	}
}

// A node that does not answer, or has another key, is named, and nothing happens anywhere.
func TestNodeThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lame    func(f *fleet)
		problem string
	}{
		"gone":        {func(f *fleet) { f.servers["n3"].Close() }, "n3: "},
		"no address":  {func(f *fleet) { f.servers["n3"] = nil }, "n3: its agent has told no address"},
		"other key":   {func(f *fleet) { f.machines["n3"].key = "another" }, "no seal of this cluster"},
		"no key here": {func(f *fleet) { f.machines["n1"].key = "" }, "there is no key"},
		"exchanged":   {func(f *fleet) { f.servers["n3"] = f.servers["n2"] }, "is the agent of \"n2\""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			tc.lame(f)
			err := f.carry(t, "n1", cluster.Action{Kind: cluster.Shutdown}, 2*time.Second)
			if err == nil || !strings.Contains(err.Error(), tc.problem) {
				t.Errorf("got %v, expected %q", err, tc.problem)
			}
			if len(f.all.notes) > 0 {
				t.Errorf("this has happened: %q", f.all.notes)
			}
		})
	}
}

// A node that is down, as the cluster sees it, is not waited for.
func TestNodeThatIsDownAlready(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.machines["n3"].running = map[string]bool{}
	f.servers["n3"].Close()
	if err := f.carry(t, "n1", cluster.Action{Kind: cluster.Shutdown}, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	for _, note := range f.all.notes {
		if strings.HasPrefix(note, "n3 ") {
			t.Errorf("this has happened: %s", note)
		}
	}
	if len(f.all.notes) != 4 {
		t.Errorf("order: %q", f.all.notes)
	}
}

// A node that cannot do what it is asked is named with the reason when the time is over. Its own
// Pacemaker runs, so that no corosync stops.
func TestNodeThatFails(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.machines["n2"].broken = errors.New("systemctl stop pacemaker: exit status 1")
	err := f.carry(t, "n1", cluster.Action{Kind: cluster.Shutdown}, 3*time.Second)
	if !cluster.IsKind(err, cluster.KindTimedOut) || !strings.Contains(err.Error(), "n2: corosync runs (corosync); pacemaker runs (pacemaker); systemctl stop pacemaker: exit status 1") ||
		strings.Contains(err.Error(), "n3: ") {
		t.Errorf("got %v", err)
	}
	for _, note := range f.all.notes {
		if strings.Contains(note, services.Corosync) {
			t.Errorf("this has happened: %s", note)
		}
	}
}

// An agent whose own node is not in the cluster cannot tell what the shutdown of another one does
// to it, and names one that can. Nothing happens.
func TestOneNodeThroughANodeThatIsDown(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.machines["n1"].running = map[string]bool{}
	for _, node := range []string{"n1", "n2"} {
		seen, _, err := f.crews["n1"].Foresee(t.Context(), cluster.Action{Kind: cluster.Shutdown, Node: node})
		if err == nil || !strings.Contains(err.Error(), "ask the agent of a node that is online (n2)") {
			t.Errorf("%s: foreseen %q, %v", node, seen.Text, err)
		}
	}
	for _, name := range []string{"n2", "n3"} {
		f.servers[name].Close()
	}
	if _, _, err := f.crews["n1"].Foresee(t.Context(), cluster.Action{Kind: cluster.Shutdown, Node: "n2"}); err == nil || strings.Contains(err.Error(), "(n") {
		t.Errorf("nobody answers: %v", err)
	}
	if _, _, err := f.crews["n1"].Foresee(t.Context(), cluster.Action{Kind: cluster.Shutdown}); err != nil {
		t.Errorf("what is left of the cluster: %v", err)
	}
	if len(f.all.notes) > 0 {
		t.Errorf("this has happened: %q", f.all.notes)
	}
}

// A node starts through an agent whose own node stays down, and never sees the cluster.
func TestStartupOfAnotherNodeWhileThisOneIsDown(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.machines["n1"].running, f.machines["n2"].running = map[string]bool{}, map[string]bool{}
	if err := f.carry(t, "n1", cluster.Action{Kind: cluster.Startup, Node: "n2"}, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if strings.Join(f.all.notes, ", ") != "n2 corosync true, n2 pacemaker true" {
		t.Errorf("order: %q", f.all.notes)
	}
}

// A cluster that was started again is not stopped by an older shutdown, whose agent has not heard
// of the startup, and a job whose time is over does nothing, whatever its agent believes.
func TestOldJobsDoNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.machines["n1"].running, f.machines["n2"].running = map[string]bool{}, map[string]bool{}
	begun := time.Now()
	if err := f.carry(t, "n1", cluster.Action{Kind: cluster.Startup, Node: "n2"}, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	before := len(f.all.notes)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := f.crews["n3"].Carry(ctx, cluster.Action{Kind: cluster.Shutdown, Node: "n2"}, cluster.Job{ID: "older", Begun: begun.Add(-time.Second)})
	if err == nil || !strings.Contains(err.Error(), "job job startup was begun after it, says the agent of n2") || ctx.Err() != nil {
		t.Errorf("an older job: %v", err)
	}
	short, end := context.WithTimeout(t.Context(), time.Second)
	defer end()
	_, err = f.crews["n3"].Carry(short, cluster.Action{Kind: cluster.Shutdown, Wait: time.Minute}, cluster.Job{ID: "over", Begun: begun.Add(-time.Hour)})
	if !cluster.IsKind(err, cluster.KindTimedOut) || !strings.Contains(err.Error(), "n3: job/over: its time was over at ") || !strings.Contains(err.Error(), " 409 ") && !strings.Contains(err.Error(), "n2: https://") {
		t.Errorf("a job that is over: %v", err)
	}
	if now := f.all.notes[before:]; len(now) > 0 {
		t.Errorf("this has happened: %q", now)
	}
}

// Whether an agent answers is asked each second while a job is open, and costs its node no look.
func TestAnswersWithoutALook(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	if !f.crews["n1"].Answers(t.Context(), "n2") || f.machines["n2"].looks > 0 {
		t.Errorf("n2 has looked %d times", f.machines["n2"].looks)
	}
	f.servers["n2"].Close()
	if f.crews["n1"].Answers(t.Context(), "n2") {
		t.Error("an agent that is gone answers")
	}
}

// Whether an agent is there is known after some seconds, also if it hangs: it takes the connection, and
// nothing answers there.
func TestAHungAgentIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	release := make(chan struct{})
	hangs := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(func() { close(release); hangs.Close() })
	f.servers["n3"] = hangs
	begun := time.Now()
	if err := f.crews["n1"].Check(t.Context(), cluster.Action{Kind: cluster.Shutdown}); err == nil || !strings.Contains(err.Error(), "n3: ") {
		t.Errorf("got %v, expected that n3 does not answer", err)
	}
	if took := time.Since(begun); took > 8*time.Second {
		t.Errorf("it was waited for %s", took)
	}
}
