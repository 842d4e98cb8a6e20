package statsock_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

// impatient asks and gives up.
func impatient(t *testing.T, worker *statsock.Client) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := worker.ShowInfo(ctx)
	return err
}

// However often a worker that hangs is asked, its master goes on taking commands.
func TestHungWorkerLeavesTheMasterFree(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			h := testkit.RunHAProxy(t, binary.Path, testkit.HAProxyConfig{Address: fmt.Sprintf("127.0.0.1:%d", testkit.Port(t)), Answer: "hello"})
			client, master := statsock.New(h.StatsSocket), statsock.NewMaster(h.MasterSocket)
			var info statsock.Info
			testkit.Eventually(t, patience, func() (err error) { info, err = client.ShowInfo(t.Context()); return err })
			worker := master.Worker(info.PID)
			testkit.Eventually(t, patience, func() error { _, err := worker.ShowInfo(t.Context()); return err })

			testkit.Freeze(t, info.PID)
			defer func() { _ = syscall.Kill(info.PID, syscall.SIGCONT) }()
			if err := impatient(t, worker); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the deadline", err)
			}
			for range 20 {
				if err := impatient(t, worker); !errors.Is(err, statsock.ErrUnanswered) {
					t.Fatalf("asked again: %v", err)
				}
			}
			if _, err := master.ShowProc(t.Context()); err != nil {
				t.Errorf("the master: %v", err)
			}
			if err := syscall.Kill(info.PID, syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, patience, func() error { _, err := worker.ShowInfo(t.Context()); return err })
		})
	}
}

// Workers that hang take up a bounded part of what the master has, and give it
// back when they end.
func TestBacklogIsBounded(t *testing.T) {
	t.Parallel()
	var open atomic.Int32
	release := make(chan struct{})
	s := serve(t, func(conn net.Conn, _ string) {
		open.Add(1)
		defer open.Add(-1)
		go func() { // as a master, which does not notice that the other side has gone
			_, _ = io.Copy(io.Discard, conn)
		}()
		<-release
	})
	master := statsock.NewMaster(s.path)
	for pid := range 12 {
		if err := impatient(t, master.Worker(100+pid)); err == nil {
			t.Errorf("worker %d answered", pid)
		}
	}
	if n := open.Load(); n > 4 {
		t.Errorf("%d questions are open, 4 may be", n)
	}
	close(release)
	testkit.Eventually(t, patience, func() error {
		if err := impatient(t, master.Worker(100)); errors.Is(err, statsock.ErrUnanswered) {
			return err
		}
		return nil
	})
}
