package main

import (
	"bytes"
	"context"
	"encoding/json"
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
	nodeapi "thalassa/api/node"
	"thalassa/client"
	"thalassa/internal/testkit"
	"thalassa/stats"
	"thalassa/statsock"
)

// shown is a screen that knows a little of everything.
func shown(t *testing.T) *screen {
	t.Helper()
	s := newScreen()
	frame := func(text string) {
		t.Helper()
		var f client.Frame
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			t.Fatal(err)
		}
		if err := s.take(f); err != nil {
			t.Fatal(err)
		}
	}
	frame(`{"type":"hello","label":"edge","version":"1.2.3"}`)
	frame(`{"type":"state","topic":"status","objects":[{"id":"status","revision":7,"inEffect":7,"haproxy":{"running":true,"version":"2.6.12","oldWorkers":1},
		"discovery":[{"service":"shop","stale":"asking consul: connection refused"}]}]}`)
	frame(`{"type":"state","topic":"frontends","objects":[{"id":"frontend/web","bind":"*:80"}]}`)
	frame(`{"type":"state","topic":"backends","objects":[{"id":"backend/live","versions":{"1.0.0":90,"1.1.0":10}},{"id":"backend/old","version":"0.9"}]}`)
	frame(`{"type":"state","topic":"stat","objects":[
		{"id":"stat/frontend/web","type":"frontend","key":"web","status":"OPEN","rate":{"requests":1250.4,"bytesOut":2500000},"connections":{"current":3}},
		{"id":"stat/backend/live","type":"backend","key":"live","status":"UP","members":2,"healthy":1,"rate":{"requests":12.5,"5xx":1},"timesMs":{"response":8}},
		{"id":"stat/backend/old","type":"backend","key":"old","status":"DOWN","rate":{"requests":99}}]}`)
	frame(`{"type":"delta","topic":"stat","changed":[
		{"id":"stat/backend/live/10.0.0.1:80","type":"backendMember","key":"10.0.0.1:80","backend":"live","version":"1.0.0","status":"UP","rate":{"requests":7},"check":{"status":"L7OK"}},
		{"id":"stat/backend/live/10.0.0.2:80","type":"backendMember","key":"10.0.0.2:80","backend":"live","version":"1.1.0","status":"DOWN","rate":null}]}`)
	frame(`{"type":"delta","topic":"stat","changed":[{"id":"stat/backend/live","rate":{"requests":13},"timesMs":{"connect":1}},
		{"id":"stat/backend/live/10.0.0.3:80","type":"backendMember","key":"10.0.0.3:80","backend":"live","status":"UP","rate":{"requests":1,"5xx":0}}]}`)
	frame(`{"type":"delta","topic":"stat","changed":[{"id":"stat/backend/live/10.0.0.3:80","rate":null}]}`)
	return s
}

// text is a screen without its colors.
func text(s *screen) string {
	var b strings.Builder
	for _, l := range s.lines(0, 0) {
		b.WriteString(l.text + "\n")
	}
	return b.String()
}

