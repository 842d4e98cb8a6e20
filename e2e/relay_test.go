package e2e_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A relay passes connections on to another address while it is open.
type relay struct {
	tb      testing.TB
	address string // its own
	to      string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
}

// newRelay opens a relay that closes with the test.
func newRelay(tb testing.TB, to string) *relay {
	tb.Helper()
	r := &relay{tb: tb, address: "127.0.0.1:0", to: to, conns: map[net.Conn]bool{}}
	r.open()
	tb.Cleanup(r.close)
	return r
}

func (r *relay) open() {
	r.tb.Helper()
	listener, err := net.Listen("tcp", r.address)
	if err != nil {
		r.tb.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listener, r.address = listener, listener.Addr().String()
	go func() { // ends with close
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go r.pass(conn)
		}
	}()
}

// close refuses connections and ends those there are.
func (r *relay) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.listener.Close()
	for conn := range r.conns {
		_ = conn.Close()
	}
}

func (r *relay) pass(conn net.Conn) {
	defer conn.Close()
	out, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	defer out.Close()
	r.mu.Lock()
	r.conns[conn] = true
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.conns, conn)
	}()
	go func() {
		_, _ = io.Copy(conn, out)
		_ = conn.Close()
	}()
	_, _ = io.Copy(out, conn)
}
