package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/activity"
	"thalassa/cli"
)

// numbers are the event numbers at the beginnings of lines.
func numbers(out string) string {
	var list []string
	for _, m := range regexp.MustCompile(`(?m)^ *(\d+)  \d`).FindAllStringSubmatch(out, -1) {
		list = append(list, m[1])
	}
	return strings.Join(list, " ")
}

// happenings is a fixture on which things have happened.
func happenings(tb testing.TB) *fixture {
	tb.Helper()
	s := open(tb)
	for _, e := range []activity.Event{
		{Verb: activity.Started, Object: activity.Object{ID: "edge", Type: "agent"}},
		{
			Verb: activity.Online, Object: activity.Object{ID: "/shop/1.0.0/10.1.0.1/8080", Type: "backendMember", Key: "shop 1.0.0 10.1.0.1:8080"},
			Cause: "consul index 812",
		},
		{
			Verb: activity.HAProxyConfigChanged, Object: activity.Object{ID: "haproxy", Type: "haproxy"}, Cause: "PUT /backends/live", Author: "ann",
			DurationMS: 61.7, Diff: []string{"+backend live", "+  balance roundrobin", "+  server a", "+  server b"},
		},
		{
			Verb: activity.HAProxyReloadFailed, Object: activity.Object{ID: "haproxy", Type: "haproxy"},
			Error: "the new worker did not come up\n[ALERT] cannot bind",
		},
	} {
		s.Log.Record(tb.Context(), e)
	}
	return s
}

func TestActivity(t *testing.T) {
	s := happenings(t)
	r := s.run("activity")
	stamp := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)
	if got, want := stamp.ReplaceAllString(r.out, "TIME"), `    1  TIME  started                edge
    2  TIME  online                 shop 1.0.0 10.1.0.1:8080  (consul index 812)
    3  TIME  haproxyConfigChanged   haproxy  62 ms  (PUT /backends/live by ann)  +backend live; +  balance roundrobin; and 2 more
    4  TIME  haproxyReloadFailed    haproxy  the new worker did not come up
`; r.code != cli.ExitOK || got != want {
		t.Errorf("exit code %d %s, got\n%s\nwant\n%s", r.code, r.errors, got, want)
	}
	at, err := time.ParseInLocation(time.DateTime, stamp.FindString(r.out), time.Local)
	if err != nil || time.Since(at).Abs() > time.Hour {
		t.Errorf("the first event was at %v, %v", at, err)
	}
	for args, want := range map[string]string{
		"--since 2":            "3 4",
		"--since 1 -n 2":       "2 3",
		"-n 1":                 "4",
		"--filter kends/LIVE":  "3",
		"--filter haproxy":     "3 4",
		"--filter nobody":      "",
		"--since 4":            "",
		"--limit 1000":         "1 2 3 4",
		"--since 1 --filter e": "2 3 4",
	} {
		if r := s.run(append([]string{"activity"}, strings.Fields(args)...)...); r.code != cli.ExitOK || numbers(r.out) != want {
			t.Errorf("%s: exit code %d %s, events %q, want %q", args, r.code, r.errors, numbers(r.out), want)
		}
	}
}

// following is an `activity -f` that runs.
type following struct {
	mu    sync.Mutex
	b     bytes.Buffer
	wrote chan struct{} // one slot
	stop  context.CancelFunc
	code  chan int
}

func (f *following) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case f.wrote <- struct{}{}:
	default:
	}
	return f.b.Write(p)
}

func (f *following) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.b.String()
}

func (s *fixture) follow(args ...string) *following {
	s.tb.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(s.tb.Context()))
	f := &following{wrote: make(chan struct{}, 1), stop: stop, code: make(chan int, 1)}
	go func() {
		f.code <- run(ctx, append([]string{"activity", "-f"}, args...), cli.Environment{
			Program: "thalassa", Stdin: strings.NewReader(""), Stdout: f, Stderr: f,
			Getenv: func(name string) string { return s.env[name] },
		})
	}()
	s.tb.Cleanup(stop)
	return f
}

// shows waits until what was written holds text.
func (f *following) shows(tb testing.TB, text string) {
	tb.Helper()
	limit := time.After(patience)
	for !strings.Contains(f.String(), text) {
		select {
		case <-f.wrote:
		case <-limit:
			tb.Fatalf("%q is not shown: %s", text, f)
		}
	}
}

// ends demands that it ends with the code.
func (f *following) ends(tb testing.TB, code int) {
	tb.Helper()
	select {
	case got := <-f.code:
		if got != code {
			tb.Errorf("exit code %d, want %d: %s", got, code, f)
		}
	case <-time.After(patience):
		tb.Fatalf("it does not end: %s", f)
	}
}

func TestActivityIsFollowedUntilTheEnd(t *testing.T) {
	s := happenings(t)
	all, some := s.follow("-n", "1"), s.follow("--filter", "blue", "-o", "json")
	all.shows(t, "haproxyReloadFailed")
	for i := range 4 {
		color := []string{"red", "blue"}[i%2]
		s.Log.Record(t.Context(), activity.Event{Verb: activity.ConfigurationChanged, Object: activity.Object{ID: fmt.Sprint("backend/", color, i)}})
	}
	all.shows(t, "backend/blue3")
	some.shows(t, "backend/blue3")
	for _, f := range []*following{all, some} {
		f.stop()
		f.ends(t, cli.ExitOK)
	}
	if got := numbers(all.String()); got != "4 5 6 7 8" {
		t.Errorf("events %q: %s", got, all)
	}
	lines := strings.Split(strings.TrimSpace(some.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"seq":6`) || !strings.Contains(lines[1], `"seq":8`) {
		t.Errorf("with a filter: %s", some)
	}
}

func TestFollowingNeedsAnAgentAtFirst(t *testing.T) {
	s := open(t)
	f := s.follow("--agent", "127.0.0.1:1")
	f.ends(t, cli.ExitUnavailable)
	if !strings.HasPrefix(f.String(), "thalassa: asking the agent: ") {
		t.Error(f)
	}
}
