package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"thalassa/internal/wake"
)

const (
	// firstByteTime is how long a connection may send nothing.
	firstByteTime = 10 * time.Second
	// handshakeTime bounds the handshake after it.
	handshakeTime = 10 * time.Second
	// record is the first byte of a TLS connection: the type of a handshake record
	// (RFC 8446, section 5.1).
	record = 0x16
)

// A Port is a listener for TLS and plain connections. Accept returns a *tls.Conn after its
// handshake for a connection that begins with a TLS record, and the connection itself for
// any other. Make it with NewPort.
type Port struct {
	net.Listener
	config atomic.Pointer[tls.Config]

	ready chan net.Conn
	ended context.Context //nolint:containedctx // the end of Close, not of a call
	end   context.CancelFunc
	err   error // of the listener; set before ended is over
	begin sync.Once
}

// NewPort returns a Port for a TCP listener. The configuration must have a certificate.
func NewPort(l net.Listener, config *tls.Config) *Port {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Port{Listener: l, ready: make(chan net.Conn), ended: ctx, end: cancel}
	p.Configure(config)
	return p
}

// Configure replaces the configuration for new connections. TLS sessions of earlier ones are not
// resumed.
func (p *Port) Configure(config *tls.Config) { p.config.Store(config) }

// Accept returns the next connection that has sent its first byte. An error means that the listener
// has ended.
func (p *Port) Accept() (net.Conn, error) {
	p.begin.Do(func() { go p.accept() })
	select {
	case conn := <-p.ready:
		return conn, nil
	case <-p.ended.Done():
		return nil, p.err
	}
}

// Close closes the listener, and connections that Accept has not returned.
func (p *Port) Close() error {
	err := p.Listener.Close()
	p.begin.Do(func() { p.stop(net.ErrClosed) })
	return err
}

// accept accepts connections until the listener ends. After temporary failures, such as a lack of
// file descriptors, it tries again after a pause.
func (p *Port) accept() {
	const longest = time.Second
	pause := 5 * time.Millisecond
	for {
		conn, err := p.Listener.Accept()
		if err == nil {
			pause = 5 * time.Millisecond
			go p.sort(conn)
			continue
		}
		if !isTemporary(err) {
			p.stop(err)
			return
		}
		_ = wake.Pause(p.ended, pause)
		pause = min(2*pause, longest)
	}
}

// isTemporary reports whether a listener may accept connections after this error.
func isTemporary(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOBUFS) ||
		errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ECONNABORTED)
}

func (p *Port) stop(err error) {
	p.err = err
	p.end()
}

// sort waits for the first byte of a connection and passes the connection to Accept.
func (p *Port) sort(conn net.Conn) {
	first, err := peek(conn)
	if err != nil {
		_ = conn.Close() // it sent nothing, or has gone
		return
	}
	if first == record {
		secure := tls.Server(conn, p.config.Load())
		if !p.shake(secure) {
			return
		}
		conn = secure
	}
	select {
	case p.ready <- conn:
	case <-p.ended.Done():
		_ = conn.Close() // nobody accepts any more
	}
}

// shake makes the handshake of a connection; false: it has failed, and the connection is closed.
// That happens in a goroutine of its own, because the memory that its stack needs would stay with
// the goroutine that serves the connection.
func (p *Port) shake(conn *tls.Conn) bool {
	err := conn.SetDeadline(time.Now().Add(handshakeTime))
	if err == nil {
		err = conn.HandshakeContext(p.ended)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = conn.Close()
	}
	return err == nil
}

// peek waits for the first byte of a connection and leaves it there to be read.
func peek(conn net.Conn) (first byte, err error) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return 0, errors.New("the connection has no socket")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(firstByteTime)); err != nil {
		return 0, err
	}
	var b [1]byte
	n, failed := 0, error(nil)
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, _, failed = unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK)
			if !errors.Is(failed, unix.EINTR) {
				return !errors.Is(failed, unix.EAGAIN)
			}
		}
	})
	switch {
	case err != nil:
		return 0, err
	case failed != nil:
		return 0, failed
	case n == 0:
		return 0, errors.New("closed without a byte")
	}
	return b[0], conn.SetReadDeadline(time.Time{})
}
