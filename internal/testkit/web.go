package testkit

import (
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"
)

// A Web is an HTTP server that answers every request with one line.
type Web struct {
	Port   int
	server *http.Server
}

// StartWeb serves the line on a free port of the loopback until Close or the
// test's end.
func StartWeb(tb testing.TB, line string) *Web {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	w := &Web{Port: l.Addr().(*net.TCPAddr).Port}
	w.server = &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler:           http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprintln(rw, line) }),
	}
	go func() { _ = w.server.Serve(l) }() // ends with Close
	tb.Cleanup(w.Close)
	return w
}

// Close ends the server and its connections at once.
func (w *Web) Close() { _ = w.server.Close() }

// Eventually polls until ok returns nil, and fails the test with its last error
// when that takes longer than patience. It polls every 5 ms, and pauses as long as ok took
// where that is longer, half a second at most: what it waits for is often at work on the same
// machine.
func Eventually(tb testing.TB, patience time.Duration, ok func() error) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	for {
		begun := time.Now()
		err := ok()
		if err == nil {
			return
		}
		now := time.Now()
		if !now.Before(deadline) {
			tb.Fatalf("not within %s: %v", patience, err)
		}
		<-time.After(min(max(now.Sub(begun), 5*time.Millisecond), 500*time.Millisecond, deadline.Sub(now)))
	}
}
