package drafts

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"thalassa/cluster/config"
	"thalassa/lb"
)

// Bounds of what is known of drafts that were dropped or committed.
const (
	// maxEnds is their number. The oldest are forgotten; a draft that was last changed before that
	// does not come back then.
	maxEnds = 1000
	// maxKept is how many drafts an agent takes over, which may be more than config.MaxDrafts after a
	// split. The rest stays with the agent that has it.
	maxKept = 4 * config.MaxDrafts
)

// A Store keeps documents over restarts of the agent, as store.ClusterDrafts does.
type Store interface {
	// Load calls each with the documents, and returns the state, nil: there is none, and the last
	// number that a former version of the agent has given to a draft.
	Load(ctx context.Context, each func(id string, doc []byte)) (state []byte, numbered uint64, err error)
	// Read is the document of a draft; nil: there is none.
	Read(ctx context.Context, id string) ([]byte, error)
	// Save stores documents of drafts, of ends of drafts, and the state, at once. Those that are nil
	// are removed.
	Save(ctx context.Context, drafts, ends map[string][]byte, state []byte) error
}

// A state is what an agent knows beside the drafts.
type state struct {
	// Agent is in Versions, and Wrote the number of its last write. Neither is stored: each start is
	// another one, since a disk may be set back, or be the copy of that of another machine.
	Agent string `json:"-"`
	Wrote uint64 `json:"-"`
	Last  uint64 `json:"last"` // the last number that was given to a draft, by any agent
	// Term grows with each takeover; Keeper is the node that has taken over.
	Term   uint64 `json:"term"`
	Keeper string `json:"keeper"`
	// Forgotten is up to when ends of drafts have been forgotten; zero: all are known.
	Forgotten time.Time `json:"forgotten,omitzero"`
	// Cluster is that of which the drafts are; empty: it was never known.
	Cluster string `json:"cluster,omitempty"`
	Former  former `json:"former,omitzero"`
}

// isBefore reports whether another term takes the place of this one.
func (s state) isBefore(term uint64, keeper string) bool {
	return term > s.Term || term == s.Term && keeper > s.Keeper
}

// A mark is what is known of an entry without reading it.
type mark struct {
	version Version
	end     entry  // of one that was dropped
	first   string // ID of the write that has begun it, unless it had very many since
	isThere bool
}

// A shelf has the entries of this agent. Methods may be called concurrently.
type shelf struct {
	store Store
	now   func() time.Time
	log   *slog.Logger
	busy  chan struct{} // full while one changes it
	// entering is full while drafts of another cluster are set aside.
	entering chan struct{}

	mu    sync.Mutex
	state state
	index map[string]mark
	aside map[string]bool // IDs of documents of a former cluster
}

// open reads what is stored.
func open(ctx context.Context, store Store, now func() time.Time, log *slog.Logger) (*shelf, error) {
	s := &shelf{store: store, now: now, log: log, busy: make(chan struct{}, 1), entering: make(chan struct{}, 1), index: map[string]mark{}, aside: map[string]bool{}}
	var former []string
	text, numbered, err := store.Load(ctx, func(id string, doc []byte) {
		if strings.HasPrefix(id, formerMark) {
			s.aside[id] = true
			return
		}
		e, err := decode(doc)
		if err != nil || e.id != id {
			log.ErrorContext(ctx, "draft of the cluster not readable", "draft", id)
			return
		}
		if len(e.version) == 0 {
			former = append(former, id)
		}
		s.index[id] = markOf(e)
	})
	if err == nil && text != nil {
		err = json.Unmarshal(text, &s.state)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the drafts of the cluster: %w", err)
	}
	s.state.Agent = rand.Text()[:10]
	s.state.Last = max(s.state.Last, numbered)
	if len(former) == 0 {
		return s, nil
	}
	return s, s.change(ctx, func(t *turn) error {
		for _, id := range former {
			e, err := t.entry(id)
			if err != nil {
				return err
			}
			t.write(e, "", "")
		}
		return nil
	})
}

// A storeError says that this agent cannot store drafts.
type storeError struct{ err error }

// Error is the cause.
func (e *storeError) Error() string { return e.err.Error() }

// Unwrap is the cause.
func (e *storeError) Unwrap() error { return e.err }

