package drafts

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"thalassa/internal/wake"
)

const (
	// settleFor is the pause before the others are asked after one has come or gone.
	settleFor = time.Second
	// againAfter is the first pause before a copy that has failed is made again; each is twice the one
	// before, up to againAtMost.
	againAfter, againAtMost = 5 * time.Second, 5 * time.Minute
	// lookAgain is the pause between two looks at where other agents are, which asks nobody.
	lookAgain = 30 * time.Second
)

// replicate sends a copy of an entry of a cluster to all others, and returns those that have it when one
// does and the rest had a moment, or when none will. moved: another one is the keeper.
func (d *Drafts) replicate(ctx context.Context, of string, e entry) (kept []string, moved bool) {
	doc, err := encode(e)
	if err != nil {
		return nil, false
	}
	type end struct {
		node string
		err  error
	}
	nodes := d.present()
	for _, node := range d.cfg.Others() {
		if !slices.Contains(nodes, node) {
			d.missOne(node, e.id)
		}
	}
	ends := make(chan end, len(nodes))
	for _, node := range nodes {
		d.begin(func() {
			copying, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWithin)
			defer cancel()
			_, err := d.question(copying, node, message{Ask: askCopy, Cluster: of, Entries: []json.RawMessage{doc}})
			if err == nil {
				d.tell(node, []entry{e})
			} else if !errors.Is(err, errMoved) {
				d.missOne(node, e.id)
			}
			if errors.Is(err, errStale) { // it has something that is lacking here
				err = d.take(copying, node)
				if m, known := d.shelf.mark(e.id); err == nil && known && !m.version.equal(e.version) {
					err = errStale
				}
			}
			ends <- end{node, err}
		})
	}
	var enough <-chan time.Time
	for range nodes {
		select {
		case one := <-ends:
			switch {
			case one.err == nil:
				if kept = append(kept, one.node); enough == nil {
					timer := time.NewTimer(moreWithin)
					defer timer.Stop()
					enough = timer.C
				}
			case errors.Is(one.err, errMoved):
				moved = true
			}
		case <-enough:
			slices.Sort(kept)
			return kept, moved
		}
	}
	slices.Sort(kept)
	return kept, moved
}

// Run gets what this agent lacks when it begins, and when other nodes come or go, and makes copies
// that have failed, until ctx ends, which is no error. At rest it does nothing.
func (d *Drafts) Run(ctx context.Context) error {
	before, pause := "", time.Duration(0)
	for ctx.Err() == nil {
		changed := d.cfg.Changed()
		if now := d.online(); now != before {
			_ = wake.Pause(ctx, settleFor)
			d.mu.Lock()
			clear(d.silent)
			d.confirmed = time.Time{}
			d.mu.Unlock()
			before, pause = d.online(), 0
			d.join(ctx, before)
		}
		if d.repair(ctx) {
			pause = 0
		} else {
			pause = min(max(2*pause, againAfter), againAtMost)
		}
		d.await(ctx, before, changed, pause)
	}
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	d.running.Wait()
	return nil
}

// join gets what this agent lacks, if there are others.
func (d *Drafts) join(ctx context.Context, others string) {
	if others == "" {
		return
	}
	if err := d.meet(ctx); err != nil && ctx.Err() == nil {
		d.cfg.Logger.WarnContext(ctx, "drafts of the cluster: this node does not have all of them", "error", err)
	}
}

// await waits until other nodes come or go, a copy is missing or a pause is over; 0: none is missing.
func (d *Drafts) await(ctx context.Context, before string, changed <-chan struct{}, pause time.Duration) {
	late := (<-chan struct{})(d.late)
	if pause > 0 {
		late = nil // what is missing now is made with the others
	} else {
		pause = lookAgain
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-late:
			_ = wake.Pause(ctx, againAfter) // an agent that is about to stop or begin
			return
		case <-changed:
			changed = d.cfg.Changed()
			if d.online() != before {
				return
			}
		}
	}
}

// online is a text that changes when nodes come and go.
func (d *Drafts) online() string {
	if d.cfg.Self() == "" {
		return ""
	}
	return strings.Join(slices.Sorted(slices.Values(d.cfg.Others())), " ")
}

// repair makes the copies that are missing, and reports whether there are all.
func (d *Drafts) repair(ctx context.Context) bool {
	others := d.cfg.Others()
	d.mu.Lock()
	maps.DeleteFunc(d.behind, func(node string, ids map[string]bool) bool {
		return len(ids) == 0 || !slices.Contains(others, node) // it asks itself when it comes
	})
	lacking := map[string][]string{}
	for node, ids := range d.behind {
		lacking[node] = slices.Sorted(maps.Keys(ids))
	}
	d.mu.Unlock()
	whole := true
	for node, ids := range lacking {
		if d.shelf.known().Keeper != d.cfg.Self() { // the keeper does it
			d.mu.Lock()
			delete(d.behind, node)
			d.mu.Unlock()
			continue
		}
		err := d.send(ctx, node, askCopy, ids)
		if errors.Is(err, errStale) {
			err = d.take(ctx, node)
		}
		whole = whole && err == nil
	}
	return whole
}
