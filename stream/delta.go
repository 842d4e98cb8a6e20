package stream

import (
	"slices"
	"strconv"
	"sync"
	"time"
)

// A delta is what changed in a topic. It is encoded once; all clients share the
// bytes.
type delta struct {
	topic   *Topic
	seq     uint64
	time    time.Time
	born    time.Time
	changed []Object
	removed []Removed
	head    []byte
	size    int

	once  sync.Once
	whole []byte
}

func (d *delta) encodeHead() {
	d.head = appendHead(nil, "delta", d.topic.name, d.seq, d.time, "changed")
	d.size = len(d.head) + 16
	for _, o := range d.changed {
		d.size += len(o.JSON) + 1
	}
	for _, r := range d.removed {
		d.size += len(r.ID) + 3
	}
}

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
		dst = strconv.AppendQuoteToASCII(dst, r.ID) // names, which JSON writes in the same way
	}
	return append(dst, `]}`...)
}

// frame is the delta for a client that wants everything.
func (d *delta) frame() []byte {
	d.once.Do(func() {
		d.whole = appendRemoved(appendObjects(slices.Grow(slices.Clone(d.head), d.size), d.changed), d.removed)
	})
	return d.whole
}

// of is the delta for a client that wants some keys; nil when there is nothing
// in it for them. That of a feed tells that time goes on, whatever is in it.
func (d *delta) of(f *following) []byte {
	frame := append([]byte(nil), d.head...)
	first := true
	for _, o := range d.changed {
		if !f.wants(o.Key) {
			continue
		}
		if !first {
			frame = append(frame, ',')
		}
		first = false
		frame = append(frame, o.JSON...)
	}
	frame = append(frame, ']')
	var removed []Removed
	for _, r := range d.removed {
		if f.wants(r.Key) {
			removed = append(removed, r)
		}
	}
	if first && len(removed) == 0 && d.topic.state == nil {
		return nil
	}
	return appendRemoved(frame, removed)
}