func markOf(e entry) mark {
	m := mark{version: e.version, isThere: e.isThere()}
	if len(e.writes) > 0 {
		m.first = e.writes[0]
	}
	if !m.isThere {
		m.end = e
	}
	return m
}

// known is the state.
func (s *shelf) known() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// versions are those of all entries by ID, and a sum over them.
func (s *shelf) versions() (has map[string]Version, sum string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	has = map[string]Version{}
	hash := sha256.New()
	for _, id := range slices.Sorted(maps.Keys(s.index)) {
		has[id] = s.index[id].version
		fmt.Fprintf(hash, "%s %s\n", id, has[id])
	}
	return has, hex.EncodeToString(hash.Sum(nil)[:16])
}

// ids are those of the drafts that are there.
func (s *shelf) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for id, m := range s.index {
		if m.isThere {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// entry is one of the entries; false: there is none. A draft that was dropped is one, too.
func (s *shelf) entry(ctx context.Context, id string) (entry, bool, error) {
	for {
		s.mu.Lock()
		m, known := s.index[id]
		s.mu.Unlock()
		if !known || !m.isThere {
			return m.end, known, nil
		}
		doc, err := s.store.Read(ctx, id)
		if err != nil {
			return entry{}, false, err
		}
		if doc != nil {
			e, err := decode(doc)
			return e, true, err
		}
		select { // it has just been dropped
		case s.busy <- struct{}{}:
			<-s.busy
		case <-ctx.Done():
			return entry{}, false, ctx.Err()
		}
	}
}

// A turn is a change of the shelf. It is made wholly, or not at all.
type turn struct {
	*shelf

	ctx     context.Context //nolint:containedctx // of the change
	next    state
	entries map[string]*entry // nil: it is removed
	aside   map[string][]byte // documents of a former cluster; nil: it is removed
}

// change changes the shelf, and returns when that is on disk. After an error, nothing has changed.
func (s *shelf) change(ctx context.Context, do func(t *turn) error) error {
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	case <-ctx.Done():
		return ctx.Err()
	}
	t := &turn{s, ctx, s.known(), map[string]*entry{}, map[string][]byte{}}
	if err := do(t); err != nil {
		return err
	}
	t.forget()
	if len(t.entries) == 0 && len(t.aside) == 0 && t.next == s.known() {
		return nil
	}
	drafts, ends := map[string][]byte{}, map[string][]byte{}
	for id, e := range t.entries {
		drafts[id], ends[id] = nil, nil
		if e == nil {
			continue
		}
		doc, err := encode(*e)
		if err != nil {
			return err
		}
		if e.isThere() {
			drafts[id] = doc
		} else {
			ends[id] = doc
		}
	}
	maps.Copy(drafts, t.aside)
	text, err := json.Marshal(t.next)
	if err == nil {
		err = s.store.Save(ctx, drafts, ends, text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.state.Wrote = t.next.Wrote // what has failed may be on disk
		if ctx.Err() == nil {
			err = &storeError{err}
		}
		return err
	}
	s.state = t.next
	for id, e := range t.entries {
		delete(s.index, id)
		if e != nil {
			s.index[id] = markOf(*e)
		}
	}
	for id, doc := range t.aside {
		if s.aside[id] = true; doc == nil {
			delete(s.aside, id)
		}
	}
	return nil
}

// entry is one of the entries as it is now. An *lb.NotFoundError: there is none.
func (t *turn) entry(id string) (entry, error) {
	e, known := t.entries[id]
	switch {
	case known && e != nil:
		return *e, nil
	case known:
		return entry{}, &lb.NotFoundError{ID: id}
	}
	m, known := t.mark(id)
	switch {
	case !known:
		return entry{}, &lb.NotFoundError{ID: id}
	case !m.isThere:
		return m.end, nil
	}
	doc, err := t.store.Read(t.ctx, id)
	if err == nil && doc == nil {
		err = fmt.Errorf("reading draft %s: it is not in the database", id)
	}
	if err != nil {
		return entry{}, err
	}
	return decode(doc)
}

// mark is that of an entry as it is now; false: there is none.
func (t *turn) mark(id string) (mark, bool) {
	if e, changed := t.entries[id]; changed {
		if e == nil {
			return mark{}, false
		}
		return markOf(*e), true
	}
	return t.shelf.mark(id)
}

// mark is that of an entry; false: there is none.
func (s *shelf) mark(id string) (mark, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, known := s.index[id]
	return m, known
}

// put puts an entry in its place.
func (t *turn) put(e entry) { t.entries[e.id] = &e }

// write is put of an entry with one more write.
func (t *turn) write(e entry, write, node string) entry {
	t.next.Wrote++
	if write == "" {
		write = writeID()
	}
	e = e.written(t.next.Agent, t.next.Wrote, write, node)
	t.put(e)
	return e
}

// count is how many drafts are there.
func (t *turn) count() int {
	n := 0
	for _, id := range t.ids() {
		if _, changed := t.entries[id]; !changed {
			n++
		}
	}
	for _, e := range t.entries {
		if e != nil && e.isThere() {
			n++
		}
	}
	return n
}

// heed takes over what another agent knows beside the drafts.
func (t *turn) heed(term uint64, keeper string, last uint64, forgotten time.Time) {
	if t.next.isBefore(term, keeper) {
		t.next.Term, t.next.Keeper = term, keeper
	}
	t.next.Last = max(t.next.Last, last)
	if forgotten.After(t.next.Forgotten) {
		t.next.Forgotten = forgotten
	}
}

// follow takes over an entry of the keeper, unless what is here has other writes. It reports whether all
// writes of the keeper's are here then.
func (t *turn) follow(e entry) bool {
	own, known := t.mark(e.id)
	switch {
	case !known && !e.isThere() && !e.dropped.After(t.next.Forgotten):
		return true
	case known && own.version.has(e.version):
		return true
	case known && !e.version.has(own.version):
		return false
	}
	t.put(e)
	return true
}

// absorb takes over an entry of an agent that follows. What neither has all writes of is resolved; node
// is that of the keeper. It returns what the others lack.
func (t *turn) absorb(e entry, node string) (changed []entry, err error) {
	own, known := t.mark(e.id)
	switch {
	case known && own.version.has(e.version):
		return nil, nil
	case !known && !e.isThere() && !e.dropped.After(t.next.Forgotten):
		return nil, nil
	case !known && e.isThere() && !t.next.Forgotten.IsZero() && !e.draft.Changed.After(t.next.Forgotten):
		t.log.WarnContext(t.ctx, "a draft of the cluster is not taken back: it is older than what is known of dropped ones", "draft", e.id, "changed", e.draft.Changed)
		return []entry{t.write(entry{id: e.id, dropped: t.drops(e.draft.Changed), version: e.version}, "", node)}, nil
	case !known && e.isThere() && t.count() >= maxKept:
		return nil, nil
	case !known || e.version.has(own.version):
		t.put(e)
		return []entry{e}, nil
	}
	mine, err := t.entry(e.id)
	if err != nil {
		return nil, err
	}
	kept, other := resolved(mine, e)
	changed = append(changed, t.write(kept, "", node))
	if other == nil {
		return changed, nil
	}
	if was, known := t.mark(other.id); known && was.version.has(other.version) {
		return changed, nil // it was made before
	}
	t.log.WarnContext(t.ctx, "a draft of the cluster was edited on both sides of a split", "draft", e.id, "kept_as", other.id)
	t.put(*other)
	return append(changed, *other), nil
}

// drops is the time at which a draft is dropped: now, but never before it was last changed, nor before
// what is forgotten, whatever clock has said so.
func (t *turn) drops(changed time.Time) time.Time {
	return later(t.now(), later(changed, t.next.Forgotten.Add(time.Nanosecond)))
}

// forget forgets the oldest ends, by their number: clocks may be wrong.
func (t *turn) forget() {
	var ends []entry
	t.mu.Lock()
	for id, m := range t.index {
		if _, changed := t.entries[id]; !changed && !m.isThere {
			ends = append(ends, m.end)
		}
	}
	t.mu.Unlock()
	for _, e := range t.entries {
		if e != nil && !e.isThere() {
			ends = append(ends, *e)
		}
	}
	slices.SortFunc(ends, func(a, b entry) int {
		if n := a.dropped.Compare(b.dropped); n != 0 {
			return n
		}
		return strings.Compare(a.id, b.id)
	})
	for i, e := range ends {
		if len(ends)-i > maxEnds {
			t.next.Forgotten = later(t.next.Forgotten, e.dropped)
		}
		if !e.dropped.After(t.next.Forgotten) {
			t.entries[e.id] = nil
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
