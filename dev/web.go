package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// HealthPath is the path of an instance's health check.
const HealthPath = "/health"

// A Web is one instance of the demo web service on a free loopback port. It
// answers every request with its name, version and address. GET /health is answered at
// once with status 200, whatever its flaws.
type Web struct {
	Name    string
	Version string
	Number  int // of the instance, counted from 1 within its version
	Flaws   Flaws

	listener net.Listener
}

// Flaws are what is wrong with an instance; the zero value: nothing.
type Flaws struct {
	// FailEvery is the number of requests of which the last one is answered with status
	// 500; 0: none is.
	FailEvery int64
	// Delay of every answer.
	Delay time.Duration
}

// ListenWeb opens the port of an instance; Serve answers on it.
func ListenWeb(ctx context.Context, name, version string, number int) (*Web, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for %s %s: %w", name, version, err)
	}
	return &Web{Name: name, Version: version, Number: number, listener: l}, nil
}

// Port the instance listens on.
func (w *Web) Port() uint16 {
	return netip.MustParseAddrPort(w.listener.Addr().String()).Port() // always valid for a TCP listener
}

// String returns the response of the instance.
func (w *Web) String() string {
	return fmt.Sprintf("%s %s, instance %d at %s", w.Name, w.Version, w.Number, w.listener.Addr())
}

// Serve serves until ctx ends.
func (w *Web) Serve(ctx context.Context) error {
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler:           w.handler(),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	g.Go(func() error {
		if err := server.Serve(w.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving %s: %w", w, err)
		}
		return nil
	})
	return g.Wait()
}

// handler answers requests, with the flaws of the instance.
func (w *Web) handler() http.Handler {
	var requests atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+HealthPath, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprintln(rw, "healthy") })
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		if w.Flaws.Delay > 0 {
			delay := time.NewTimer(w.Flaws.Delay)
			defer delay.Stop()
			select {
			case <-delay.C:
			case <-r.Context().Done():
				return
			}
		}
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if every := w.Flaws.FailEvery; every > 0 && requests.Add(1)%every == 0 {
			rw.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintf(rw, "%s fails every %d requests\n", w, every)
			return
		}
		fmt.Fprintln(rw, w)
	})
	return mux
}
