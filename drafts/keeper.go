package drafts

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	"thalassa/cluster/config"
	"thalassa/internal/wake"
	"thalassa/lb"
)

const (
	// askWithin is how long another agent has for an answer, putWithin for that to a write, which it
	// tells others meanwhile.
	askWithin, putWithin = 3 * time.Second, 8 * time.Second
	// meetWithin limits how long a request waits for the keeper.
	meetWithin = 20 * time.Second
	// silentFor is how long an agent is not asked that has let the time pass.
	silentFor = 30 * time.Second
	// confirmFor is how long the keeper believes that it is, without asking the others.
	confirmFor = 2 * time.Second
	// moreWithin is how long a write waits for further copies when one is made.
	moreWithin = 150 * time.Millisecond
	// maxTries is how often a write is made again because the draft or the keeper has changed.
	maxTries = 20
)

// A Config is what a Drafts needs.
type Config struct {
	Store Store
	// Self is the name of this node; empty: it is not known.
	Self func() string
	// Others are the other nodes of the cluster that are online, and whose agents can be asked.
	Others func() []string
	// Cluster tells the clusters apart in which this node is, one after the other; empty: it is not known
	// now, and is as it was.
	Cluster func(ctx context.Context) string
	// Changed closes with the next change of the cluster.
	Changed func() <-chan struct{}
	// Ask asks the agent of another node. Nobody else may read the messages. The end of ctx ends it.
	Ask    func(ctx context.Context, node string, message []byte) ([]byte, error)
	Now    func() time.Time
	Logger *slog.Logger
}

// Drafts are the drafts of the cluster, on this agent and the others. Make them with New; methods may
// be called concurrently with Run.
type Drafts struct {
	*peers
}

// New reads the drafts of this agent. It starts nothing.
func New(ctx context.Context, cfg Config) (*Drafts, error) {
	s, err := open(ctx, cfg.Store, cfg.Now, cfg.Logger)
	if err != nil {
		return nil, err
	}
	return &Drafts{peers: &peers{
		cfg: cfg, shelf: s, late: wake.NewPoke(),
		silent: map[string]time.Time{}, behind: map[string]map[string]bool{}, kept: map[string]map[string]Version{},
	}}, nil
}

func missing(id string) error { return &lb.NotFoundError{ID: config.Draft{ID: id}.Name()} }

// Draft is one of the drafts; *lb.NotFoundError: there is none of that ID.
func (d *Drafts) Draft(ctx context.Context, id string) (config.Draft, error) {
	if err := d.meet(ctx); err != nil {
		return config.Draft{}, d.told(ctx, err)
	}
	e, known, err := d.shelf.entry(ctx, id)
	if err == nil && (!known || !e.isThere()) {
		err = missing(id)
	}
	if err != nil {
		return config.Draft{}, err
	}
	return d.shown(e, nil), nil
}

// List lists all drafts.
func (d *Drafts) List(ctx context.Context) ([]config.Draft, error) {
	if err := d.meet(ctx); err != nil {
		return nil, d.told(ctx, err)
	}
	list := []config.Draft{}
	for _, id := range d.shelf.ids() {
		e, known, err := d.shelf.entry(ctx, id)
		if err != nil {
			return nil, err
		}
		if known && e.isThere() {
			list = append(list, d.shown(e, nil))
		}
	}
	return list, nil
}

// shown is a draft with the nodes that are known to have it.
func (d *Drafts) shown(e entry, kept []string) config.Draft {
	self, keeper := d.cfg.Self(), d.shelf.known().Keeper
	nodes := map[string]bool{}
	if m, known := d.shelf.mark(e.id); known && m.version.has(e.version) { // else its disk may be full
		nodes[self] = true
	}
	for _, node := range kept {
		nodes[node] = true
	}
	d.mu.Lock()
	for node, v := range d.kept[e.id] {
		if v.has(e.version) {
			nodes[node] = true
		}
	}
	d.mu.Unlock()
	if d.isThere(keeper) { // it has been asked
		nodes[keeper] = true
	}
	delete(nodes, "")
	e.draft.Kept = slices.Sorted(maps.Keys(nodes))
	return e.draft
}

// A write is one that is made in a draft.
type write struct {
	id    string // of the draft; empty: a number
	write string
	isNew bool
	of    string // the cluster
	base  Version
	next  entry
}

// Errors of a write that is made again.
var (
	errMoved = errors.New("another node keeps the drafts")
	errStale = errors.New("the draft has changed meanwhile")
)

