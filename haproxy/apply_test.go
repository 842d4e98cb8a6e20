package haproxy_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/statsock"
)

func TestApplyStartsThenReloads(t *testing.T) {
	each(t, func(l *lab) {
		t := l.t
		if state := l.state(); state != (haproxy.State{}) {
			t.Errorf("before anything runs: %+v", state)
		}
		out := l.apply("one")
		if !out.Started || out.Reloaded || out.WorkerPID != l.state().WorkerPID || out.Duration <= 0 {
			t.Errorf("the start: %+v", out)
		}
		master := l.state().MasterPID
		if sid, err := syscall.Getpgid(master); err != nil || sid != master {
			t.Errorf("HAProxy (%d) is in the process group %d, %v", master, sid, err)
		}
		for i, word := range []string{"two", "three", "four"} {
			before := l.state().WorkerPID
			out := l.apply(word)
			state := l.state()
			if out.Started || !out.Reloaded || out.WorkerPID == before || out.WorkerPID != state.WorkerPID {
				t.Errorf("the reload: %+v, %+v", out, state)
			}
			if state.MasterPID != master || state.Reloads != i+1 {
				t.Errorf("after %d reloads of master %d: %+v", i+1, master, state)
			}
		}
		if got := l.file(l.cfg.ConfigPath + ".last-good"); got != string(l.config("four")) {
			t.Errorf("the last good file is\n%s", got)
		}
		if info, err := os.Stat(l.cfg.ConfigPath); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	})
}

func TestAdopt(t *testing.T) {
	each(t, func(l *lab) {
		t := l.t
		l.apply("one")
		started := l.state()
		second := l.another(nil)
		state, err := second.State(t.Context())
		if err != nil || state != started {
			t.Errorf("adopted: %+v, %v, started: %+v", state, err, started)
		}
		out, err := second.Apply(t.Context(), l.config("two"), "two")
		if err != nil || !out.Reloaded {
			t.Errorf("%+v, %v", out, err)
		}
		l.agree("two")
		if now := l.state(); now.MasterPID != started.MasterPID {
			t.Errorf("master %d became %d", started.MasterPID, now.MasterPID)
		}
	})
}

// waysNotToStart are configurations that -c accepts.
func waysNotToStart(l *lab) map[string]struct {
	config []byte
	words  string // in HAProxy's refusal
} {
	l.t.Helper()
	taken := l.otherProgram()
	bind := testkit.HAProxyConfig{
		Description: "thalassa bad", StatsSocket: l.cfg.StatsSocket, Address: l.address(), Answer: "bad",
		// A range of ports is not looked at before the reload.
		Frontend: []string{fmt.Sprintf("bind %s-%d", taken.Addr(), taken.Addr().(*net.TCPAddr).Port)},
	}
	type way = struct {
		config []byte
		words  string
	}
	return map[string]way{
		"too many file descriptors":    {l.config("bad", "ulimit-n 2000000000"), "Cannot raise FD limit to 2000000000"},
		"address taken by another":     {bind.Bytes(), "Address already in use"},
		"chroot that does not exist":   {l.config("bad", "chroot /nonexistent/folder"), "Cannot chroot"},
		"stats socket somewhere else":  {[]byte(strings.ReplaceAll(string(l.config("bad")), "/stats ", "/elsewhere ")), l.cfg.StatsSocket},
		"chroot, and no exit for that": {l.config("bad", "chroot /nonexistent/folder", "master-worker no-exit-on-failure"), "Cannot chroot"},
	}
}

func TestRefusedByStart(t *testing.T) {
	each(t, func(l *lab) {
		t := l.t
		l.apply("good")
		round := 0
		for name, way := range waysNotToStart(l) {
			if err := l.Check(t.Context(), way.config); err != nil {
				if strings.Contains(name, "no exit") {
					continue // the keyword is gone in later releases
				}
				t.Fatalf("%s: the check must accept it: %v", name, err)
			}
			before := fmt.Sprint("good", round)
			l.apply(before)
			_, err := l.Apply(t.Context(), way.config, "bad")
			var refused *lb.RefusedError
			if !errors.As(err, &refused) {
				t.Errorf("%s: got %v, want a refusal", name, err)
				continue
			}
			if refused.Stage != "start" || !strings.Contains(refused.Output, way.words) {
				t.Errorf("%s: got %+v", name, refused)
			}
			l.agree(before)
			// A failed reload must not stand in the way of the next good ones.
			round++
			l.apply(fmt.Sprint("next", round))
			l.apply(fmt.Sprint("after", round))
		}
	})
}

