// Package testkit starts real servers for tests and finds what they need:
// Consul, HAProxy, free ports. It never fakes a library and is never imported
// by the product.
package testkit

import (
	"log/slog"
	"net"
	"os"
	"os/exec"
	"testing"
)

// Tool returns the path of an executable. When there is none the test fails in
// CI (CI=true) and is skipped at a desk.
func Tool(tb testing.TB, name string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(tb, name+" is not installed; make setup installs it")
	}
	return path
}

// Missing ends a test whose surroundings lack something: a failure in CI, a
// skip at a desk.
func Missing(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv("CI") != "" {
		tb.Fatal(what)
	}
	tb.Skip(what)
}

// Port returns a TCP port of the loopback that nobody listens on.
func Port(tb testing.TB) int {
	tb.Helper()
	return Ports(tb, 1)[0]
}

// Ports returns n distinct free TCP ports of the loopback.
func Ports(tb testing.TB, n int) []int {
	tb.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		defer l.Close() // all stay open until n distinct ones are found
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}

// Logger writes to the test's output.
func Logger(tb testing.TB) *slog.Logger {
	tb.Helper()
	return slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}
