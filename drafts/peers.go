package drafts

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"thalassa/internal/wake"
)

// peers are the agents of the other nodes, and what is known of them. Methods may be called
// concurrently.
type peers struct {
	cfg     Config
	shelf   *shelf
	late    wake.Poke // a copy is missing
	packer  packer
	running sync.WaitGroup // copies under way

	mu sync.Mutex
	// confirmed is when this agent was known to be the keeper.
	confirmed time.Time

	ended  bool                          // Run has
	silent map[string]time.Time          // until when they are not asked
	behind map[string]map[string]bool    // IDs of what nodes lack
	kept   map[string]map[string]Version // what nodes have, by ID
}

// isThere reports whether a node is one of the others, and answers.
func (p *peers) isThere(node string) bool {
	return slices.Contains(p.cfg.Others(), node) && !p.isSilent(node)
}

// ask asks another agent, and takes over what it knows beside the drafts. The error is an
// *unreachableError, or one of this agent.
func (p *peers) ask(ctx context.Context, node string, m message) (message, error) {
	if err := p.enter(ctx); err != nil {
		return m, err
	}
	m, err := p.signed(m)
	if err != nil {
		return m, err
	}
	data, err := p.packer.pack(m)
	if err != nil {
		return m, err
	}
	answer, err := p.cfg.Ask(ctx, node, data)
	var a message
	if err == nil {
		a, err = unpack(answer)
	}
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			p.mu.Lock()
			p.silent[node] = p.cfg.Now().Add(silentFor)
			p.mu.Unlock()
		}
		return a, &unreachableError{err}
	}
	if !p.shelf.known().canBe(a, p.cfg.Now()) {
		return a, &unreachableError{errMessage}
	}
	return a, p.heed(ctx, a)
}

// signed is a message with what this agent knows beside the drafts. The error is an *unreachableError:
// it is of a former cluster.
func (p *peers) signed(m message) (message, error) {
	now := p.shelf.known()
	if !now.isOf(m.Cluster) {
		return m, &unreachableError{errCluster}
	}
	m.Cluster = now.Cluster
	m.Term, m.Keeper, m.Last, m.Forgotten = now.Term, now.Keeper, now.Last, now.Forgotten
	return m, nil
}

func (p *peers) heed(ctx context.Context, m message) error {
	now := p.shelf.known()
	if !now.isOf(m.Cluster) {
		return errMoved
	}
	if !now.isBefore(m.Term, m.Keeper) && m.Last <= now.Last && !m.Forgotten.After(now.Forgotten) {
		return nil
	}
	return p.shelf.adopt(ctx, m.Cluster, func(t *turn) error { t.heed(m.Term, m.Keeper, m.Last, m.Forgotten); return nil })
}

func (p *peers) isSilent(node string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cfg.Now().Before(p.silent[node])
}

// present are the others that answer, as far as it is known.
func (p *peers) present() []string {
	return slices.DeleteFunc(slices.Clone(p.cfg.Others()), p.isSilent)
}

// question is ask with a limit, of somebody who must see the keeper as this agent does.
func (p *peers) question(ctx context.Context, node string, m message) (message, error) {
	asking, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	a, err := p.ask(asking, node, m)
	if err == nil {
		err = a.failure()
	}
	return a, err
}

// send sends entries to another agent, as many messages as they need.
func (p *peers) send(ctx context.Context, node, how string, ids []string) error {
	for len(ids) > 0 {
		m, sent, err := p.with(ctx, message{Ask: how}, ids)
		if err != nil {
			return err
		}
		if _, err := p.question(ctx, node, m); err != nil {
			return err
		}
		p.tell(node, m.entries())
		ids = ids[sent:]
	}
	return nil
}

// with is a message with the entries of IDs for which there is room, and how many of the IDs that are.
func (p *peers) with(ctx context.Context, m message, ids []string) (message, int, error) {
	m.Cluster = p.shelf.known().Cluster
	for i, id := range ids {
		e, known, err := p.shelf.entry(ctx, id)
		if err != nil {
			return m, i, err
		}
		if !known {
			continue
		}
		if fits, err := m.add(e); !fits || err != nil {
			return m, i, err
		}
	}
	return m, len(ids), nil
}

// note notes what another agent has.
func (p *peers) note(node string, has map[string]Version) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) > 2*maxKept {
		clear(p.kept) // it is noted again
	}
	for id, v := range has {
		if m, known := p.shelf.mark(id); known && m.isThere {
			p.noteOne(node, id, v)
		}
	}
}

// noteOne notes that an agent has a version. The caller holds the mutex.
func (p *peers) noteOne(node, id string, v Version) {
	if p.kept[id] == nil {
		p.kept[id] = map[string]Version{}
	}
	if !p.kept[id][node].has(v) {
		p.kept[id][node] = v
	}
}

// tell notes that an agent has entries.
func (p *peers) tell(node string, list []entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range list {
		if p.noteOne(node, e.id, e.version); !e.isThere() {
			delete(p.kept, e.id)
		}
		if m, known := p.shelf.mark(e.id); known && e.version.has(m.version) {
			delete(p.behind[node], e.id)
		}
	}
}

// missOne notes that an agent lacks an entry.
func (p *peers) missOne(node, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.behind[node] == nil {
		p.behind[node] = map[string]bool{}
	}
	p.behind[node][id] = true
	p.late.Send()
}

// miss notes that all others lack entries.
func (p *peers) miss(list []entry) {
	for _, node := range p.cfg.Others() {
		for _, e := range list {
			p.missOne(node, e.id)
		}
	}
}

// absorb takes over entries of an agent that follows, unless check has an error, and notes what the
// others lack then.
func (p *peers) absorb(ctx context.Context, of string, list []entry, check func(t *turn) error) error {
	var changed []entry
	err := p.shelf.adopt(ctx, of, func(t *turn) error {
		if err := check(t); err != nil {
			return err
		}
		changed = nil
		for _, e := range list {
			more, err := t.absorb(e, p.cfg.Self())
			if err != nil {
				return err
			}
			changed = append(changed, more...)
		}
		return nil
	})
	if err == nil {
		p.miss(changed)
	}
	return err
}

// begin begins a copy, for whose end Run waits.
func (p *peers) begin(copying func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		go copying()
		return
	}
	p.running.Go(copying)
}
