package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"thalassa/client"
)

// canned answers every request in one way.
func canned(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return connect(t, server.URL)
}

func TestANewerAgentIsUnderstood(t *testing.T) {
	c := canned(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/backends/x":
			_, _ = io.WriteString(w, `{"id":"backend/x","key":"x","type":"quantum","balance":"entangled","new":{"a":1},"members":[{"host":"h","port":1,"spin":"up"}],"applied":true,"path":"teleport","revision":9}`)
		case "/frontends":
			_, _ = io.WriteString(w, `[{"key":"f","mode":"quic","rules":[{"type":"mood","operation":"mood_good"}],"new":[]}]`)
		default:
			_, _ = io.WriteString(w, `{"version":"9","haproxy":{"running":true,"threads":8},"discovery":[{"service":"s","known":true,"new":1}],"new":1}`)
		}
	})
	if b, err := c.Backend(t.Context(), "x"); err != nil || b.Type != "quantum" || b.Members[0].Host != "h" {
		t.Errorf("Backend: %+v, %v", b, err)
	}
	if _, applied, err := c.Deploy(t.Context(), "x", client.DeployRequest{Version: "1"}); err != nil || applied.Path != "teleport" || applied.Revision != 9 {
		t.Errorf("Deploy: %+v, %v", applied, err)
	}
	if list, err := c.Frontends(t.Context()); err != nil || list[0].Mode != "quic" {
		t.Errorf("Frontends: %+v, %v", list, err)
	}
	if st, err := c.Status(t.Context()); err != nil || st.Version != "9" || len(st.Discovery) != 1 {
		t.Errorf("Status: %+v, %v", st, err)
	}
}

func TestWhatIsNoAgent(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"a proxy's page": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>Bad Gateway</html>", http.StatusBadGateway)
		},
		"other JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, `{"message":"x"}`)
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
	}
	for name, h := range answers {
		_, err := canned(t, h).Backends(t.Context())
		var e *client.Error
		if !errors.As(err, &e) || e.Code != "" || e.Status/100 == 2 || !strings.Contains(e.Error(), "answers") {
			t.Errorf("%s: %v", name, err)
		}
	}
	page := canned(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	var e *client.Error
	if _, err := page.Backends(t.Context()); !errors.As(err, &e) || e.Code != "" || !strings.HasSuffix(e.Error(), "/backends answers no JSON") {
		t.Errorf("a page: %v", err)
	}
	if text, err := page.HAProxyConfig(t.Context()); !errors.As(err, &e) || e.Code != "" || text != nil {
		t.Errorf("a page for haproxy.cfg: %q, %v", text, err)
	}
	array := canned(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") })
	if _, err := array.Status(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "decoding the agent's answer: ") {
		t.Errorf("JSON of another form: %v", err)
	}
	if _, err := page.Readiness(t.Context()); err == nil {
		t.Error("a page is ready")
	}
	down := canned(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{}`)
	})
	if r, err := down.Readiness(t.Context()); err == nil || r.Ready {
		t.Errorf("a stranger's 503: %+v, %v", r, err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 64 MiB")
	}
	t.Parallel()
	c := canned(t, func(w http.ResponseWriter, _ *http.Request) {
		block := make([]byte, 1<<20)
		for range 65 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	if _, err := c.HAProxyConfig(t.Context()); err == nil || !strings.Contains(err.Error(), "is larger than") {
		t.Errorf("error %v", err)
	}
}

func TestCallsEnd(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(hang); server.Close() })
	c, err := client.New(client.Config{Address: server.URL, Timeout: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Backends(t.Context()); !errors.Is(err, context.DeadlineExceeded) || !client.IsUnreachable(err) {
		t.Errorf("a call without an answer: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := connect(t, server.URL).Backends(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a call whose context has ended: %v", err)
	}
}
