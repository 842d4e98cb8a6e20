package dev_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/dev"
)

// served is an instance with flaws that answers until the test ends.
func served(t *testing.T, flaws dev.Flaws) *dev.Web {
	t.Helper()
	w, err := dev.ListenWeb(t.Context(), "demo", "1.2.0", 1)
	if err != nil {
		t.Fatal(err)
	}
	w.Flaws = flaws
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

func fetch(t *testing.T, w *dev.Web, path string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", w.Port(), path), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// An instance with flaws is slow and fails, but for its health check.
func TestFlawsOfAnInstance(t *testing.T) {
	w := served(t, dev.Flaws{FailEvery: 3, Delay: 30 * time.Millisecond})
	for i := 1; i <= 9; i++ {
		if status, _ := fetch(t, w, dev.HealthPath); status != http.StatusOK {
			t.Fatalf("the health check is answered with %d", status)
		}
		begun := time.Now()
		status, body := fetch(t, w, "/")
		if time.Since(begun) < 30*time.Millisecond {
			t.Errorf("answer %d takes %s", i, time.Since(begun))
		}
		want := http.StatusOK
		if i%3 == 0 {
			want = http.StatusInternalServerError
		}
		if status != want || !strings.HasPrefix(body, "demo 1.2.0, instance 1 at ") {
			t.Errorf("answer %d is %d %s, expected %d", i, status, body, want)
		}
	}
	sound := served(t, dev.Flaws{})
	for range 5 {
		if status, body := fetch(t, sound, "/"); status != http.StatusOK || body != sound.String()+"\n" {
			t.Errorf("without flaws the answer is %d %q", status, body)
		}
	}
}

// A load keeps its rate and its time, ends with its context, and goes nowhere else.
func TestLoadIsBounded(t *testing.T) {
	var requests, atOnce, most atomic.Int64
	w := served(t, dev.Flaws{})
	address := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), w.Port())
	for name, l := range map[string]dev.Load{
		"elsewhere": {Address: netip.MustParseAddrPort("192.0.2.1:80"), Rate: 1},
		"no rate":   {Address: address},
		"too fast":  {Address: address, Rate: dev.MaxLoadRate + 1},
	} {
		if err := l.Run(t.Context()); err == nil {
			t.Errorf("%s: is run", name)
		}
	}
	slow := countingServer(t, &requests, &atOnce, &most)
	begun := time.Now()
	if err := (dev.Load{Address: slow, Rate: dev.MaxLoadRate, For: time.Second}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Each of its 16 clients gets an answer after 200 ms.
	if n := requests.Load(); n < 16 || n > 16*6 || most.Load() > 16 {
		t.Errorf("%d requests, %d at once", n, most.Load())
	}
	if took := time.Since(begun); took < time.Second || took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (dev.Load{Address: slow, Rate: 1}).Run(ctx); err != nil {
		t.Errorf("ended, it says %v", err)
	}
}

// countingServer answers each request after 200 ms.
func countingServer(t *testing.T, requests, atOnce, most *atomic.Int64) netip.AddrPort {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		requests.Add(1)
		now := atOnce.Add(1)
		defer atOnce.Add(-1)
		for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
		}
		<-time.After(200 * time.Millisecond)
	}))
	t.Cleanup(server.Close)
	return netip.MustParseAddrPort(server.Listener.Addr().String())
}