// takenAddress is a configuration with an address on which another program listens,
// until that is closed.
func (l *lab) takenAddress() (config []byte, other net.Listener) {
	l.t.Helper()
	other = l.otherProgram()
	return testkit.HAProxyConfig{
		Description: "thalassa bad", StatsSocket: l.cfg.StatsSocket, Address: l.address(), Answer: "bad",
		Frontend: []string{"bind " + other.Addr().String()},
	}.Bytes(), other
}

// otherProgram listens on an address of its own.
func (l *lab) otherProgram() net.Listener {
	l.t.Helper()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = other.Close() })
	return other
}

// refusedUntried checks that an error names the address of another program, and that
// HAProxy was not reloaded to find that out.
func (l *lab) refusedUntried(err error, other net.Listener) {
	l.t.Helper()
	var refused *lb.RefusedError
	if !errors.As(err, &refused) || refused.Stage != "start" || !strings.Contains(refused.Output, other.Addr().String()) {
		l.t.Errorf("got %v", err)
	}
	if state := l.state(); state.Reloads != 0 {
		l.t.Errorf("HAProxy was reloaded: %+v", state)
	}
}

// TestTakenAddress: a reload would make the old worker refuse connections for two
// seconds.
func TestTakenAddress(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("good")
	config, other := l.takenAddress()
	load := testkit.StartLoad(t, testkit.LoadConfig{Address: l.address(), Host: "test", KeepAlive: 1, Fresh: 2, Pause: time.Millisecond})
	load.Await(10)
	_, err := l.Apply(t.Context(), config, "bad")
	l.refusedUntried(err, other)
	load.Await(load.Result().Requests + 10)
	if r := load.Stop(); r.Failed != 0 || len(r.Count) != 1 {
		t.Errorf("clients saw %+v", r)
	}
	l.agree("good")
	_ = other.Close()
	if _, err := l.Apply(t.Context(), config, "bad"); err != nil {
		t.Errorf("once the address is free: %v", err)
	}
}

// TestTakenAddressAfterInstall: the file on disk is known to be in effect though
// the worker was started with another.
func TestTakenAddressAfterInstall(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	quoted := func(word string, frontend ...string) []byte {
		return testkit.HAProxyConfig{
			Description: `"thalassa ` + word + `"`, StatsSocket: l.cfg.StatsSocket, Address: l.address(), Answer: "same", Frontend: frontend,
		}.Bytes()
	}
	if _, err := l.Apply(t.Context(), quoted("one"), "one"); err != nil {
		t.Fatal(err)
	}
	other := l.otherProgram()
	for _, word := range []string{"two", "three"} {
		_, err := l.Apply(t.Context(), quoted("bad", "bind "+other.Addr().String()), "bad")
		if !errors.As(err, new(*lb.RefusedError)) || !strings.Contains(err.Error(), "in use by another program") {
			t.Errorf("before %s: got %v", word, err)
		}
		if err := l.Install(t.Context(), quoted(word)); err != nil {
			t.Fatal(err)
		}
	}
	if state := l.state(); state.Reloads != 0 || state.Fingerprint != "one" {
		t.Errorf("HAProxy was reloaded: %+v", state)
	}
}

// TestRefusedTwice: the second failed reload of a master is noticed like the
// first.
func TestRefusedTwice(t *testing.T) {
	each(t, func(l *lab) {
		t := l.t
		l.apply("good")
		for i := range 3 {
			config := l.config(fmt.Sprint("bad", i), "ulimit-n 2000000000")
			_, err := l.Apply(t.Context(), config, fmt.Sprint("bad", i))
			var refused *lb.RefusedError
			if !errors.As(err, &refused) || !strings.HasPrefix(refused.Output, "[ALERT] ") {
				t.Errorf("attempt %d: %v", i, err)
			}
			l.agree("good")
		}
		l.apply("better")
	})
}

