// Package testkit starts real servers for tests and finds what they need:
// Consul, HAProxy, free ports. It never fakes a library and is never imported
// by the product.
package testkit

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// Tool returns the path of an executable. When there is none the test fails in
// CI (CI=true) and is skipped at a desk.
func Tool(tb testing.TB, name string) string {
	tb.Helper()
	Needs(tb, name)
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(tb, name+" is not installed; make setup installs it")
	}
	return path
}

// Missing ends a test that needs something that the machine lacks: a failure in CI, a
// skip at a desk.
func Missing(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv("CI") != "" {
		tb.Fatal(what)
	}
	tb.Skip(what)
}

// Port returns a free TCP port of the loopback.
func Port(tb testing.TB) int {
	tb.Helper()
	return Ports(tb, 1)[0]
}

// Ports returns n distinct free TCP ports of the loopback, which no other test gets before this
// one ends: HAProxys that share a port would answer each other's requests. They are none of
// those that the kernel gives to listeners on port 0 and to outgoing connections, which could
// take them before the test does.
func Ports(tb testing.TB, n int) []int {
	tb.Helper()
	const first, last = 10_000, 30_000 // by default the kernel's begin at 32,768
	ports := make([]int, 0, n)
	for tries := 0; len(ports) < n; tries++ {
		port := first + rand.IntN(last-first) //nolint:gosec // not a secret
		err := reserve(tb, port)
		switch {
		case err == nil:
			ports = append(ports, port)
		case tries > 1000:
			tb.Fatal(err)
		}
	}
	return ports
}

// reserve takes a port, if it is free, for a test: in the name of an abstract socket, which is one
// for all processes.
func reserve(tb testing.TB, port int) error {
	tb.Helper()
	name, err := net.Listen("unix", "@thalassa-test-port-"+strconv.Itoa(port))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return errors.Join(err, name.Close())
	}
	tb.Cleanup(func() { _ = name.Close() })
	return l.Close()
}

// Logger writes to the test's output.
func Logger(tb testing.TB) *slog.Logger {
	tb.Helper()
	return slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}
