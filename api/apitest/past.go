package apitest

import (
	"context"
	"fmt"

	"thalassa/lb"
)

// Revision is one of the history.
func (n *Node) Revision(_ context.Context, number uint64) (lb.Revision, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if number == 0 || number > uint64(len(n.revisions)) {
		return lb.Revision{}, &lb.NotFoundError{ID: fmt.Sprintf("revisions/%d", number)}
	}
	return n.revisions[number-1], n.trouble
}

// IntentAt goes back from the newest revision.
func (n *Node) IntentAt(ctx context.Context, number uint64) (lb.Intent, error) {
	n.mu.Lock()
	newest, in := uint64(len(n.revisions)), n.intent
	n.mu.Unlock()
	if number > newest {
		return lb.Intent{}, &lb.NotFoundError{ID: fmt.Sprintf("revisions/%d", number)}
	}
	for ; newest > number; newest-- {
		rev, err := n.Revision(ctx, newest)
		if err != nil {
			return lb.Intent{}, err
		}
		undo := make([]lb.ObjectChange, len(rev.Changes))
		for i, change := range rev.Changes {
			undo[i] = lb.ObjectChange{ID: change.ID, After: change.Before}
		}
		in = in.With(undo)
	}
	in.Revision = number
	return in, n.trouble
}

// ConfigOf is the configuration that was in effect for a revision.
func (n *Node) ConfigOf(ctx context.Context, revision uint64) (lb.Recorded, error) {
	configs, err := n.Configs(ctx, 0, len(n.configs))
	if err != nil {
		return lb.Recorded{}, err
	}
	for _, r := range configs {
		if r.Revision == revision {
			return r, nil
		}
	}
	return lb.Recorded{}, &lb.NotFoundError{ID: fmt.Sprintf("the haproxy.cfg of revisions/%d", revision)}
}
