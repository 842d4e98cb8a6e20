package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"thalassa/internal/testkit"
)

// startGRPC is a gRPC server with the service of health checks. Its answers name it in a
// trailer. A check of the service "slow" takes as long as the client lets it.
func startGRPC(t *testing.T, name string, options ...grpc.ServerOption) (int, *health.Server) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	trailer := metadata.Pairs("member", name)
	server := grpc.NewServer(append(options,
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			if check, ok := req.(*grpc_health_v1.HealthCheckRequest); ok && check.GetService() == "slow" {
				<-ctx.Done()
				return nil, status.FromContextError(ctx.Err()).Err()
			}
			if err := grpc.SetTrailer(ctx, trailer); err != nil {
				return nil, err
			}
			return handler(ctx, req)
		}),
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			ss.SetTrailer(trailer)
			return handler(srv, ss)
		}))...)
	state := health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, state)
	go func() { _ = server.Serve(l) }() // ends with Stop
	t.Cleanup(server.Stop)
	return l.Addr().(*net.TCPAddr).Port, state
}

func dialGRPC(t *testing.T, address string, creds credentials.TransportCredentials) grpc_health_v1.HealthClient {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return grpc_health_v1.NewHealthClient(conn)
}

// checkGRPC asks once, and returns who answered.
func checkGRPC(ctx context.Context, client grpc_health_v1.HealthClient) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var trailer metadata.MD
	answer, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.Trailer(&trailer))
	if err != nil {
		return "", err
	}
	if answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING || len(trailer.Get("member")) != 1 {
		return "", fmt.Errorf("status %v, trailers %v", answer.GetStatus(), trailer)
	}
	return trailer.Get("member")[0], nil
}

// usesGRPC shows unary calls with trailers, errors, deadlines and streams, and a switch of
// the version while a client keeps its connection.
func (n *node) usesGRPC(t *testing.T, client grpc_health_v1.HealthClient, state *health.Server, deploy func()) {
	t.Helper()
	answeredBy := func(want string) {
		t.Helper()
		testkit.Eventually(t, patience, func() error {
			got, err := checkGRPC(t.Context(), client)
			if err != nil || got != want {
				return errors.Join(err, fmt.Errorf("%q answered, expected %q", got, want))
			}
			return nil
		})
	}
	answeredBy("one")
	if _, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "unheard of"}); status.Code(err) != codes.NotFound {
		t.Errorf("the status of an unknown service came as %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := client.Check(short, &grpc_health_v1.HealthCheckRequest{Service: "slow"}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("past its deadline a call ended with %v", err)
	}

	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	watch, err := client.Watch(ctx, &grpc_health_v1.HealthCheckRequest{Service: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []grpc_health_v1.HealthCheckResponse_ServingStatus{
		grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN, grpc_health_v1.HealthCheckResponse_SERVING, grpc_health_v1.HealthCheckResponse_NOT_SERVING,
	} {
		if want != grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN {
			state.SetServingStatus("shop", want)
		}
		answer, err := watch.Recv()
		if err != nil || answer.GetStatus() != want {
			t.Fatalf("the stream has %v %v, expected %v", answer, err, want)
		}
	}
	n.withoutReload(deploy)
	answeredBy("two")
	state.SetServingStatus("shop", grpc_health_v1.HealthCheckResponse_SERVING)
	if answer, err := watch.Recv(); err != nil || answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("after the switch the stream that was open has %v %v", answer, err)
	}
}

// TestGRPC leads calls through a frontend to members that speak HTTP/2 in clear text.
func TestGRPC(t *testing.T) {
	onEveryHAProxy(t, func(t *testing.T) {
		t.Helper()
		n := newNode(t, "127.0.0.1:1")
		n.start()
		first, state := startGRPC(t, "one")
		second, _ := startGRPC(t, "two")
		put := func(port int) {
			n.call(200, http.MethodPut, "/backends/live", fmt.Sprintf(`{"type":"static","protocol":"h2","members":[{"host":"127.0.0.1","port":%d,"target":"m%d"}]}`, port, port))
		}
		put(first)
		n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d proto h2","backend":"live"}`, n.web))
		n.usesGRPC(t, dialGRPC(t, n.address(), insecure.NewCredentials()), state, func() { put(second) })
	})
}

// TestHTTPCheckOverHTTP2 has HAProxy check a member that speaks nothing but HTTP/2.
func TestHTTPCheckOverHTTP2(t *testing.T) {
	onEveryHAProxy(t, func(t *testing.T) {
		t.Helper()
		var asked countedPaths
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Protocols: protocols, ReadHeaderTimeout: patience, Handler: &asked}
		go func() { _ = server.Serve(l) }() // ends with Close
		t.Cleanup(func() { _ = server.Close() })

		n := newNode(t, "127.0.0.1:1")
		n.start()
		n.call(200, http.MethodPut, "/backends/live", fmt.Sprintf(`{"type":"static","members":[{"host":"127.0.0.1","port":%d}],
			"protocol":"h2","host":"shop.example","health":{"uri":"/up","httpVersion":"HTTP/1.1","interval":100}}`, l.Addr().(*net.TCPAddr).Port))
		n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
		n.answers("HTTP/2.0 shop.example")
		testkit.Eventually(t, patience, func() error {
			if count := asked.of("/up"); count < 3 {
				return fmt.Errorf("%d checks", count)
			}
			return nil
		})
		asked.refuse.Store(true)
		testkit.Eventually(t, patience, func() error {
			if _, err := n.get(); err == nil {
				return errors.New("a member whose check fails gets requests")
			}
			return nil
		})
	})
}

// countedPaths answers with the protocol and the host, and counts requests by their paths.
type countedPaths struct {
	refuse atomic.Bool // requests of /up

	mu    sync.Mutex
	count map[string]int
}

func (c *countedPaths) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	if c.count == nil {
		c.count = map[string]int{}
	}
	c.count[r.URL.Path]++
	c.mu.Unlock()
	if r.URL.Path == "/up" && c.refuse.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	fmt.Fprint(w, r.Proto, " ", r.Host)
}

func (c *countedPaths) of(path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[path]
}
