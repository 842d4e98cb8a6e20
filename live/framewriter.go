package live

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errNoRoom says that a frame could not be written without blocking; the rest of it waits.
var errNoRoom = errors.New("the send buffer has no room for the whole frame")

// A frameWriter is the connection of a websocket. The websocket library reads from it,
// and writes control frames. Texts do not go through the library, which
// would copy them and need a goroutine for each.
type frameWriter struct {
	net.Conn
	raw syscall.RawConn // nil: every write may block
	// lock has one slot: whoever filled it may write one whole frame.
	lock chan struct{}
	// rest is the unwritten part of a frame; used by the goroutine that writes texts.
	rest net.Buffers
	// begun says that a part of the frame has been written, and lock is held.
	begun bool
}

func newFrameWriter(conn net.Conn) *frameWriter {
	w := &frameWriter{Conn: conn, lock: make(chan struct{}, 1)}
	if c, ok := conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			w.raw = raw
		}
	}
	return w
}

// Write is for the library, which writes whole frames.
func (w *frameWriter) Write(p []byte) (int, error) {
	w.lock <- struct{}{}
	defer func() { <-w.lock }()
	return w.Conn.Write(p)
}

// ping sends a ping; false: there is no room for it.
func (w *frameWriter) ping() bool {
	ping := []byte{0x89, 0}
	if w.raw == nil {
		go func() { _, _ = w.Write(ping) }() // fails with the connection
		return true
	}
	select {
	case w.lock <- struct{}{}:
	default:
		return false
	}
	n, err := w.writeNow(net.Buffers{ping})
	<-w.lock
	if n == 1 { // never: there is room for both bytes or for none
		err = w.Close()
	}
	return err == nil && n > 0
}

// textFrame is a text with its frame header.
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

// tryWriteText writes a text without blocking. After errNoRoom flush writes the
// rest. Once ctx has ended, nothing is written and its cause is the error.
func (w *frameWriter) tryWriteText(ctx context.Context, text []byte) error {
	w.rest = textFrame(text)
	if w.raw == nil {
		return errNoRoom
	}
	select {
	case w.lock <- struct{}{}:
	default:
		return errNoRoom
	}
	if err := context.Cause(ctx); err != nil {
		w.rest = nil
		<-w.lock
		return err
	}
	n, err := w.writeNow(w.rest)
	if err == nil && w.advance(n) {
		w.begun = true // lock stays taken
		return errNoRoom
	}
	w.rest = nil
	<-w.lock
	return err
}

// writeNow writes as much as there is room for, perhaps nothing.
func (w *frameWriter) writeNow(bufs net.Buffers) (n int, err error) {
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

// advance removes the n bytes that were written from rest and reports whether any
// are left.
func (w *frameWriter) advance(n int) bool {
	for len(w.rest) > 0 && n >= len(w.rest[0]) {
		n -= len(w.rest[0])
		w.rest = w.rest[1:]
	}
	if len(w.rest) > 0 {
		w.rest[0] = w.rest[0][n:]
	}
	return len(w.rest) > 0
}

// writeText writes a text. It may block for frameTimeout.
func (w *frameWriter) writeText(ctx context.Context, text []byte) error {
	w.lock <- struct{}{}
	return w.writeLocked(ctx, textFrame(text))
}

// flush writes the rest of a frame.
func (w *frameWriter) flush(ctx context.Context) error {
	rest, begun := w.rest, w.begun
	w.rest, w.begun = nil, false
	if len(rest) == 0 {
		return nil
	}
	if !begun {
		w.lock <- struct{}{}
	}
	return w.writeLocked(ctx, rest)
}

// breakOff ends a write that is under way, once its context has ended.
func (w *frameWriter) breakOff() {
	select {
	case w.lock <- struct{}{}:
		<-w.lock // there is none
	default:
		_ = w.SetWriteDeadline(time.Unix(1, 0))
	}
}

// writeLocked writes and releases the lock.
func (w *frameWriter) writeLocked(ctx context.Context, bufs net.Buffers) error {
	defer func() { <-w.lock }()
	if err := w.SetWriteDeadline(time.Now().Add(frameTimeout)); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil { // then breakOff is not undone
		return err
	}
	if _, err := bufs.WriteTo(w.Conn); err != nil {
		return err
	}
	return w.SetWriteDeadline(time.Time{})
}