func TestTopShowsEverything(t *testing.T) {
	s := shown(t)
	text := text(s)
	for _, want := range []string{
		"edge  HAProxy 2.6.12 runs, 1 old worker  revision 7, 7 in effect",
		"service shop is stale: asking consul: connection refused",
		"web                  OPEN              *:80                  1.3k       0      3      0      0        0     2.5M",
		"live                 UP        1/2     1.0.0=90,1.1.0=10       13       1      0      0      8",
		"  10.0.0.3:80        UP                                         -       -",
		"old                  DOWN      0/0     0.9                     99       0",
		"  10.0.0.1:80        UP        L7OK    1.0.0                    7       0",
		"  10.0.0.2:80        DOWN              1.1.0                    -       -",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestTopMissesNoHAProxyThatNeedNotBeThere(t *testing.T) {
	s := shown(t)
	s.status.HAProxy = nodeapi.HAProxyStatus{Idle: true}
	if head := s.lines(0, 0)[0]; head != (line{text: "edge  HAProxy is not on this node, as Pacemaker wants it  revision 7, 7 in effect"}) {
		t.Errorf("the head is %+v", head)
	}
}

// Before the agent has told anything nobody is alarmed.
func TestTopBeforeItKnowsAnything(t *testing.T) {
	s := newScreen()
	if head := s.lines(0, 0)[0]; head != (line{text: "thalassa  waiting for the agent"}) {
		t.Errorf("the head is %+v", head)
	}
}

// A narrow window has the columns that tell most, and columns stay columns
// whatever is in them.
func TestTopInANarrowWindow(t *testing.T) {
	s := shown(t)
	long := strings.Repeat("x", 100)
	s.stats["stat/backend/"+long] = figures{Type: "backend", Key: long, Status: "UP"}
	for width, want := range map[int]string{
		200: "BACKEND                                  STATUS    UP      VERSION              REQ/S   ERR/S   CONN  QUEUE     MS     IN/S    OUT/S",
		110: "BACKEND                                  STATUS    UP      VERSION              REQ/S   ERR/S   CONN     MS",
		89:  "BACKEND                                  STATUS    UP         REQ/S   ERR/S   CONN     MS",
	} {
		heading, end := "", -1
		for _, l := range s.lines(width, 0) {
			switch {
			case strings.HasPrefix(l.text, "BACKEND"):
				heading, end = l.text, len([]rune(l.text))
			case end >= 0 && len([]rune(l.text)) != end && !strings.HasPrefix(l.text, "live") && width < 200:
				t.Errorf("at %d: %q does not end below %q", width, l.text, heading)
			}
		}
		if heading != want {
			t.Errorf("at %d the heading is\n%s, want\n%s", width, heading, want)
		}
	}
	if text := text(s); !strings.Contains(text, long) {
		t.Errorf("where there is no window something is cut:\n%s", text)
	}
}

func TestTopSortsAndHides(t *testing.T) {
	s := shown(t)
	order := func() string {
		var names []string
		for _, f := range s.sorted("backend", "") {
			names = append(names, f.Key)
		}
		return strings.Join(names, " ")
	}
	for key, want := range map[byte]string{'n': "live old", 'r': "old live", 'e': "live old", 't': "live old"} {
		if !s.press(key) || order() != want {
			t.Errorf("%c gives %s, want %s", key, order(), want)
		}
	}
	before := len(s.lines(0, 0))
	s.press('m')
	if got := len(s.lines(0, 0)); got != before-3 {
		t.Errorf("%d lines without members, %d with them", got, before)
	}
	if s.press('q') || !s.press('x') {
		t.Error("q goes on, or x ends it")
	}
}

func TestTopFitsItsWindow(t *testing.T) {
	s := shown(t)
	for _, size := range [][2]int{{40, 6}, {10, 3}, {200, 50}} {
		lines := s.lines(size[0], size[1])
		if len(lines) > size[1] {
			t.Errorf("%d lines in a window of %d", len(lines), size[1])
		}
		for _, l := range lines {
			if len([]rune(l.text)) > size[0] {
				t.Errorf("%q is wider than %d", l.text, size[0])
			}
			if (l.color != 0) != strings.HasSuffix(l.painted(), "\x1b[0m") {
				t.Errorf("%q leaves its color on", l.painted())
			}
		}
	}
}

func TestTopTellsThatTheAgentIsAway(t *testing.T) {
	s := shown(t)
	if err := s.take(client.Frame{Type: "lost", Message: "connection refused"}); err != nil {
		t.Fatal(err)
	}
	if text := text(s); !strings.Contains(text, "no connection: connection refused") || !strings.Contains(text, "10.0.0.1:80") {
		t.Errorf("got\n%s", text)
	}
}

func TestTopForgetsTroubleThatIsOver(t *testing.T) {
	s := shown(t)
	for _, status := range []string{
		`{"id":"status","problem":"haproxy refuses it","discovery":[{"service":"shop","stale":"gone"},{"service":"till","known":true}]}`,
		`{"id":"status","discovery":[{"service":"shop","known":true},{"service":"till","known":true}]}`,
	} {
		if err := s.take(client.Frame{Type: "delta", Topic: "status", Changed: []json.RawMessage{json.RawMessage(status)}}); err != nil {
			t.Fatal(err)
		}
	}
	if text := text(s); strings.Contains(text, "refuses") || strings.Contains(text, "stale") {
		t.Errorf("got\n%s", text)
	}
}

// streaming is an agent's API with streams, of a HAProxy that is away.
func streaming(t *testing.T) (url string) {
	t.Helper()
	node, err := apitest.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := node.Config()
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
	env := environment{program: "thalassa", stdin: strings.NewReader(""), stdout: &out, stderr: &errs, getenv: func(string) string { return "" }}
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
			env := environment{program: "thalassa", stdin: program, stdout: program, stderr: &bytes.Buffer{}, getenv: func(string) string { return "" }}
			go func() { code <- run(ctx, []string{"top", "--agent", url}, env) }()
			testkit.Eventually(t, 20*time.Second, func() error {
				if !strings.Contains(screen.String(), "FRONTEND") {
					return fmt.Errorf("shown is %q", screen.String())
				}
				return nil
			})
			if how == "key" {
				if _, err := user.WriteString("rq"); err != nil {
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
