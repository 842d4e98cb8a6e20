package api

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errRoom says that a frame could not be written at once; the rest of it waits.
var errRoom = errors.New("there is no room for a whole frame")

// A wire is the connection of a websocket. The websocket library reads from it,
// and writes what keeps it alive and ends it. Texts are written past the library:
// it would copy them, and need a goroutine that waits for each.
type wire struct {
	net.Conn
	raw syscall.RawConn // nil: nothing can be written at once
	// turn has one slot: who filled it may write, one whole frame.
	turn chan struct{}
	// rest is what waits of a frame that was begun; of whoever tells.
	rest net.Buffers
	// begun says that a part of rest has been written, and the turn is taken.
	begun bool
}

func newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn, turn: make(chan struct{}, 1)}
	if c, ok := conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			w.raw = raw
		}
	}
	return w
}

// Write is for the library, whose frames come whole.
func (w *wire) Write(p []byte) (int, error) {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	return w.Conn.Write(p)
}

// ping asks the other side for an answer; false: there is no room for that.
func (w *wire) ping() bool {
	ping := []byte{0x89, 0}
	if w.raw == nil {
		go func() { _, _ = w.Write(ping) }() // fails with what is under way
		return true
	}
	select {
	case w.turn <- struct{}{}:
	default:
		return false
	}
	n, err := w.writeNow(net.Buffers{ping})
	<-w.turn
	if n == 1 { // never: two bytes have room or have not
		err = w.Close()
	}
	return err == nil && n > 0
}

// textFrame is a text as it goes over the wire.
func textFrame(text []byte) net.Buffers {
	const finalText, two, eight = 0x81, 126, 127
	head := []byte{finalText, byte(len(text))}
	switch {
	case len(text) > 0xffff:
		head = binary.BigEndian.AppendUint64(append(head[:1], eight), uint64(len(text)))
	case len(text) >= two:
		head = binary.BigEndian.AppendUint16(append(head[:1], two), uint16(len(text)))
	}
	return net.Buffers{head, text}
}

// put writes a text without waiting. With errRoom it is for finish to write the
// rest. Nothing is written once ctx has ended; that is the error then.
func (w *wire) put(ctx context.Context, text []byte) error {
	w.rest = textFrame(text)
	if w.raw == nil {
		return errRoom
	}
	select {
	case w.turn <- struct{}{}:
	default:
		return errRoom
	}
	if err := context.Cause(ctx); err != nil {
		w.rest = nil
		<-w.turn
		return err
	}
	n, err := w.writeNow(w.rest)
	if err == nil && w.cut(n) {
		w.begun = true // and nobody may write in between
		return errRoom
	}
	w.rest = nil
	<-w.turn
	return err
}

// writeNow writes what there is room for.
func (w *wire) writeNow(bufs net.Buffers) (n int, err error) {
	failed := w.raw.Write(func(fd uintptr) bool {
		for {
			if n, err = unix.Writev(int(fd), bufs); !errors.Is(err, unix.EINTR) {
				return true
			}
		}
	})
	switch {
	case failed != nil:
		return 0, failed
	case errors.Is(err, unix.EAGAIN):
		return 0, nil
	case err != nil:
		return 0, err
	}
	return n, nil
}

// cut takes what was written off the rest and reports whether there is any left.
func (w *wire) cut(n int) bool {
	for len(w.rest) > 0 && n >= len(w.rest[0]) {
		n -= len(w.rest[0])
		w.rest = w.rest[1:]
	}
	if len(w.rest) > 0 {
		w.rest[0] = w.rest[0][n:]
	}
	return len(w.rest) > 0
}

// send writes a text, however long that takes within the time for a frame.
func (w *wire) send(ctx context.Context, text []byte) error {
	w.turn <- struct{}{}
	return w.write(ctx, textFrame(text))
}

// finish writes what waits.
func (w *wire) finish(ctx context.Context) error {
	rest, begun := w.rest, w.begun
	w.rest, w.begun = nil, false
	if len(rest) == 0 {
		return nil
	}
	if !begun {
		w.turn <- struct{}{}
	}
	return w.write(ctx, rest)
}

// write writes and ends the turn.
func (w *wire) write(ctx context.Context, bufs net.Buffers) error {
	defer func() { <-w.turn }()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := w.SetWriteDeadline(time.Now().Add(frameTimeout)); err != nil {
		return err
	}
	if _, err := bufs.WriteTo(w.Conn); err != nil {
		return err
	}
	return w.SetWriteDeadline(time.Time{})
}
