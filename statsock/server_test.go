package statsock_test

import (
	"bufio"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"thalassa/internal/testkit"
)

// A server is a unix socket that answers the first line of each connection as
// it is told.
type server struct {
	path string

	mu    sync.Mutex
	lines []string
}

// serve starts a server; answer may keep the connection open as long as it
// likes, the test's end closes it.
func serve(t *testing.T, answer func(conn net.Conn, line string)) *server {
	t.Helper()
	s := &server{path: filepath.Join(testkit.SocketDir(t), "s")}
	l, err := net.Listen("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			all.Go(func() {
				defer conn.Close()
				line, err := bufio.NewReader(conn).ReadString('\n')
				if err != nil {
					return
				}
				s.mu.Lock()
				s.lines = append(s.lines, line)
				s.mu.Unlock()
				answer(conn, line)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return s
}

// asked lists the lines received so far.
func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.lines...)
}

// say answers every connection with the same text.
func say(t *testing.T, text string) *server {
	t.Helper()
	return serve(t, func(conn net.Conn, _ string) { _, _ = conn.Write([]byte(text)) })
}

// hang reads the question and never answers.
func hang(t *testing.T) *server {
	t.Helper()
	return serve(t, func(conn net.Conn, _ string) {
		_, _ = conn.Read(make([]byte, 1)) // until the other side or the test closes it
		_, _ = conn.Read(make([]byte, 100))
	})
}