// Create stores a new draft. Without an ID it gets a number that was never one. The error is
// an *lb.ConflictError when there is a draft with the ID, or when there are config.MaxDrafts
// already.
func (d *Drafts) Create(ctx context.Context, draft config.Draft) (config.Draft, error) {
	w := write{id: draft.ID, write: writeID(), isNew: true, next: entry{id: draft.ID, draft: draft}}
	return d.make(ctx, func() (write, error) { return w, nil }, func() (entry, bool, error) {
		for _, id := range d.shelf.ids() {
			e, known, err := d.shelf.entry(ctx, id)
			if err != nil || known && slices.Contains(e.writes, w.write) {
				return e, true, err
			}
		}
		return entry{}, false, nil
	})
}

// Update changes a draft, unless change has an error. It is called again if somebody else changes the
// draft meanwhile. The error is an *lb.NotFoundError, or that of change.
func (d *Drafts) Update(ctx context.Context, id string, change func(config.Draft) (config.Draft, error)) (config.Draft, error) {
	draft, err := d.edit(ctx, id, func(e entry) (entry, error) {
		var err error
		e.draft, err = change(e.draft)
		e.draft.ID = id
		return e, err
	})
	if err == nil && draft.ID == "" { // it was changed, and dropped by somebody else meanwhile
		err = missing(id)
	}
	return draft, err
}

// Delete removes a draft, on all nodes and for ever, unless check has an error; nil: there is nothing
// to check. check gets the draft as it is dropped, and is called again if somebody else changes it
// meanwhile. The error is an *lb.NotFoundError, or that of check.
func (d *Drafts) Delete(ctx context.Context, id string, check func(config.Draft) error) error {
	_, err := d.edit(ctx, id, func(e entry) (entry, error) {
		if check != nil {
			if err := check(e.draft); err != nil {
				return e, err
			}
		}
		e.draft, e.dropped = config.Draft{}, d.cfg.Now()
		return e, nil
	})
	return err
}

func (d *Drafts) edit(ctx context.Context, id string, change func(entry) (entry, error)) (config.Draft, error) {
	name := writeID()
	return d.make(ctx, func() (write, error) {
		e, known, err := d.shelf.entry(ctx, id)
		if err == nil && (!known || !e.isThere()) {
			err = missing(id)
		}
		if err != nil {
			return write{}, err
		}
		next, err := change(e)
		return write{id: id, write: name, base: e.version, next: next}, err
	}, func() (entry, bool, error) {
		e, known, err := d.shelf.entry(ctx, id)
		return e, known && slices.Contains(e.writes, name), err
	})
}

// make makes a write, by whoever is the keeper, until it is made or refused. found is what the write
// has become, if it was made though nobody has said so.
func (d *Drafts) make(ctx context.Context, next func() (write, error), found func() (entry, bool, error)) (config.Draft, error) {
	draft, err := d.tried(ctx, next, found)
	return draft, d.told(ctx, err)
}

func (d *Drafts) tried(ctx context.Context, next func() (write, error), found func() (entry, bool, error)) (config.Draft, error) {
	ctx, cancel := context.WithTimeout(ctx, meetWithin)
	defer cancel()
	for try := range maxTries {
		if err := d.meet(ctx); err != nil {
			return config.Draft{}, err
		}
		if try > 0 {
			if e, is, err := found(); is || err != nil {
				return d.shown(e, nil), err
			}
		}
		of := d.shelf.known().Cluster
		w, err := next()
		if err != nil {
			return config.Draft{}, err
		}
		w.of = of
		e, kept, err := d.pass(ctx, w)
		if err == nil {
			return d.shown(e, kept), nil
		}
		if !errors.Is(err, errMoved) && !errors.Is(err, errStale) && !errors.As(err, new(*unreachableError)) {
			return config.Draft{}, err
		}
		if errors.Is(err, errFailed) { // it would keep them, and store none
			if err := d.takeOver(ctx, d.shelf.known()); err != nil {
				return config.Draft{}, err
			}
		}
		if ctx.Err() != nil {
			return config.Draft{}, ctx.Err()
		}
	}
	return config.Draft{}, errMoved
}

