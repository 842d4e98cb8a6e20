package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// A manager is systemd's end of the socket.
type manager struct {
	tb   testing.TB
	conn *net.UnixConn
}

func newManager(t *testing.T, address string) manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return manager{t, conn}
}

// next is the next message; an error: none came in time.
func (m manager) next(within time.Duration) (string, error) {
	if err := m.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	buffer := make([]byte, 4096)
	n, err := m.conn.Read(buffer)
	return string(buffer[:n]), err
}

// expect reads the next message.
func (m manager) expect(want string) {
	m.tb.Helper()
	if got, err := m.next(10 * time.Second); err != nil || !strings.HasPrefix(got, want) {
		m.tb.Fatalf("systemd is told %q, %v, expected %q", got, err, want)
	}
}

// systemd is told that the agent is ready once it is in step, that it is alive as long as
// no loop hangs, that it reloads and that it stops.
func TestSystemdIsTold(t *testing.T) {
	for name, address := range map[string]string{
		"a path": filepath.Join(testkit.SocketDir(t), "notify"), "an abstract socket": fmt.Sprintf("@thalassa-test-%d", os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, address)
			t.Setenv("NOTIFY_SOCKET", address)
			t.Setenv("WATCHDOG_USEC", "200000")
			t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
			s := newSystemd(testkit.Logger(t))
			if left := os.Getenv("NOTIFY_SOCKET") + os.Getenv("WATCHDOG_USEC"); left != "" {
				t.Errorf("HAProxy would inherit %s", left)
			}
			var hang atomic.Bool
			ctx, stop := context.WithCancel(t.Context())
			inStep, done := make(chan struct{}), make(chan error, 1)
			go func() {
				done <- s.run(ctx, inStep, func() []string {
					if hang.Load() {
						return []string{"the control loop hangs"}
					}
					return nil
				})
			}()
			if got, err := m.next(300 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("before it is in step, systemd is told %q, %v", got, err)
			}
			close(inStep)
			m.expect("READY=1")
			for range 3 {
				m.expect("WATCHDOG=1")
			}
			hang.Store(true)
			for beats := 0; ; beats++ {
				if got, err := m.next(10 * time.Second); err != nil || beats > 1 {
					t.Fatalf("a loop that hangs: %q, %v after %d more beats", got, err, beats)
				} else if got == "STATUS=the control loop hangs" {
					break
				}
			}
			for range 5 {
				m.expect("STATUS=")
			}
			hang.Store(false)
			for got := ""; got != "WATCHDOG=1"; {
				var err error
				if got, err = m.next(10 * time.Second); err != nil {
					t.Fatal(err)
				}
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
			for got := ""; got != "STOPPING=1"; {
				var err error
				if got, err = m.next(10 * time.Second); err != nil {
					t.Fatal(err)
				}
			}
			s.reloading()
			m.expect("RELOADING=1\nMONOTONIC_USEC=")
		})
	}
}

// Without systemd, or for the watchdog of another process, nobody is told anything.
func TestWithoutSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if s := newSystemd(testkit.Logger(t)); s != nil {
		t.Errorf("without a socket: %+v", s)
	}
	var none *systemd
	none.ready()
	none.reloading()
	if err := none.run(t.Context(), nil, nil); err != nil {
		t.Error(err)
	}
	address := filepath.Join(testkit.SocketDir(t), "notify")
	newManager(t, address)
	t.Setenv("NOTIFY_SOCKET", address)
	t.Setenv("WATCHDOG_USEC", "1000000")
	t.Setenv("WATCHDOG_PID", "1")
	if s := newSystemd(testkit.Logger(t)); s == nil || s.watchdog != 0 {
		t.Errorf("the watchdog of another process: %+v", s)
	}
	t.Setenv("NOTIFY_SOCKET", "relative")
	if s := newSystemd(testkit.Logger(t)); s != nil {
		t.Errorf("a relative path: %+v", s)
	}
}
