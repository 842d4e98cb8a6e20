package stream

import "errors"

// maxKept is the maximum size of a state that is kept, in bytes.
const maxKept = 4 << 20

// errLarge says that a state is larger than maxKept.
var errLarge = errors.New("the state is large")

// A state is a whole topic as clients get it. It is kept until the next change:
// when an agent restarts, all clients come back at once.
type state struct {
	position position
	frames   [][]byte // nil: it is too large to be kept
	block    block    // of frames
}

// whole is the state of the topic for clients that want all of it; nil frames: it is
// too large and has to be made piece by piece.
func (t *Topic) whole() *state {
	t.making <- struct{}{} // the others wait for the first
	defer func() { <-t.making }()
	t.hub.mu.Lock()
	kept, changes := t.kept, t.changes
	t.hub.mu.Unlock()
	if kept != nil {
		return kept
	}
	s := &state{}
	err := t.writeState(&selection{}, func(p position) { s.position = p }, func(int) {}, func(frame []byte) error {
		if s.block.size += len(frame); s.block.size > maxKept {
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
	return s
}

// changed drops the kept state of the topic, and those of the other topics to save
// memory. hub.mu is held.
func (t *Topic) changed() {
	t.changes++
	for _, o := range t.hub.topics {
		o.kept = nil
	}
}
