package drafts_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/cluster/config"
	"thalassa/drafts"
	"thalassa/internal/wake"
)

// A disk keeps the documents of an agent, also over its death.
type disk struct {
	mu           sync.Mutex
	drafts, ends map[string][]byte
	state        []byte
}

func (d *disk) copy() *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &disk{drafts: maps.Clone(d.drafts), ends: maps.Clone(d.ends), state: slices.Clone(d.state)}
}

// A session is a disk as one start of an agent uses it: a dead one writes no more.
type session struct {
	*disk

	dead atomic.Bool
}

func (s *session) Load(_ context.Context, each func(string, []byte)) ([]byte, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, doc := range s.ends {
		each(id, doc)
	}
	for id, doc := range s.drafts {
		each(id, doc)
	}
	return s.state, 0, nil
}

func (s *session) Read(_ context.Context, id string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drafts[id], nil
}

func (s *session) Save(_ context.Context, drafts, ends map[string][]byte, state []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead.Load() {
		return errors.New("the agent is dead")
	}
	for into, docs := range map[*map[string][]byte]map[string][]byte{&s.drafts: drafts, &s.ends: ends} {
		maps.Copy(*into, docs)
		maps.DeleteFunc(*into, func(_ string, doc []byte) bool { return doc == nil })
	}
	s.state = state
	return nil
}

// An agent is that of one node.
type agent struct {
	*drafts.Drafts

	fleet  *fleet
	name   string
	disk   *session
	cancel context.CancelFunc
	done   chan struct{}
	frozen chan struct{} // nil: it answers; else it does when this is closed
}

// A fleet is the agents of some nodes, and the network between them.
type fleet struct {
	tb      testing.TB
	names   []string
	changed wake.Signal
	asked   atomic.Int64 // questions
	bytes   atomic.Int64 // of questions and answers

	mu     sync.Mutex
	agents map[string]*agent // that run
	disks  map[string]*disk
	joined map[string]string        // clusters of nodes, in place of "a"; empty: it is not known
	clocks map[string]time.Duration // how far those of nodes are ahead
	side   map[string]int           // nodes of other sides do not reach each other
	unseen bool                     // the cluster does not notice: only the agents are cut off
	old    map[string]bool
	rng    *rand.Rand // nil: nothing takes time
}

func newFleet(tb testing.TB, names ...string) *fleet {
	tb.Helper()
	f := &fleet{tb: tb, names: names, agents: map[string]*agent{}, disks: map[string]*disk{}, joined: map[string]string{}, clocks: map[string]time.Duration{}, side: map[string]int{}, old: map[string]bool{}}
	for _, name := range names {
		f.disks[name] = &disk{drafts: map[string][]byte{}, ends: map[string][]byte{}}
		f.start(name)
	}
	return f
}