func TestRefusedFirstStart(t *testing.T) {
	each(t, func(l *lab) {
		t := l.t
		for name, way := range waysNotToStart(l) {
			if l.Check(t.Context(), way.config) != nil {
				continue
			}
			_, err := l.Apply(t.Context(), way.config, "bad")
			var refused *lb.RefusedError
			if !errors.As(err, &refused) || refused.Stage != "start" || !strings.Contains(refused.Output, way.words) {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := os.Stat(l.cfg.ConfigPath); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: the file is there: %v", name, err)
			}
			if state := l.state(); state.Running {
				t.Errorf("%s: something runs: %+v", name, state)
			}
			l.tidy()
		}
		l.apply("good")
	})
}

func TestRefusedByCheck(t *testing.T) {
	each(t, func(l *lab) {
		t := l.t
		l.apply("good")
		worker := l.state().WorkerPID
		bad := strings.Replace(string(l.config("bad")), "http-request return", "http-requset return", 1)
		_, err := l.Apply(t.Context(), []byte(bad), "bad")
		var refused *lb.RefusedError
		if !errors.As(err, &refused) || refused.Stage != "check" {
			t.Fatalf("got %v", err)
		}
		first, _, _ := strings.Cut(refused.Output, "\n")
		if !strings.HasPrefix(first, "[ALERT] ") || !strings.Contains(first, "["+l.cfg.ConfigPath+":") || !strings.Contains(first, "http-requset") {
			t.Errorf("the words begin with %q", first)
		}
		if strings.Contains(refused.Output, ".haproxy.cfg") || strings.Contains(refused.Output, "NOTICE") {
			t.Errorf("the words are %q", refused.Output)
		}
		l.agree("good")
		if now := l.state(); now.WorkerPID != worker || now.Reloads != 0 {
			t.Errorf("HAProxy was touched: %+v", now)
		}
	})
}

// TestNoRequestIsLost reloads under load. Keep-alive clients are spared by
// "option idle-close-on-response".
func TestNoRequestIsLost(t *testing.T) {
	each(t, func(l *lab) {
		t := l.t
		l.apply("start")
		load := testkit.StartLoad(t, testkit.LoadConfig{Address: l.address(), Host: "test", KeepAlive: 3, Fresh: 3, Pause: time.Millisecond})
		for i := range 20 {
			word := fmt.Sprint("config", i)
			if _, err := l.Apply(t.Context(), l.config(word), word); err != nil {
				t.Fatal(err)
			}
			load.Await(load.Result().Requests + 12) // some of every worker
		}
		result := load.Stop()
		if result.Failed != 0 || result.Requests < 20*12 {
			t.Errorf("%d of %d requests failed: %q", result.Failed, result.Requests, result.Errors)
		}
		if result.Count["config19"] == 0 || result.Count["start"] == 0 {
			t.Errorf("answers: %v", result.Count)
		}
	})
}

func TestAppliesTakeTurns(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			word := fmt.Sprint("config", i)
			if _, err := l.Apply(t.Context(), l.config(word), word); err != nil {
				t.Errorf("%s: %v", word, err)
			}
		})
	}
	all.Wait()
	l.agree(l.state().Fingerprint)
	if reloads := l.state().Reloads; reloads != 7 {
		t.Errorf("%d reloads of 8 configurations", reloads)
	}
}

// TestSomebodyElseReloads at the same time, as often as it likes.
func TestSomebodyElseReloads(t *testing.T) {
	each(t, func(l *lab) {
		t := l.t
		l.apply("start")
		ctx, cancel := context.WithCancel(t.Context())
		var other sync.WaitGroup
		other.Go(func() {
			master := statsock.NewMaster(l.cfg.MasterSocket)
			for ctx.Err() == nil {
				begin := time.Now()
				_, _ = master.Reload(ctx)
				// A slow machine must come to start a worker in between.
				_ = wake.Pause(ctx, max(100*time.Millisecond, 2*time.Since(begin)))
			}
		})
		open := 0
		for i := range 5 {
			word := fmt.Sprint("config", i)
			_, err := l.Apply(t.Context(), l.config(word), word)
			switch {
			case errors.Is(err, context.DeadlineExceeded) && open == 0:
				// Reloads that overtake each other have left HAProxy 3.0 without a
				// new worker; it must serve nevertheless, and take the next.
				open++
				if _, err := l.get(); err != nil {
					t.Errorf("%s: %v", word, err)
				}
			case err != nil:
				t.Errorf("%s: %v", word, err)
			}
		}
		cancel()
		other.Wait()
		l.apply("end")
	})
}

