package statsock_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

// calls is every question that can be asked, for what all of them share.
func calls(path string) map[string]func(context.Context) error {
	client, master := statsock.New(path), statsock.NewMaster(path)
	return map[string]func(context.Context) error{
		"do":        func(ctx context.Context) error { _, err := client.Do(ctx, "show errors"); return err },
		"show info": func(ctx context.Context) error { _, err := client.ShowInfo(ctx); return err },
		"show stat": func(ctx context.Context) error { _, err := client.ShowStat(ctx); return err },
		"show proc": func(ctx context.Context) error { _, err := master.ShowProc(ctx); return err },
		"worker":    func(ctx context.Context) error { _, err := master.Worker(7).ShowInfo(ctx); return err },
	}
}

func TestAnswerIsWholeOrAnError(t *testing.T) {
	whole := map[string]string{
		"do":        "first\nsecond\n\n",
		"show info": string(fixture(t, "show-info-2.6.12.txt")),
		"show stat": string(fixture(t, "show-stat-2.6.12.csv")),
		"show proc": string(fixture(t, "show-proc-2.6.12.txt")),
		"worker":    string(fixture(t, "show-info-2.6.12.txt")),
	}
	for name := range whole {
		t.Run(name, func(t *testing.T) {
			for cut := range len(whole[name]) {
				s := say(t, whole[name][:cut])
				if err := calls(s.path)[name](t.Context()); err == nil {
					t.Fatalf("cut after %d bytes: no error", cut)
				}
				if cut > 64 && cut < len(whole[name])-64 {
					break // every cut of the parsers is tested without a socket
				}
			}
			s := say(t, whole[name][:len(whole[name])-1])
			if err := calls(s.path)[name](t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("last byte missing: %v, want io.ErrUnexpectedEOF", err)
			}
			s = say(t, whole[name])
			if err := calls(s.path)[name](t.Context()); err != nil {
				t.Errorf("whole answer: %v", err)
			}
		})
	}
}

func TestHungServerMeetsTheDeadline(t *testing.T) {
	s := hang(t)
	for name, call := range calls(s.path) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		err := call(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want the deadline", name, err)
		}
	}
}

func TestCallsHaveADeadlineOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := hang(t)
	if _, err := statsock.New(s.path).Do(t.Context(), "show info"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
}

func TestCancelWakesTheReader(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, func(conn net.Conn, _ string) {
		_, _ = conn.Write([]byte("# pxname,svname,\n"))
		cancel()
		_, _ = io.Copy(io.Discard, conn)
	})
	if _, err := statsock.New(s.path).ShowStat(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want cancellation", err)
	}
}

func TestNotListening(t *testing.T) {
	dir := testkit.SocketDir(t)
	stale := filepath.Join(dir, "stale")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	for _, path := range []string{filepath.Join(dir, "absent"), stale} {
		for name, call := range calls(path) {
			if err := call(t.Context()); !statsock.NotListening(err) {
				t.Errorf("%s at %s: %v is not told as not listening", name, filepath.Base(path), err)
			}
		}
	}
	s := say(t, "")
	if _, err := statsock.New(s.path).Do(t.Context(), "x"); err == nil || statsock.NotListening(err) {
		t.Errorf("a server that closes is told as not listening: %v", err)
	}
}

func TestDoRefusesMoreThanOneLine(t *testing.T) {
	s := say(t, "\n")
	for _, command := range []string{"", " ", "show info\nshow stat", "show info\r", "a\x00b"} {
		if _, err := statsock.New(s.path).Do(t.Context(), command); err == nil {
			t.Errorf("%q was sent", command)
		}
	}
	if lines := s.asked(); len(lines) != 0 {
		t.Errorf("the server was asked %q", lines)
	}
	answer, err := statsock.New(s.path).Do(t.Context(), "set server be/s weight 1; show info")
	if answer != "" || err != nil {
		t.Errorf("a silent success gave %q, %v", answer, err)
	}
	if lines := s.asked(); len(lines) != 1 || lines[0] != "set server be/s weight 1; show info\n" {
		t.Errorf("the server was asked %q", lines)
	}
}

func TestErrorsNameTheSocketOnce(t *testing.T) {
	path := filepath.Join(testkit.SocketDir(t), "absent")
	for name, call := range calls(path) {
		err := call(t.Context())
		if n := strings.Count(err.Error(), path); n != 1 {
			t.Errorf("%s: the path stands %d times in %q", name, n, err)
		}
	}
}

func fixture(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}
