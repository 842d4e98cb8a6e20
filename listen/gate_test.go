package listen_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/listen"
)

// gate serves HTTP behind a Gate; a request to /wait gets its header at once, and the rest when
// the test ends, or its client goes.
func gate(t *testing.T, cfg listen.GateConfig) (*listen.Gate, string) {
	t.Helper()
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	g, end := listen.NewGate(l, cfg), make(chan struct{})
	server := &http.Server{ConnState: g.Track, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			_ = http.NewResponseController(w).Flush()
			select {
			case <-end:
			case <-r.Context().Done(): // the client has gone
			}
		}
		_, _ = io.WriteString(w, "hello")
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(g) }()
	t.Cleanup(func() {
		close(end)
		if err := errors.Join(server.Close(), <-served); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return g, port
}

// dial connects from an address to the address that goes with it.
func dial(t *testing.T, from, port string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	conn, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(from, port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ask sends a request and returns the answer.
func ask(conn net.Conn) (string, error) {
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return "", err
	}
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	return string(b[:n]), err
}

// own is an address of this machine that is not on the loopback.
func own(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	testkit.Missing(t, "an address that is not on the loopback")
	return ""
}

func answers(t *testing.T, conn net.Conn) {
	t.Helper()
	if text, err := ask(conn); err != nil || !strings.Contains(text, "hello") {
		t.Errorf("%q, %v", text, err)
	}
}

// An address that has too many connections loses its oldest idle one for each new one.
func TestIdleConnectionsOfOneAddress(t *testing.T) {
	t.Parallel()
	g, port := gate(t, listen.GateConfig{Most: 100, PerAddress: 4})
	told := make(chan string, 100)
	g.OnRefusal(func(why string) { told <- why })
	first := dial(t, "127.0.0.1", port)
	answers(t, first)
	for range 20 {
		answers(t, dial(t, "127.0.0.1", port))
	}
	if open, refused := g.Open(); open > 4 || refused < 17 || !strings.Contains(<-told, "from 127.0.0.0/8") {
		t.Errorf("%d open, %d refused", open, refused)
	}
	if _, err := ask(first); err == nil {
		t.Error("the oldest idle connection is still open")
	}
}

// A connection with a request under way is never closed for another one; the new one is.
func TestActiveConnectionsStay(t *testing.T) {
	t.Parallel()
	g, port := gate(t, listen.GateConfig{Most: 100, PerAddress: 3})
	var active []net.Conn
	for range 3 {
		conn := dial(t, "127.0.0.1", port)
		if _, err := io.WriteString(conn, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 12)); err != nil { // it is being served
			t.Fatal(err)
		}
		active = append(active, conn)
	}
	testkit.Eventually(t, 10*time.Second, func() error {
		if _, err := ask(dial(t, "127.0.0.1", port)); err == nil {
			return errors.New("a fourth connection is served")
		}
		return nil
	})
	if open, _ := g.Open(); open != 3 {
		t.Errorf("%d open, expected 3", open)
	}
	for _, conn := range active {
		_ = conn.Close()
	}
	testkit.Eventually(t, 10*time.Second, func() error {
		_, err := ask(dial(t, "127.0.0.1", port))
		return err
	})
}

// Strangers that fill everything do not lock this machine out, even with requests under
// way; and idle ones make room for each other.
func TestStrangersLeaveRoomForThisMachine(t *testing.T) {
	t.Parallel()
	g, port := gate(t, listen.GateConfig{Most: 16, PerAddress: 16})
	stranger := own(t)
	for range 30 {
		conn := dial(t, stranger, port)
		_, _ = io.WriteString(conn, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	for range 6 {
		answers(t, dial(t, "127.0.0.1", port))
	}
	if open, _ := g.Open(); open > 16 {
		t.Errorf("%d open, expected 16 at most", open)
	}
}