func TestCallerGoesAway(t *testing.T) {
	each(t, func(l *lab) {
		t := l.t
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.Apply(gone, l.config("never"), "never"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if _, err := os.Stat(l.cfg.ConfigPath); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file was installed: %v", err)
		}
		l.apply("one")
		for name, config := range map[string][]byte{
			"two": l.config("two"),
			"bad": l.config("bad", "ulimit-n 2000000000"),
		} {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := l.Apply(ctx, config, name)
				done <- err
			}()
			testkit.Eventually(t, patience, func() error { // the file shows for as long as HAProxy needs
				if len(done) == 0 && l.file(l.cfg.ConfigPath) != string(config) {
					return errors.New("not installed yet")
				}
				return nil
			})
			cancel()
			err := <-done
			if name == "bad" {
				if !errors.As(err, new(*lb.RefusedError)) {
					t.Errorf("got %v, want a refusal", err)
				}
			} else if err != nil {
				t.Error(err)
			}
			l.agree(l.state().Fingerprint)
		}
	})
}

// TestLostMasterSocket: somebody has cleaned up.
func TestLostMasterSocket(t *testing.T) {
	each(t, func(l *lab) {
		t := l.t
		l.apply("one")
		for i, p := range []*haproxy.Process{l.Process, l.another(nil)} {
			if err := os.Remove(l.cfg.MasterSocket); err != nil {
				t.Fatal(err)
			}
			if i == 1 {
				_ = os.Remove(l.cfg.PIDPath)
			}
			state, err := p.State(t.Context())
			if err != nil || !state.Running || state.MasterPID == 0 || state.WorkerPID == 0 {
				t.Errorf("%+v, %v", state, err)
			}
			word := fmt.Sprint("again", i)
			if out, err := p.Apply(t.Context(), l.config(word), word); err != nil || !out.Reloaded {
				t.Errorf("%+v, %v", out, err)
			}
			l.agree(word)
		}
		if err := os.Remove(l.cfg.MasterSocket); err != nil {
			t.Fatal(err)
		}
		_, err := l.Apply(t.Context(), l.config("bad", "ulimit-n 2000000000"), "bad")
		if !errors.As(err, new(*lb.RefusedError)) {
			t.Errorf("got %v, want a refusal", err)
		}
		l.agree("again1")
	})
}

func TestNothingChangesWhereNothingCanBeWritten(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("good")
	for name, path := range map[string]string{
		"no folder":            filepath.Join(l.dir, "absent", "haproxy.cfg"),
		"not even root writes": "/proc/haproxy.cfg",
		"disk full":            filepath.Join(fullDisk(t), "haproxy.cfg"),
	} {
		p := l.another(func(c *haproxy.Config) { c.ConfigPath = path })
		_, err := p.Apply(t.Context(), l.config("new"), "new")
		if err == nil || errors.As(err, new(*lb.RefusedError)) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the file is there: %v", name, err)
		}
		if now := l.state(); now.Fingerprint != "good" || now.Reloads != 0 {
			t.Errorf("%s: HAProxy was touched: %+v", name, now)
		}
	}
	l.agree("good")
}

// fullDisk is a file system without space, or a folder that does not exist where
// this user may not mount one.
func fullDisk(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4k"); err != nil {
		return filepath.Join(dir, "absent")
	}
	tb.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			tb.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "full"), make([]byte, 4<<10), 0o600); err != nil {
		tb.Fatal(err)
	}
	return dir
}

func TestWithoutDescription(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	for _, word := range []string{"one", "two"} {
		config := testkit.HAProxyConfig{StatsSocket: l.cfg.StatsSocket, Address: l.address(), Answer: word}.Bytes()
		if _, err := l.Apply(t.Context(), config, word); err != nil {
			t.Fatal(err)
		}
		if state := l.state(); state.Fingerprint != "" || !state.Running {
			t.Errorf("%+v", state)
		}
		if got, err := l.get(); err != nil || got != word {
			t.Errorf("a client got %q, %v", got, err)
		}
	}
}
