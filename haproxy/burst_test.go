package haproxy_test

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/lb"
)

// A response and a websocket that are under way live through more reloads than HAProxy
// allows by itself: 56, or as many as THALASSA_BURST says. The old workers that have no
// connections end meanwhile.
func TestRunningRequestsOutliveABurstOfReloads(t *testing.T) {
	reloads, err := strconv.Atoi(cmp.Or(os.Getenv("THALASSA_BURST"), "56"))
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(fx *fixture) {
		finish := make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Upgrade") != "" {
				echo(w)
				return
			}
			_, _ = io.WriteString(w, "begin ")
			_ = http.NewResponseController(w).Flush()
			trickle(w, finish) // or timeout server would cut it
			_, _ = io.WriteString(w, "end")
		}))
		fx.t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
		bind, err := lb.ParseBind(server.Listener.Addr().String())
		if err != nil {
			fx.t.Fatal(err)
		}
		s := &slotFixture{fixture: fx}
		live := pool("live", lb.HostPort(bind))
		config := fx.configOf(live)
		config.Process.HardStopAfter = 5 * time.Minute
		s.reload(config)
		socket := fx.websocket()
		response := fx.begin()
		for i := range reloads {
			config.Process.MaxConn = 1001 + i
			s.reload(config)
		}
		if _, err := io.WriteString(socket, "hello\n"); err != nil {
			fx.t.Errorf("the websocket: %v", err)
		}
		if line, err := bufio.NewReader(socket).ReadString('\n'); err != nil || line != "hello\n" {
			fx.t.Errorf("the websocket answers %q, %v", line, err)
		}
		if old := fx.OldWorkers(fx.t.Context()); old.Count < 1 || old.Count > 3 || old.Memory == 0 || old.Memory > 100<<20 || old.Reloads < reloads {
			fx.t.Errorf("old workers: %+v", old)
		}
		close(finish)
		if body, err := io.ReadAll(response); err != nil || strings.ReplaceAll(string(body), ".", "") != "begin end" {
			fx.t.Errorf("the response is %q, %v", body, err)
		}
	})
}

// trickle sends a byte a second.
func trickle(w http.ResponseWriter, finish <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_, _ = io.WriteString(w, ".")
			_ = http.NewResponseController(w).Flush()
		case <-finish:
			return
		}
	}
}

// echo upgrades the connection, and then returns what it gets.
func echo(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	_, _ = io.Copy(conn, conn)
}

// websocket is an upgraded connection.
func (fx *fixture) websocket() net.Conn {
	fx.t.Helper()
	conn, err := net.Dial("tcp", fx.address())
	if err != nil {
		fx.t.Fatal(err)
	}
	fx.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * patience))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	var head strings.Builder
	for one := make([]byte, 1); !strings.HasSuffix(head.String(), "\r\n\r\n"); {
		if _, err := io.ReadFull(conn, one); err != nil {
			fx.t.Fatalf("the websocket got %q, %v", head.String(), err)
		}
		head.Write(one)
	}
	if !strings.HasPrefix(head.String(), "HTTP/1.1 101 ") {
		fx.t.Fatalf("the websocket got %q", head.String())
	}
	return conn
}

// begin is the body of a response that has begun.
func (fx *fixture) begin() io.Reader {
	fx.t.Helper()
	var response *http.Response
	testkit.Eventually(fx.t, patience, func() error {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+fx.address(), nil)
		if err == nil {
			response, err = new(http.Transport).RoundTrip(request) //nolint:bodyclose // closed below
		}
		return err
	})
	fx.t.Cleanup(func() { _ = response.Body.Close() })
	return response.Body
}