// pass has the keeper make a write.
func (d *Drafts) pass(ctx context.Context, w write) (entry, []string, error) {
	keeper := d.shelf.known().Keeper
	if d.keeps(keeper) {
		return d.serve(ctx, w)
	}
	w.next.id = w.id
	doc, err := encode(w.next)
	if err != nil {
		return entry{}, nil, err
	}
	asking, cancel := context.WithTimeout(ctx, putWithin)
	defer cancel()
	a, err := d.ask(asking, keeper, message{Ask: askPut, Cluster: w.of, Write: w.write, Base: w.base, New: w.isNew, ID: w.id, Entries: []json.RawMessage{doc}})
	if err != nil {
		return entry{}, nil, err
	}
	if err := a.failure(); err != nil {
		return entry{}, nil, err
	}
	list := a.entries()
	if len(list) != 1 {
		return entry{}, nil, errStale
	}
	if err := d.shelf.adopt(ctx, a.Cluster, func(t *turn) error { t.follow(list[0]); return nil }); err != nil { // the keeper has it
		d.cfg.Logger.WarnContext(ctx, "draft of the cluster not stored on this node", "draft", list[0].id, "error", err)
	}
	return list[0], append(a.Kept, keeper), nil
}

// keeps reports whether this agent is the keeper. One that does not know its node asks nobody.
func (d *Drafts) keeps(keeper string) bool {
	self := d.cfg.Self()
	return self == "" || keeper == self
}

// serve makes a write as the keeper, and returns the nodes that have a copy then.
func (d *Drafts) serve(ctx context.Context, w write) (made entry, kept []string, err error) {
	self := d.cfg.Self()
	var before *entry
	var of string
	err = d.shelf.adopt(ctx, w.of, func(t *turn) error {
		if !d.keeps(t.next.Keeper) {
			return errMoved
		}
		of = t.next.Cluster
		if before, err = t.admit(&w); err != nil {
			return err
		}
		if before != nil && slices.Contains(before.writes, w.write) {
			made = *before
			return nil
		}
		w.next.id = w.id
		if w.next.isThere() {
			w.next.draft.ID = w.id
		} else if before != nil {
			w.next.dropped = t.drops(before.draft.Changed)
		}
		w.next.version, w.next.writes = nil, nil
		if before != nil {
			w.next.version, w.next.writes = before.version, before.writes
		}
		made = t.write(w.next, w.write, self)
		return nil
	})
	if err != nil {
		return entry{}, nil, err
	}
	kept, moved := d.replicate(ctx, of, made)
	if !moved || len(kept) > 0 {
		return made, kept, nil
	}
	// Another one has taken over, and nobody has seen the write: it is made there.
	err = d.shelf.adopt(context.WithoutCancel(ctx), of, func(t *turn) error {
		if m, known := t.mark(w.id); known && m.version.equal(made.version) {
			t.entries[w.id] = before
		}
		return nil
	})
	if err == nil {
		err = errMoved
	}
	return entry{}, nil, err
}

// begunBy is the draft that a write has begun; empty: it has begun none.
func (t *turn) begunBy(write string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, m := range t.index {
		if m.first == write {
			return id
		}
	}
	return ""
}

// number is an ID that no draft has had.
func (t *turn) number() string {
	for {
		t.next.Last++
		id := strconv.FormatUint(t.next.Last, 10)
		if _, known := t.mark(id); !known {
			return id
		}
	}
}

// name gives a new draft without an ID one: that which the same write has begun already, or a number.
func (t *turn) name(w *write) {
	if !w.isNew || w.id != "" {
		return
	}
	if w.id = t.begunBy(w.write); w.id == "" {
		w.id = t.number()
	}
}

// admit looks whether a write can be made, gives the draft an ID, and returns what is there; nil: nothing.
func (t *turn) admit(w *write) (*entry, error) {
	t.name(w)
	e, err := t.entry(w.id)
	known := err == nil
	if err != nil && !errors.As(err, new(*lb.NotFoundError)) {
		return nil, err
	}
	switch {
	case known && slices.Contains(e.writes, w.write):
	case w.isNew && known && e.isThere():
		return nil, &lb.ConflictError{ID: config.Draft{ID: w.id}.Name(), Reason: "exists already"}
	case w.isNew && t.count() >= config.MaxDrafts:
		return nil, &lb.ConflictError{ID: "cluster/drafts", Reason: "there are " + strconv.Itoa(t.count()) + " already: commit or drop some first"}
	case !w.isNew && (!known || !e.isThere()):
		return nil, missing(w.id)
	case !w.isNew && !e.version.equal(w.base):
		return nil, errStale
	case w.next.isThere() && e.isOfTooMany(w.next):
		return nil, &lb.ConflictError{ID: config.Draft{ID: w.id}.Name(), Reason: "was changed by " + strconv.Itoa(len(e.version)) + " starts of agents: commit or drop it, and begin another one"}
	}
	if !known {
		return nil, nil //nolint:nilnil // documented
	}
	return &e, nil
}
