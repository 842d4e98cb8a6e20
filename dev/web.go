package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Web is one instance of the demo web service on a free loopback port. It
// answers every request with its name, version and address.
type Web struct {
	Name    string
	Version string
	Number  int // of the instance, counted from 1 within its version

	listener net.Listener
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
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
			fmt.Fprintln(rw, w)
		}),
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
