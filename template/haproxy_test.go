package template_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// haproxyCheck runs haproxy -c on a file.
func haproxyCheck(tb testing.TB, file string) (output string, accepted bool) {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), testkit.HAProxy(tb), "-c", "-f", file).CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		tb.Fatal(err)
	}
	return string(out), err == nil
}

// haproxyStart runs HAProxy on a configuration whose stats socket is socket, and
// returns once the socket answers. HAProxy ends with stop, or with the test.
func haproxyStart(tb testing.TB, config []byte, socket string) (stop func()) {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		tb.Fatal(err)
	}
	var words bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), testkit.HAProxy(tb), "-db", "-f", file)
	cmd.Stderr = &words
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()                                       // it may have ended already
		if exit := new(exec.ExitError); !errors.As(<-ended, &exit) { // killed
			tb.Error("haproxy ended by itself")
		}
	})
	tb.Cleanup(stop)
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			if err := conn.Close(); err != nil {
				tb.Error(err)
			}
			return stop
		}
		select {
		case err := <-ended:
			ended <- err
			tb.Fatalf("haproxy ended with %v:\n%s", err, words.String())
		case <-limit:
			tb.Fatal("haproxy does not open its stats socket")
		case <-tick.C:
		}
	}
}

// haproxyAsk sends one command to the stats socket.
func haproxyAsk(tb testing.TB, socket, command string) string {
	tb.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			tb.Error(err)
		}
	}()
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		tb.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSpace(string(answer))
}

// socketPath is a path for a stats socket, short enough for one.
func socketPath(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "s")
}
