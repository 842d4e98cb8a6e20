package stream

import "errors"

// maxWhole bounds a state that is kept, in bytes.
const maxWhole = 4 << 20

// errLarge ends the making of a state that is not to be kept.
var errLarge = errors.New("the state is large")

// A state is a whole topic as clients get it, kept for a moment while it is
// news: when an agent starts again, everybody comes back at once.
type state struct {
	place  position
	frames [][]byte // nil: it is too large to be kept
}

// whole is the state of the topic for who wants all of it; nil frames: it is to
// be made piece by piece.
func (t *Topic) whole() (position, [][]byte) {
	t.making <- struct{}{} // the others wait for what one makes
	defer func() { <-t.making }()
	t.hub.mu.Lock()
	kept, changes := t.kept, t.changes
	t.hub.mu.Unlock()
	if kept != nil {
		return kept.place, kept.frames
	}
	s, size := &state{}, 0
	err := t.writeState(&selection{}, func(p position) { s.place = p }, func(frame []byte) error {
		if size += len(frame); size > maxWhole {
			return errLarge
		}
		s.frames = append(s.frames, frame)
		return nil
	})
	if err != nil {
		s.frames = nil
	}
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	if t.changes == changes {
		t.kept = s
	}
	return s.place, s.frames
}

// changed says that a state of the topic that is kept is not news any more; those
// of the others go as well, as they are memory. hub.mu is held.
func (t *Topic) changed() {
	t.changes++
	for _, o := range t.hub.topics {
		o.kept = nil
	}
}
