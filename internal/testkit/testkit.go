// Package testkit starts real servers for tests and finds what they need:
// Consul, HAProxy, free ports. It never fakes a library and is never imported
// by the product.
package testkit

import (
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

// Ports returns n distinct free TCP ports of the loopback. They are none of those
// that the kernel gives to listeners on port 0 and to outgoing connections, which
// could take them before the test does.
func Ports(tb testing.TB, n int) []int {
	tb.Helper()
	const first, last = 10_000, 30_000 // by default the kernel's begin at 32,768
	ports := make([]int, 0, n)
	for tries := 0; len(ports) < n; tries++ {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(first+rand.IntN(last-first))) //nolint:gosec // not a secret
		switch {
		case err == nil:
			defer l.Close() // all stay open until n distinct ones are found
			ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		case tries > 1000:
			tb.Fatal(err)
		}
	}
	return ports
}

// Logger writes to the test's output.
func Logger(tb testing.TB) *slog.Logger {
	tb.Helper()
	return slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}
