package drafts

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// formerMark begins the IDs of documents of the cluster in which this node was before. No draft has
// such a name.
const formerMark = "former/"

func formerOf(cluster string) string { return formerMark + cluster + "/" }

// A former is the cluster in which this node was before.
type former struct {
	Cluster   string    `json:"cluster"`
	Last      uint64    `json:"last"`
	Forgotten time.Time `json:"forgotten,omitzero"`
}

// isOf reports whether what belongs to a cluster can be taken over here; empty: it is not known.
func (s state) isOf(cluster string) bool {
	return cluster == "" || s.Cluster == "" || s.Cluster == cluster
}

// enter makes the drafts those of the cluster in which this node is, and reports whether they were of
// another one. Those are set aside, of one cluster at most, and come back with it. After an error,
// the next call goes on.
func (s *shelf) enter(ctx context.Context, cluster string) (moved bool, err error) {
	if cluster == "" || s.isSettled(cluster) {
		return false, nil
	}
	select {
	case s.entering <- struct{}{}:
		defer func() { <-s.entering }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if s.isSettled(cluster) {
		return true, nil
	}
	was := s.known()
	moved = was.Cluster != "" && was.Cluster != cluster
	if moved {
		n := len(s.ids())
		s.log.WarnContext(ctx, "drafts of the cluster: this node is in another cluster, or corosync has another key; the former drafts are set aside: they come back with the former key, and a third one deletes them", "drafts", n)
	}
	for err = errStale; errors.Is(err, errStale); {
		if moved {
			if err = s.setAside(ctx, was.Cluster); err != nil {
				return true, err
			}
		}
		err = s.join(ctx, was, cluster)
	}
	if err != nil {
		return moved, err
	}
	return moved, s.takeBack(ctx, cluster)
}

// join begins with the drafts of a cluster, after was. The error is errStale if not all of the former one
// are aside.
func (s *shelf) join(ctx context.Context, was state, cluster string) error {
	return s.change(ctx, func(t *turn) error {
		if was.Cluster != "" && was.Cluster != cluster {
			if t.size() > 0 { // somebody has just changed one
				return errStale
			}
			before := was.Former
			t.next = state{Agent: t.next.Agent, Wrote: t.next.Wrote, Former: former{was.Cluster, t.next.Last, t.next.Forgotten}}
			if before.Cluster == cluster {
				t.next.Last, t.next.Forgotten = before.Last, before.Forgotten
			}
		}
		t.next.Cluster = cluster
		return nil
	})
}

// size is how many entries there are.
func (s *shelf) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.index)
}

// isSettled reports whether the drafts are those of a cluster, and nothing of it is aside.
func (s *shelf) isSettled(cluster string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.aside {
		if !strings.HasPrefix(id, formerOf(s.state.Former.Cluster)) {
			return false
		}
	}
	return s.state.Cluster == cluster
}

// setAside stores all entries as those of the former cluster, some at a time.
func (s *shelf) setAside(ctx context.Context, cluster string) error {
	for {
		s.mu.Lock()
		ids := slices.Sorted(maps.Keys(s.index))
		s.mu.Unlock()
		if len(ids) == 0 {
			return nil
		}
		err := s.change(ctx, func(t *turn) error {
			size := 0
			for _, id := range ids {
				e, err := t.entry(id)
				if err != nil {
					return err
				}
				doc, err := encode(e)
				if err != nil {
					return err
				}
				if size += len(doc); size > maxEntries && len(t.aside) > 0 {
					return nil
				}
				t.entries[id], t.aside[formerOf(cluster)+id] = nil, doc
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// takeBack makes what is aside of a cluster its drafts again, some at a time, and removes what is of
// clusters before the former one.
func (s *shelf) takeBack(ctx context.Context, cluster string) error {
	for !s.isSettled(cluster) {
		err := s.change(ctx, func(t *turn) error {
			size := 0
			for _, key := range t.keys() {
				if strings.HasPrefix(key, formerOf(t.next.Former.Cluster)) {
					continue
				}
				id, is := strings.CutPrefix(key, formerOf(cluster))
				if !is {
					t.aside[key] = nil
					continue
				}
				doc, err := t.store.Read(t.ctx, key)
				if err != nil {
					return err
				}
				if size += len(doc); size > maxEntries && len(t.aside) > 0 {
					return nil
				}
				t.aside[key] = nil
				e, err := decode(doc)
				if err != nil || e.id != id {
					t.log.ErrorContext(t.ctx, "draft of the cluster not readable", "draft", id)
					continue
				}
				if _, known := t.mark(id); !known {
					t.put(e)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keys are the IDs of the documents that are aside.
func (s *shelf) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.aside))
}

// errCluster is why a message is not taken over, or not sent.
var errCluster = errors.New("it is of another cluster")

// enter makes the drafts those of the cluster in which this node is, if that is known now.
func (p *peers) enter(ctx context.Context) error {
	moved, err := p.shelf.enter(ctx, p.cfg.Cluster(ctx))
	if moved {
		p.mu.Lock()
		clear(p.silent)
		clear(p.behind)
		clear(p.kept)
		p.confirmed = time.Time{}
		p.mu.Unlock()
	}
	return err
}

// adopt changes the shelf by what is of a cluster. The error is errMoved if this node is in another one.
func (s *shelf) adopt(ctx context.Context, cluster string, do func(t *turn) error) error {
	return s.change(ctx, func(t *turn) error {
		if !t.next.isOf(cluster) {
			return errMoved
		}
		return do(t)
	})
}