// start starts the agent of a node.
func (f *fleet) start(name string) {
	f.tb.Helper()
	a := &agent{fleet: f, name: name, disk: &session{disk: f.disks[name]}, done: make(chan struct{})}
	var err error
	a.Drafts, err = drafts.New(context.Background(), drafts.Config{
		Store: a.disk, Self: func() string { return name }, Others: func() []string { return f.others(name) }, Changed: f.changed.Next,
		Cluster: func(context.Context) string { return f.cluster(name) },
		Ask:     func(ctx context.Context, node string, m []byte) ([]byte, error) { return f.carry(ctx, a, node, m) },
		Now:     func() time.Time { return time.Now().Add(f.ahead(name)) }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		f.tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	f.mu.Lock()
	f.agents[name] = a
	f.mu.Unlock()
	go func() {
		defer close(a.done)
		if err := a.Run(ctx); err != nil {
			f.tb.Error(err)
		}
	}()
	f.changed.Broadcast()
}

// ahead is how far the clock of a node is ahead.
func (f *fleet) ahead(name string) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clocks[name]
}

// turn sets the clocks of nodes.
func (f *fleet) turn(ahead time.Duration, names ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range names {
		f.clocks[name] = ahead
	}
}

// cluster is that of a node.
func (f *fleet) cluster(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if other, is := f.joined[name]; is {
		return other
	}
	return "a"
}

// kill ends the agent of a node at once, whatever it does.
func (f *fleet) kill(name string) {
	f.mu.Lock()
	a := f.agents[name]
	delete(f.agents, name)
	f.mu.Unlock()
	if a == nil {
		return
	}
	a.disk.mu.Lock()
	a.disk.dead.Store(true)
	a.disk.mu.Unlock()
	a.cancel()
	<-a.done
	f.changed.Broadcast()
}

func (f *fleet) stop() {
	for _, name := range f.names {
		f.kill(name)
	}
}

// split puts nodes on another side than the rest; none: the network is whole.
func (f *fleet) split(unseen bool, away ...string) {
	f.mu.Lock()
	clear(f.side)
	for _, name := range away {
		f.side[name] = 1
	}
	f.unseen = unseen
	f.mu.Unlock()
	f.changed.Broadcast()
}

// keeper is the node whose agent keeps the drafts, by what n1 has stored.
func (f *fleet) keeper(t *testing.T) string {
	t.Helper()
	d := f.disks["n1"].copy()
	var state struct{ Keeper string }
	if err := json.Unmarshal(d.state, &state); err != nil || state.Keeper == "" {
		t.Fatalf("no keeper: %s, %v", d.state, err)
	}
	return state.Keeper
}

// but is a node other than one.
func (f *fleet) but(name string) string {
	if name == f.names[0] {
		return f.names[1]
	}
	return f.names[0]
}

// others are the nodes that a node sees online.
func (f *fleet) others(self string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.names), func(name string) bool {
		return name == self || !f.unseen && f.side[name] != f.side[self]
	})
}

// at is the agent of a node; nil: none runs.
func (f *fleet) at(name string) *agent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.agents[name]
}

func (f *fleet) delay() {
	f.mu.Lock()
	d := time.Duration(0)
	if f.rng != nil {
		d = time.Duration(f.rng.IntN(20)) * time.Millisecond
	}
	f.mu.Unlock()
	<-time.After(d)
}

// carry carries a question and its answer.
func (f *fleet) carry(ctx context.Context, from *agent, node string, m []byte) ([]byte, error) {
	f.asked.Add(1)
	f.bytes.Add(int64(len(m)))
	reach := func() (*agent, error) {
		f.delay()
		f.mu.Lock()
		to, isCut, isOld := f.agents[node], f.side[node] != f.side[from.name], f.old[node]
		f.mu.Unlock()
		switch {
		case isCut: // packets are lost
			<-ctx.Done()
			return nil, ctx.Err()
		case to == nil || isOld || from.disk.dead.Load():
			return nil, errors.New("connection refused")
		}
		return to, nil
	}
	to, err := reach()
	if err != nil {
		return nil, err
	}
	if to.frozen != nil {
		select {
		case <-to.frozen:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	answer, err := to.Answer(ctx, from.name, m)
	if err != nil {
		return nil, err
	}
	if again, err := reach(); err != nil || again != to {
		return nil, errors.Join(err, errors.New("connection reset"))
	}
	f.bytes.Add(int64(len(answer)))
	return answer, ctx.Err()
}

// add adds an edit that a text tells from others.
func add(text string) func(config.Draft) (config.Draft, error) {
	return func(d config.Draft) (config.Draft, error) {
		d.Number++
		d.Edits = append(slices.Clone(d.Edits), config.DraftEdit{Number: d.Number, Author: "ann", Time: time.Now(), Edit: config.Edit{Op: config.Put, Kind: config.Tags, ID: text, Body: []byte(text)}})
		d.Changed = time.Now()
		return d, nil
	}
}

// texts are those of the edits of a draft.
func texts(d config.Draft) []string {
	var out []string
	for _, e := range d.Edits {
		out = append(out, e.Edit.ID)
	}
	return out
}
