package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// undoWithin bounds the undoing of all steps: Pacemaker may have to stop resources.
const undoWithin = 10 * time.Minute

// A step is one thing that is done to this node.
type step struct {
	name, does string // does: a sentence
	// isDone reports whether nothing has to be done.
	isDone func(ctx context.Context) (bool, error)
	do     func(ctx context.Context) error
	undo   func(ctx context.Context) error // nil: there is nothing to undo
}

// A setup carries out steps.
type setup struct{ *node }

func (n *node) asSetup() setup { return setup{n} }

// run does all steps that are not done. When one fails, all that have begun are undone in reverse
// order.
func (n setup) run(ctx context.Context, steps []step) error {
	for _, s := range steps {
		if err := n.one(ctx, s); err != nil {
			n.tell(Event{Step: s.name, State: "failed", Text: err.Error()})
			err = fmt.Errorf("step %s: %w", s.name, err)
			return errors.Join(err, n.undoAll(ctx, steps))
		}
	}
	return nil
}

func (n setup) one(ctx context.Context, s step) error {
	n.cfg.BeforeStep(s.name)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if slices.Contains(n.journal.Done, s.name) {
		done, err := s.isDone(ctx)
		if err != nil {
			return err
		}
		if done {
			n.tell(Event{Step: s.name, State: "kept", Text: s.does})
			return nil
		}
	}
	n.tell(Event{Step: s.name, State: "begin", Text: s.does})
	if err := n.journal.begin(s.name); err != nil {
		return err
	}
	if err := s.do(ctx); err != nil {
		return err
	}
	if done, err := s.isDone(ctx); err != nil {
		return err
	} else if !done {
		return errors.New("it had no effect")
	}
	if err := n.journal.finish(s.name); err != nil {
		return err
	}
	n.tell(Event{Step: s.name, State: "done", Text: s.does})
	return nil
}

// undoAll undoes the steps that have begun, the last one first, also after the end of ctx. What
// cannot be undone is named, and ends it: the steps before it may rely on it.
func (n setup) undoAll(ctx context.Context, steps []step) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoWithin)
	defer cancel()
	for _, s := range slices.Backward(steps) {
		if !slices.Contains(n.journal.Begun, s.name) {
			continue
		}
		n.cfg.BeforeStep("undo " + s.name)
		if s.undo != nil {
			if err := s.undo(ctx); err != nil {
				return fmt.Errorf("undoing step %s: %w; thalassa cluster leave tries again", s.name, err)
			}
		}
		if err := n.journal.drop(s.name); err != nil {
			return err
		}
		n.tell(Event{Step: s.name, State: "undone", Text: s.does})
	}
	return n.journal.remove()
}
