package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cli"
	"thalassa/internal/testkit"
	"thalassa/stats"
	"thalassa/statsock"
)

// streaming is an agent's API with streams, of a HAProxy that is away.
func streaming(t *testing.T) (url string) {
	t.Helper()
	_, cfg := apitest.Prepare(t)
	cfg.Sampler = stats.New(stats.Config{Client: statsock.New("/nonexistent"), Interval: 100 * time.Millisecond})
	server := api.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = cfg.Sampler.Run(ctx) })
	all.Go(func() { _ = server.Follow(ctx) })
	listening := httptest.NewServer(server)
	t.Cleanup(func() {
		listening.Close()
		cancel()
		all.Wait()
	})
	return listening.URL
}

func TestTopOnce(t *testing.T) {
	var out, errs bytes.Buffer
	env := cli.Environment{Program: "thalassa", Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }}
	if code := run(t.Context(), []string{"top", "--agent", streaming(t)}, env); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if !strings.Contains(out.String(), "FRONTEND") || strings.Contains(out.String(), "\x1b") {
		t.Errorf("printed\n%s", out.String())
	}
	if code := run(t.Context(), []string{"top", "--once", "--agent", "http://127.0.0.1:1"}, env); code != 6 {
		t.Errorf("exit code %d without an agent: %s", code, errs.String())
	}
}

// openPTY makes a terminal: its two ends.
func openPTY(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		testkit.Missing(t, "there are no terminals here: "+err.Error())
	}
	t.Cleanup(func() { _ = user.Close() })
	number, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return user, program
}

// TestTopLeavesTheTerminalClean ends it with a key, and with a signal.
func TestTopLeavesTheTerminalClean(t *testing.T) {
	url := streaming(t)
	for _, how := range []string{"key", "signal"} {
		t.Run(how, func(t *testing.T) {
			user, program := openPTY(t)
			before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
			if err != nil {
				t.Fatal(err)
			}
			var screen lockedBuffer
			go screen.collect(user)
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			code := make(chan int, 1)
			env := cli.Environment{Program: "thalassa", Stdin: program, Stdout: program, Stderr: &bytes.Buffer{}, Getenv: func(string) string { return "" }}
			go func() { code <- run(ctx, []string{"top", "--agent", url}, env) }()
			testkit.Eventually(t, 20*time.Second, func() error {
				if !strings.Contains(screen.String(), "FRONTEND") {
					return fmt.Errorf("shown is %q", screen.String())
				}
				return nil
			})
			if how == "key" {
				if _, err := user.WriteString("r\x1b[B/who\r"); err != nil {
					t.Fatal(err)
				}
				testkit.Eventually(t, 20*time.Second, func() error {
					if text := screen.String(); !strings.Contains(text, "r req*") || !strings.Contains(text, "search: who") {
						return fmt.Errorf("shown is %q", text)
					}
					return nil
				})
				if _, err := user.WriteString("q"); err != nil {
					t.Fatal(err)
				}
			} else {
				interrupt()
			}
			select {
			case got := <-code:
				if got != 0 {
					t.Errorf("exit code %d", got)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("it does not end")
			}
			after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
			if err != nil || *after != *before {
				t.Errorf("the terminal is left as %+v (%v), was %+v", after, err, before)
			}
			testkit.Eventually(t, 20*time.Second, func() error {
				if text := screen.String(); !strings.HasSuffix(text, "\x1b[?25h\x1b[?1049l") {
					return fmt.Errorf("the last words are %q", text[max(0, len(text)-40):])
				}
				return nil
			})
		})
	}
}

// lockedBuffer collects what one goroutine reads for another.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// collect reads to the end.
func (l *lockedBuffer) collect(f *os.File) {
	buf := make([]byte, 4096)
	for {
		n, err := f.Read(buf)
		l.mu.Lock()
		l.b.Write(buf[:n])
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
