package cli_test

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	nodeapi "thalassa/api/node"
	"thalassa/cli"
	"thalassa/client"
	"thalassa/lb"
)

func TestDeployOfASplit(t *testing.T) {
	s := shop(t)
	s.does("backend/live is at shop 1.0.0=90,2.0.0=10 with 3 members and in effect after 2 ms (reload, revision 4)\n", "deploy", "live", "2.0.0=10,1.0.0=90")
	if r := s.run("backends"); !strings.Contains(r.out, "live     dynamic  shop     1.0.0=90,2.0.0=10  http") {
		t.Errorf("%+v", r)
	}
	shown := s.run("backends", "get", "live")
	if r := s.runWith(shown.out, "backends", "put", "live", "-"); r.code != cli.ExitOK || !strings.Contains(r.out, "nothing had to change") {
		t.Errorf("%s\n%+v", shown.out, r)
	}
	s.fails(cli.ExitConflict, "version 3 of service shop has no healthy instance", "deploy", "live", "1.0.0=1,3=1")
	s.does("backend/live is at shop 1.0.0=1,3=1 with 2 members and in effect after 2 ms (reload, revision 5)\n", "deploy", "live", "1.0.0=1,3=1", "--force")
	s.does("backend/live is at shop 2.0.0 with 1 member and in effect after 2 ms (reload, revision 6)\n", "deploy", "live", "2.0.0")
}

