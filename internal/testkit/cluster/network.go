package cluster

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// inside calls f on a thread in a network namespace of the fixture: a node's, the
// client's, or "" for the outer namespace. The sockets that f makes stay in it.
func (l *Fixture) inside(space string, f func()) error {
	path := l.path("/proc/1/ns/net")
	if space != "" {
		path = l.path("/run/netns/" + space)
	}
	ns, err := os.Open(path)
	if err != nil {
		return err
	}
	defer ns.Close()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		return fmt.Errorf("entering the network of %q: %w", space, err)
	}
	return nil
}

// Dial returns a function that connects from a node, from "client", or from ""
// which is the outer namespace.
func (l *Fixture) Dial(space string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		if enterErr := l.inside(space, func() { conn, err = new(net.Dialer).DialContext(ctx, network, address) }); enterErr != nil {
			return nil, enterErr
		}
		return conn, err
	}
}

// HTTP is a client that asks from a node, from "client" or from "".
func (l *Fixture) HTTP(space string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: l.Dial(space), DisableKeepAlives: true}}
}

// Listen opens a port at an address of a node, of "client" or of "".
func (l *Fixture) Listen(space, address string) net.Listener {
	l.tb.Helper()
	var listener net.Listener
	var err error
	if enterErr := l.inside(space, func() { listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp", address) }); enterErr != nil {
		l.tb.Fatal(enterErr)
	}
	if err != nil {
		l.tb.Fatal(err)
	}
	l.tb.Cleanup(func() { _ = listener.Close() })
	return listener
}
