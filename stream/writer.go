package stream

import (
	"slices"
	"strconv"
	"time"
)

// pieceSize is about how much of a state goes into one frame.
const pieceSize = 128 << 10

// A writer makes a client's frames.
type writer struct {
	client    *Client
	write     func(frame []byte) error
	positions []position
}

// A position is how far a client is in a topic: the state that it got includes the
// deltas up to there.
type position struct {
	topic *Topic
	seq   uint64
	time  time.Time // of feeds
}

// step does the next task; false: there was none.
func (w *writer) step(briefly bool) (bool, error) {
	t, err := w.client.next(briefly)
	switch {
	case err != nil:
		return false, err
	case t.state:
		return true, w.states(t.sub)
	case t.resumed:
		w.positions = nil
		return true, w.write(append(strconv.AppendUint([]byte(`{"type":"resumed","seq":`), t.sub.Seq, 10), '}'))
	case t.delta != nil:
		return true, w.delta(t.sub, t.delta)
	}
	return false, nil
}

func (w *writer) delta(sub *selection, d *delta) error {
	for _, p := range w.positions {
		if p.topic == d.topic && (d.seq <= p.seq || d.time.Before(p.time)) {
			return nil
		}
	}
	if sub.keys == nil || !d.topic.keyed {
		return w.write(d.frame)
	}
	frame, own := sub.keys.frame(d)
	if frame == nil {
		return nil
	}
	w.client.hold(own)
	return w.write(frame)
}

// states writes everything of every topic.
func (w *writer) states(sub *selection) error {
	w.positions = nil
	for _, t := range sub.topics {
		if err := w.state(sub, t); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) state(sub *selection, t *Topic) error {
	if sub.keys == nil || !t.keyed {
		if s := t.whole(); s.frames != nil {
			w.client.hold(&s.block)
			w.positions = append(w.positions, s.position)
			for _, frame := range s.frames {
				if err := w.write(frame); err != nil {
					return err
				}
			}
			return nil
		}
	}
	hold := func(size int) { w.client.hold(&block{size: size}) }
	return t.writeState(sub, func(p position) { w.positions = append(w.positions, p) }, hold, w.write)
}

// writeState makes the frames of a state and passes them to write. begin is called
// before the first, and hold with the size of each before it is made.
func (t *Topic) writeState(sub *selection, begin func(position), hold func(size int), write func([]byte) error) error {
	t.hub.mu.Lock()
	seq, at, objects := t.hub.seq, t.at, t.objects
	t.hub.mu.Unlock()
	p := stateWriter{hold: hold, write: write, topic: t.name, seq: seq}
	if t.state == nil {
		begin(position{topic: t, seq: seq})
		if sub.keys != nil && t.keyed {
			objects = slices.DeleteFunc(slices.Clone(objects), func(o Object) bool { return !sub.keys.has(o.Key) })
		}
		for first := true; first || len(objects) > 0; first = false {
			var piece []Object
			piece, objects = split(objects)
			if err := p.put(at, piece); err != nil {
				return err
			}
		}
		return nil
	}
	var err error
	t.state(sub.keyList(t), func(at time.Time, piece []Object) bool {
		if p.pieces == 0 {
			begin(position{topic: t, time: at})
		}
		err = p.put(at, piece)
		return err == nil
	})
	return err
}

// keyList is the keys that a feed is limited to; nil: it is not limited.
func (f *selection) keyList(t *Topic) []string {
	if !t.keyed {
		return nil
	}
	return f.Keys
}

// split cuts off the first piece.
func split(objects []Object) (piece, rest []Object) {
	size, n := 0, 0
	for n < len(objects) && size < pieceSize {
		size += len(objects[n].JSON)
		n++
	}
	return objects[:n], objects[n:]
}

// stateWriter writes a state: the first piece as a state, the others as deltas with the
// same number.
type stateWriter struct {
	hold   func(size int)
	write  func([]byte) error
	topic  string
	seq    uint64
	pieces int
}

func (p *stateWriter) put(at time.Time, piece []Object) error {
	size := 256
	for _, o := range piece {
		size += len(o.JSON) + 1
	}
	p.hold(size)
	frame := make([]byte, 0, size)
	p.pieces++
	if p.pieces == 1 {
		frame = appendObjects(appendHead(frame, "state", p.topic, p.seq, at, "objects"), piece)
		return p.write(append(frame, '}'))
	}
	if len(piece) == 0 {
		return nil
	}
	frame = appendObjects(appendHead(frame, "delta", p.topic, p.seq, at, "changed"), piece)
	return p.write(appendRemoved(frame, nil))
}
