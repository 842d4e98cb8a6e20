package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"thalassa/api"
	"thalassa/auth"
)

// TestAdmission: without tokens a connection that is not admitted has no rights,
// whatever it asks for.
func TestAdmission(t *testing.T) {
	t.Parallel()
	s := filledFixture(t, func(c *api.Config) {
		c.Admit = func(_ context.Context, from, to netip.AddrPort) error {
			if !from.Addr().IsLoopback() || !to.Addr().IsLoopback() || to.Port() == 0 {
				return errors.New("no address")
			}
			return errors.New("the connection comes out of HAProxy")
		}
	})
	for _, r := range [][3]string{
		{"PUT", "/backends/pwned", `{"type":"static"}`},
		{"POST", "/backends/live", `{"version":"1.0.0"}`},
		{"DELETE", "/frontends/www", ""},
		{"GET", "/backends", ""},
		{"GET", "/session", ""},
		{"POST", "/session", `{"token":"0123456789abcdef"}`},
		{"GET", "/metrics", ""},
		{"GET", "/streams", ""},
		{"GET", "/openapi.json", ""},
		{"GET", "/", ""},
	} {
		f := s.send(r[0], r[1], r[2], "Content-Type: application/json").refused(t, http.StatusForbidden, "forbidden")
		if !strings.Contains(f.Error, "comes out of HAProxy") || !strings.Contains(f.Error, "--token-file") {
			t.Errorf("%s %s says %q", r[0], r[1], f.Error)
		}
	}
	for _, open := range []string{"/healthz", "/readyz"} {
		if r := s.raw("GET", open); r.status == http.StatusForbidden {
			t.Errorf("%s is forbidden", open)
		}
	}
	if in, err := s.Intent(t.Context()); err != nil || len(in.Backends) != 2 || len(in.Frontends) != 1 {
		t.Errorf("something has changed: %v, %v", in, err)
	}
}

// serveOn serves an API on loopback until the test ends.
func serveOn(t *testing.T, cfg api.Config) (address string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- api.New(cfg).Serve(ctx, l) }() //nolint:contextcheck // handlers have that of their request
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// TestAdmissionIsOfTheConnection serves over a listener, where a connection is kept.
func TestAdmissionIsOfTheConnection(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []netip.AddrPort
	s := filledFixture(t)
	cfg := s.Config()
	cfg.Admit = func(_ context.Context, from, _ netip.AddrPort) error {
		mu.Lock()
		defer mu.Unlock()
		if asked = append(asked, from); len(asked) > 1 {
			return errors.New("refused")
		}
		return nil
	}
	address := serveOn(t, cfg)
	get := func(c *http.Client) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/version", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, res.Body) // or the connection is not used again
		if err := errors.Join(err, res.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}
	for range 2 {
		client := &http.Client{Transport: &http.Transport{}}
		got := []int{get(client), get(client), get(client)}
		client.CloseIdleConnections()
		mu.Lock()
		want := []int{200, 200, 200}
		if len(asked) == 2 {
			want = []int{403, 403, 403}
		}
		if !slices.Equal(got, want) {
			t.Errorf("connection %d: %v, want %v", len(asked), got, want)
		}
		mu.Unlock()
	}
	if len(asked) != 2 || asked[0] == asked[1] {
		t.Errorf("asked about %v, want each of two connections once", asked)
	}
}

// With tokens only they count.
func TestAdmissionWithTokens(t *testing.T) {
	t.Parallel()
	s := filledFixture(t, func(c *api.Config) {
		c.Authority = auth.NewAuthority(&auth.Tokens{}, nil)
		c.Admit = func(context.Context, netip.AddrPort, netip.AddrPort) error {
			t.Error("asked, with tokens")
			return errors.New("refused")
		}
	})
	s.raw("GET", "/version").refused(t, http.StatusUnauthorized, "unauthorized")
}

// Lack of time is no answer about a connection: 503, and the next request asks again.
func TestAdmissionThatTakesTooLong(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	s := filledFixture(t)
	cfg := s.Config()
	cfg.Admit = func(context.Context, netip.AddrPort, netip.AddrPort) error {
		if asked.Add(1) == 1 {
			return fmt.Errorf("looking at /proc: %w", context.DeadlineExceeded)
		}
		return nil
	}
	address, client := serveOn(t, cfg), &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i, want := range []int{http.StatusServiceUnavailable, http.StatusOK, http.StatusOK} {
		res, err := client.Get("http://" + address + "/backends")
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != want {
			t.Errorf("request %d: %d, want %d (%v)", i+1, res.StatusCode, want, err)
		}
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
}