// answering makes the member of version 2.0.0 answer ten requests every few
// milliseconds until stop is called, so many of them badly.
func (s *fixture) answering(bad int64) (stop func()) {
	ctx, cancel := context.WithCancel(s.tb.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for times := int64(1); ctx.Err() == nil; times++ {
			s.Count("10.1.0.3:8080", lb.ServerStats{
				Requests: 10 * times, Responses: lb.Responses{Success: (10 - bad) * times, ServerError: bad * times}, ResponseTimeMS: 3,
			})
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	}()
	return func() { cancel(); <-ended }
}

// fits compares the lines of an output with patterns.
func fits(t *testing.T, out string, patterns ...string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	for i, p := range patterns {
		if i >= len(lines) || !regexp.MustCompile("^"+p+"$").MatchString(lines[i]) {
			t.Fatalf("line %d of\n%s\ndoes not fit %s", i+1, out, p)
		}
	}
	if len(lines) != len(patterns) {
		t.Errorf("%d lines, want %d:\n%s", len(lines), len(patterns), out)
	}
}

func TestCanary(t *testing.T) {
	s := shop(t)
	s.answering(0)
	r := s.run("deploy", "live", "2.0.0", "--canary", "5,50,100", "--every", "150ms", "--min-requests", "1")
	if r.code != cli.ExitOK {
		t.Fatalf("%+v", r)
	}
	fits(t, r.out,
		`  5%  1\.0\.0=95,2\.0\.0=5 with 3 members and in effect after 2 ms \(reload, revision 4\)`,
		`  5%  [1-9]\d* requests, 0% 5xx, 0% errors, 3 ms`,
		` 50%  1\.0\.0=50,2\.0\.0=50 with 3 members and in effect after 2 ms \(reload, revision 5\)`,
		` 50%  [1-9]\d* requests, 0% 5xx, 0% errors, 3 ms`,
		`backend/live is at shop 2\.0\.0 with 1 member and in effect after 2 ms \(reload, revision 6\)`,
	)
	s.does("backend/live is at shop 2.0.0 with 1 member, nothing had to change (revision 6)\n", "deploy", "live", "2.0.0", "--canary", "5,100", "--every", "1h")
}

func TestCanaryThatGoesBack(t *testing.T) {
	s := shop(t)
	stop := s.answering(2)
	r := s.run("deploy", "live", "2.0.0", "--canary", "5,100", "--every", "1h")
	if r.code != cli.ExitConflict {
		t.Fatalf("%+v", r)
	}
	fits(t, r.out, `  5%  1\.0\.0=95,2\.0\.0=5 with 3 members .*`, `  5%  going back: version 2\.0\.0 broke 5xx>1%`)
	fits(t, r.errors, `thalassa: backend/live was rolled back to shop 1\.0\.0: at 5% version 2\.0\.0 broke 5xx>1% \(\d+ requests, 20% 5xx, 0% errors, 3 ms\)`)

	stop()
	r = s.run("deploy", "live", "2.0.0", "--canary", "5,100", "--every", "200ms")
	if r.code != cli.ExitOK || !strings.Contains(r.out, "  5%  0 requests, 0% 5xx, 0% errors, 0 ms; 20 are needed to judge\n") {
		t.Errorf("without traffic: %+v", r)
	}
	s.fails(cli.ExitConflict, "backend/files: is static", "deploy", "files", "2", "--canary", "100")
	s.fails(cli.ExitConflict, "version 9 of service shop has no healthy instance", "deploy", "live", "9", "--canary", "5,100", "--wait", "10ms")
	s.fails(cli.ExitNotFound, "backend/none does not exist", "deploy", "none", "9", "--canary", "5,100")
}

func TestCanaryAsJSON(t *testing.T) {
	s := shop(t)
	s.answering(1)
	r := s.run("deploy", "live", "2.0.0", "--canary", "5,100", "--every", "300ms", "--abort-on", "5xx>50%", "-o", "json")
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if r.code != cli.ExitOK || len(lines) != 3 {
		t.Fatalf("%+v", r)
	}
	var kinds []string
	for _, line := range lines {
		var e struct {
			Kind, Backend, Service string
			Percent                int
			Figures, Old           *nodeapi.CanaryFigures
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Backend != "backend/live" || e.Service != "shop" {
			t.Errorf("%s: %v", line, err)
		}
		kinds = append(kinds, e.Kind)
		if e.Kind == "watched" && (e.Old == nil || e.Figures.Requests == 0 || e.Figures.ServerErrors*10 != e.Figures.Requests || e.Percent != 5) {
			t.Errorf("%s", line)
		}
	}
	if !slices.Equal(kinds, []string{"stepped", "watched", "done"}) {
		t.Errorf("%v", kinds)
	}
}

func TestCanaryThatIsInterrupted(t *testing.T) {
	s := shop(t)
	ctx, stop := context.WithCancel(t.Context())
	s.answering(0)
	s.asked = func() {
		if in, err := s.Intent(ctx); err == nil && in.Backends["live"].Versions != nil {
			stop()
		}
	}
	var out, errs strings.Builder
	code := run(ctx, []string{"deploy", "live", "2.0.0", "--canary", "5,100", "--every", "1h"}, cli.Environment{
		Program: "thalassa", Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
		Getenv: func(name string) string { return s.env[name] },
	})
	if code != cli.ExitConflict || !strings.Contains(errs.String(), "backend/live was rolled back to shop 1.0.0: at 5% it was interrupted") {
		t.Errorf("exit code %d, stderr %q, stdout %q", code, &errs, &out)
	}
	if in, err := s.Intent(t.Context()); err != nil || in.Backends["live"].Selection() != "1.0.0" {
		t.Errorf("the backend is at %s, %v", in.Backends["live"].Selection(), err)
	}
}

func TestCanaryThatSomebodyEndsByAChange(t *testing.T) {
	s := shop(t)
	var done atomic.Bool
	s.asked = func() {
		in, err := s.Intent(t.Context())
		if b := in.Backends["live"]; err == nil && b.Versions != nil && !done.Swap(true) {
			b.Version, b.Versions = "2.0.0", nil
			if _, err := s.Edit(t.Context(), lb.Edit{Backend: &b}); err != nil {
				t.Error(err)
			}
		}
	}
	r := s.run("deploy", "live", "2.0.0", "--canary", "5,100", "--every", "1h")
	if r.code != cli.ExitConflict || !strings.Contains(r.errors, "backend/live was changed by somebody else while the canary had it at 1.0.0=95,2.0.0=5: it is at shop 2.0.0 now and is left alone") {
		t.Errorf("%+v", r)
	}
}

func TestCanaryWhoseAgentGoesAway(t *testing.T) {
	s := shop(t)
	s.Fail(&lb.UnavailableError{What: "not now"})
	s.fails(cli.ExitUnavailable, "not now", "deploy", "live", "2.0.0", "--canary", "5,100")
}

// A detached command ends after the first step; others see and control the canary.
func TestDetachedCanary(t *testing.T) {
	s := shop(t)
	s.answering(0)
	s.does("  5%  1.0.0=95,2.0.0=5 with 3 members and in effect after 2 ms (reload, revision 4)\n",
		"deploy", "live", "2.0.0", "--canary", "5,50,100", "--every", "1h", "--detach")
	s.fails(cli.ExitConflict, "backend/live: a canary of version 2.0.0 is under way (running, 5%)", "deploy", "live", "2.0.0", "--canary", "100")
	if r := s.run("status"); !strings.Contains(r.out, "canary    backend/live is at shop 1.0.0=95,2.0.0=5, canary of 2.0.0 running at 5%") {
		t.Errorf("%+v", r)
	}
	s.does("backend/live is at shop 1.0.0=95,2.0.0=5, canary of 2.0.0 paused at 5%\n", "canary", "pause", "live")
	s.fails(cli.ExitConflict, "canary/live: cannot pause, because its phase is paused", "canary", "pause", "live")
	s.does("backend/live is at shop 1.0.0=95,2.0.0=5, canary of 2.0.0 running at 5%\n", "canary", "resume", "live")
	r := s.run("canary", "show", "live")
	for _, want := range []string{
		`canary\s+shop 1\.0\.0 -> 2\.0\.0, running at 5%\n`, `steps\s+5,50,100 each for 1h0m0s\n`, `goes back if\s+5xx>1%,errors>1%\n`,
		`VERSION\s+REQUESTS\s+PER SECOND\s+5XX\s+ERRORS\s+MEAN TIME\s+MEASURED\n2\.0\.0\s+\d+\s`, `\n1\.0\.0\s+0\s`,
	} {
		if !regexp.MustCompile(want).MatchString(r.out) {
			t.Errorf("there is no %s in\n%s", want, r.out)
		}
	}
	s.does("backend/live is at shop 1.0.0, canary of 2.0.0 back at 5%\n", "canary", "back", "live")
	s.does("  5%  1.0.0=95,2.0.0=5 with 3 members and in effect after 2 ms (reload, revision 6)\n",
		"deploy", "live", "2.0.0", "--canary", "5,50,100", "--every", "1h", "--detach")
	s.does("backend/live is at shop 2.0.0, canary of 2.0.0 done at 100%\n", "canary", "finish", "live")
	s.fails(cli.ExitNotFound, "canary/files does not exist", "canary", "back", "files")
	s.fails(cli.ExitUsage, "--detach needs --canary", "deploy", "live", "1.0.0", "--detach")
	s.fails(cli.ExitUsage, "--detach and --drain exclude each other", "deploy", "live", "1.0.0", "--canary", "100", "--detach", "--drain", "1s")
}

// TestDeployThatDrains waits for the connections to former members, which are there
// until the agent was asked some times.
func TestDeployThatDrains(t *testing.T) {
	s := shop(t)
	former := lb.ServerConnections{Address: lb.HostPort{Host: "10.1.0.1", Port: 8080}, Connections: 2}
	s.Connect(former)
	var n atomic.Int64
	s.asked = func() {
		if n.Add(1) == 4 {
			s.Connect()
		}
	}
	r := s.run("deploy", "live", "2.0.0", "--drain", "1m")
	if r.code != cli.ExitOK {
		t.Fatalf("%+v", r)
	}
	fits(t, r.out,
		`backend/live is at shop 2\.0\.0 with 1 member and in effect after 2 ms \(reload, revision 4\)`,
		`backend/live has connections to former members: 10\.1\.0\.1:8080 has 2`,
		`backend/live has no connections to former members left after \d\.\d s`,
	)
	s.asked = nil
	s.Connect(lb.ServerConnections{Address: lb.HostPort{Host: "10.1.0.3", Port: 8080}, Replaced: true})
	r = s.run("deploy", "live", "1.0.0", "--drain", "50ms", "-o", "json")
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	var last client.Drained
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Done || len(last.Left) != 1 || !last.Left[0].Replaced || last.Left[0].Version != "2.0.0" {
		t.Errorf("%s: %v", r.out, err)
	}
	if r.code != cli.ExitUnavailable || !strings.Contains(r.errors, "after 50ms: backend/live has connections to former members: 10.1.0.3:8080 may get requests of a replaced worker's clients") {
		t.Errorf("%+v", r)
	}
	s.fails(cli.ExitConflict, "version 9 of service shop has no healthy instance", "deploy", "live", "9", "--drain", "1m")
	s.fails(cli.ExitUsage, "--drain: 0s is too short, expected more than 0s", "deploy", "live", "1.0.0", "--drain", "0s")
	s.fails(cli.ExitNotFound, "backend/none does not exist", "deploy", "none", "9", "--drain", "1m")
}
