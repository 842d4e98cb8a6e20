package stream

import (
	"slices"
	"strconv"
	"time"
)

// A delta is what changed in a topic. It is encoded once; all clients share the
// bytes.
type delta struct {
	topic   *Topic
	seq     uint64
	time    time.Time
	created time.Time
	frame   []byte // for a client that wants everything
	// Of a keyed topic: the key of each object in the frame, and where the object ends.
	// The first object begins at head.
	keys    []string
	ends    []int
	head    int
	removed []Removed
}

// encode makes the frame. It does not keep the objects.
func (d *delta) encode(changed []Object) {
	size := len(d.topic.name) + 128
	for _, o := range changed {
		size += len(o.JSON) + 1
	}
	for _, r := range d.removed {
		size += len(r.ID) + 3
	}
	frame := appendHead(make([]byte, 0, size), "delta", d.topic.name, d.seq, d.time, "changed")
	d.head = len(frame)
	if !d.topic.keyed {
		d.frame = appendRemoved(appendObjects(frame, changed), d.removed)
		return
	}
	d.keys, d.ends = make([]string, len(changed)), make([]int, len(changed))
	for i, o := range changed {
		frame = append(frame, o.JSON...)
		d.keys[i], d.ends[i] = o.Key, len(frame)
		frame = append(frame, ',')
	}
	if len(changed) > 0 {
		frame = frame[:len(frame)-1]
	}
	d.frame = appendRemoved(append(frame, ']'), d.removed)
}

func (d *delta) size() int { return len(d.frame) }

// appendHead begins a state or a delta, up to the first object.
func appendHead(dst []byte, kind, topic string, seq uint64, at time.Time, list string) []byte {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","topic":"`...)
	dst = append(dst, topic...)
	dst = append(dst, `","seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	dst = append(dst, `,"time":`...)
	dst = strconv.AppendInt(dst, at.UnixMilli(), 10)
	dst = append(dst, `,"`...)
	dst = append(dst, list...)
	return append(dst, `":[`...)
}

func appendObjects(dst []byte, objects []Object) []byte {
	for i, o := range objects {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, o.JSON...)
	}
	return append(dst, ']')
}

func appendRemoved(dst []byte, removed []Removed) []byte {
	dst = append(dst, `,"removed":[`...)
	for i, r := range removed {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendQuoteToASCII(dst, r.ID) // JSON quotes names in the same way
	}
	return append(dst, `]}`...)
}

// filter is the frame for clients that want some keys; nil if it has nothing for
// them. That of a feed is never nil, because its time is news. Whoever wants all of it
// shares the frame of everybody.
func (d *delta) filter(keys *keySet) []byte {
	if d.isWanted(keys) {
		return d.frame
	}
	frame := append([]byte(nil), d.frame[:d.head]...)
	begin := d.head
	for i, end := range d.ends {
		if keys.has(d.keys[i]) {
			frame = append(append(frame, d.frame[begin:end]...), ',')
		}
		begin = end + 1 // after the comma
	}
	nothing := len(frame) == d.head
	if !nothing {
		frame = frame[:len(frame)-1]
	}
	var removed []Removed
	for _, r := range d.removed {
		if keys.has(r.Key) {
			removed = append(removed, r)
		}
	}
	if nothing && len(removed) == 0 && d.topic.state == nil {
		return nil
	}
	return appendRemoved(append(frame, ']'), removed)
}

// isWanted reports whether all objects of the delta have keys of a set.
func (d *delta) isWanted(keys *keySet) bool {
	return !slices.ContainsFunc(d.keys, func(key string) bool { return !keys.has(key) }) &&
		!slices.ContainsFunc(d.removed, func(r Removed) bool { return !keys.has(r.Key) })
}
