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
	each(t, func(fx *fixture) {
		t := fx.t
		if state := fx.state(); state != (haproxy.State{}) {
			t.Errorf("before anything runs: %+v", state)
		}
		out := fx.apply("one")
		if !out.Started || out.Reloaded || out.WorkerPID != fx.state().WorkerPID || out.Duration <= 0 {
			t.Errorf("the start: %+v", out)
		}
		master := fx.state().MasterPID
		if sid, err := syscall.Getpgid(master); err != nil || sid != master {
			t.Errorf("HAProxy (%d) is in the process group %d, %v", master, sid, err)
		}
		for i, word := range []string{"two", "three", "four"} {
			before := fx.state().WorkerPID
			out := fx.apply(word)
			state := fx.state()
			if out.Started || !out.Reloaded || out.WorkerPID == before || out.WorkerPID != state.WorkerPID {
				t.Errorf("the reload: %+v, %+v", out, state)
			}
			if state.MasterPID != master || state.Reloads != i+1 {
				t.Errorf("after %d reloads of master %d: %+v", i+1, master, state)
			}
		}
		if got := fx.file(fx.cfg.ConfigPath + ".last-good"); got != string(fx.config("four")) {
			t.Errorf("the last good file is\n%s", got)
		}
		if info, err := os.Stat(fx.cfg.ConfigPath); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	})
}

func TestAdopt(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		fx.apply("one")
		started := fx.state()
		second := fx.another(nil)
		state, err := second.State(t.Context())
		if err != nil || state != started {
			t.Errorf("adopted: %+v, %v, started: %+v", state, err, started)
		}
		out, err := second.Apply(t.Context(), fx.config("two"), "two")
		if err != nil || !out.Reloaded {
			t.Errorf("%+v, %v", out, err)
		}
		fx.agree("two")
		if now := fx.state(); now.MasterPID != started.MasterPID {
			t.Errorf("master %d became %d", started.MasterPID, now.MasterPID)
		}
	})
}

// waysNotToStart are configurations that -c accepts.
func waysNotToStart(fx *fixture) map[string]struct {
	config []byte
	words  string // in HAProxy's refusal
} {
	fx.t.Helper()
	taken := fx.otherProgram()
	bind := testkit.HAProxyConfig{
		Description: "thalassa bad", StatsSocket: fx.cfg.StatsSocket, Address: fx.address(), Answer: "bad",
		// A range of ports is not looked at before the reload.
		Frontend: []string{fmt.Sprintf("bind %s-%d", taken.Addr(), taken.Addr().(*net.TCPAddr).Port)},
	}
	type way = struct {
		config []byte
		words  string
	}
	return map[string]way{
		"too many file descriptors":    {fx.config("bad", "ulimit-n 2000000000"), "Cannot raise FD limit to 2000000000"},
		"address taken by another":     {bind.Bytes(), "Address already in use"},
		"chroot that does not exist":   {fx.config("bad", "chroot /nonexistent/folder"), "Cannot chroot"},
		"stats socket somewhere else":  {[]byte(strings.ReplaceAll(string(fx.config("bad")), "/stats ", "/elsewhere ")), fx.cfg.StatsSocket},
		"chroot, and no exit for that": {fx.config("bad", "chroot /nonexistent/folder", "master-worker no-exit-on-failure"), "Cannot chroot"},
	}
}

func TestRefusedByStart(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		fx.apply("good")
		round := 0
		for name, way := range waysNotToStart(fx) {
			if err := fx.Check(t.Context(), way.config); err != nil {
				if strings.Contains(name, "no exit") {
					continue // the keyword is gone in later releases
				}
				t.Fatalf("%s: the check must accept it: %v", name, err)
			}
			before := fmt.Sprint("good", round)
			fx.apply(before)
			_, err := fx.Apply(t.Context(), way.config, "bad")
			var refused *lb.RefusedError
			if !errors.As(err, &refused) {
				t.Errorf("%s: got %v, want a refusal", name, err)
				continue
			}
			if refused.At != "start" || !strings.Contains(refused.Output, way.words) {
				t.Errorf("%s: got %+v", name, refused)
			}
			fx.agree(before)
			// A failed reload must not stand in the way of the next good ones.
			round++
			fx.apply(fmt.Sprint("next", round))
			fx.apply(fmt.Sprint("after", round))
		}
	})
}

// takenAddress is a configuration with an address on which another program listens,
// until that is closed.
func (fx *fixture) takenAddress() (config []byte, other net.Listener) {
	fx.t.Helper()
	other = fx.otherProgram()
	return testkit.HAProxyConfig{
		Description: "thalassa bad", StatsSocket: fx.cfg.StatsSocket, Address: fx.address(), Answer: "bad",
		Frontend: []string{"bind " + other.Addr().String()},
	}.Bytes(), other
}

// otherProgram listens on an address of its own.
func (fx *fixture) otherProgram() net.Listener {
	fx.t.Helper()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fx.t.Fatal(err)
	}
	fx.t.Cleanup(func() { _ = other.Close() })
	return other
}

// refusedUntried checks that an error names the address of another program, and that
// HAProxy was not reloaded to find that out.
func (fx *fixture) refusedUntried(err error, other net.Listener) {
	fx.t.Helper()
	var refused *lb.RefusedError
	if !errors.As(err, &refused) || refused.At != "start" || !strings.Contains(refused.Output, other.Addr().String()) {
		fx.t.Errorf("got %v", err)
	}
	if state := fx.state(); state.Reloads != 0 {
		fx.t.Errorf("HAProxy was reloaded: %+v", state)
	}
}

// TestTakenAddress: a reload would make the old worker refuse connections for two
// seconds.
func TestTakenAddress(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("good")
	config, other := fx.takenAddress()
	load := testkit.StartLoad(t, testkit.LoadConfig{Address: fx.address(), Host: "test", KeepAlive: 1, Fresh: 2, Pause: time.Millisecond})
	load.Await(10)
	_, err := fx.Apply(t.Context(), config, "bad")
	fx.refusedUntried(err, other)
	load.Await(load.Result().Requests + 10)
	if r := load.Stop(); r.Failed != 0 || len(r.Count) != 1 {
		t.Errorf("clients saw %+v", r)
	}
	fx.agree("good")
	_ = other.Close()
	if _, err := fx.Apply(t.Context(), config, "bad"); err != nil {
		t.Errorf("once the address is free: %v", err)
	}
}

// TestTakenAddressAfterInstall: the file on disk is known to be in effect though
// the worker was started with another.
func TestTakenAddressAfterInstall(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	quoted := func(word string, frontend ...string) []byte {
		return testkit.HAProxyConfig{
			Description: `"thalassa ` + word + `"`, StatsSocket: fx.cfg.StatsSocket, Address: fx.address(), Answer: "same", Frontend: frontend,
		}.Bytes()
	}
	if _, err := fx.Apply(t.Context(), quoted("one"), "one"); err != nil {
		t.Fatal(err)
	}
	other := fx.otherProgram()
	for _, word := range []string{"two", "three"} {
		_, err := fx.Apply(t.Context(), quoted("bad", "bind "+other.Addr().String()), "bad")
		if !errors.As(err, new(*lb.RefusedError)) || !strings.Contains(err.Error(), "in use by another program") {
			t.Errorf("before %s: got %v", word, err)
		}
		if err := fx.Install(t.Context(), quoted(word)); err != nil {
			t.Fatal(err)
		}
	}
	if state := fx.state(); state.Reloads != 0 || state.Fingerprint != "one" {
		t.Errorf("HAProxy was reloaded: %+v", state)
	}
}

// TestRefusedTwice: the second failed reload of a master is noticed like the
// first.
func TestRefusedTwice(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		fx.apply("good")
		for i := range 3 {
			config := fx.config(fmt.Sprint("bad", i), "ulimit-n 2000000000")
			_, err := fx.Apply(t.Context(), config, fmt.Sprint("bad", i))
			var refused *lb.RefusedError
			if !errors.As(err, &refused) || !strings.HasPrefix(refused.Output, "[ALERT] ") {
				t.Errorf("attempt %d: %v", i, err)
			}
			fx.agree("good")
		}
		fx.apply("better")
	})
}

func TestRefusedFirstStart(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		for name, way := range waysNotToStart(fx) {
			if fx.Check(t.Context(), way.config) != nil {
				continue
			}
			_, err := fx.Apply(t.Context(), way.config, "bad")
			var refused *lb.RefusedError
			if !errors.As(err, &refused) || refused.At != "start" || !strings.Contains(refused.Output, way.words) {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := os.Stat(fx.cfg.ConfigPath); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: the file is there: %v", name, err)
			}
			if state := fx.state(); state.Running {
				t.Errorf("%s: something runs: %+v", name, state)
			}
			fx.tidy()
		}
		fx.apply("good")
	})
}

func TestRefusedByCheck(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		fx.apply("good")
		worker := fx.state().WorkerPID
		bad := strings.Replace(string(fx.config("bad")), "http-request return", "http-requset return", 1)
		_, err := fx.Apply(t.Context(), []byte(bad), "bad")
		var refused *lb.RefusedError
		if !errors.As(err, &refused) || refused.At != "check" {
			t.Fatalf("got %v", err)
		}
		first, _, _ := strings.Cut(refused.Output, "\n")
		if !strings.HasPrefix(first, "[ALERT] ") || !strings.Contains(first, "["+fx.cfg.ConfigPath+":") || !strings.Contains(first, "http-requset") {
			t.Errorf("the words begin with %q", first)
		}
		if strings.Contains(refused.Output, ".haproxy.cfg") || strings.Contains(refused.Output, "NOTICE") {
			t.Errorf("the words are %q", refused.Output)
		}
		fx.agree("good")
		if now := fx.state(); now.WorkerPID != worker || now.Reloads != 0 {
			t.Errorf("HAProxy was touched: %+v", now)
		}
	})
}

// TestNoRequestIsLost reloads under load. Keep-alive clients are spared by
// "option idle-close-on-response".
func TestNoRequestIsLost(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		fx.apply("start")
		load := testkit.StartLoad(t, testkit.LoadConfig{Address: fx.address(), Host: "test", KeepAlive: 3, Fresh: 3, Pause: time.Millisecond})
		for i := range 20 {
			word := fmt.Sprint("config", i)
			if _, err := fx.Apply(t.Context(), fx.config(word), word); err != nil {
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
	fx := newFixture(t, testkit.HAProxy(t))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			word := fmt.Sprint("config", i)
			if _, err := fx.Apply(t.Context(), fx.config(word), word); err != nil {
				t.Errorf("%s: %v", word, err)
			}
		})
	}
	all.Wait()
	fx.agree(fx.state().Fingerprint)
	if reloads := fx.state().Reloads; reloads != 7 {
		t.Errorf("%d reloads of 8 configurations", reloads)
	}
}

// TestSomebodyElseReloads at the same time, as often as it likes.
func TestSomebodyElseReloads(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		fx.apply("start")
		ctx, cancel := context.WithCancel(t.Context())
		var other sync.WaitGroup
		other.Go(func() {
			master := statsock.NewMaster(fx.cfg.MasterSocket)
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
			_, err := fx.Apply(t.Context(), fx.config(word), word)
			switch {
			case errors.Is(err, context.DeadlineExceeded) && open == 0:
				// Reloads that overtake each other have left HAProxy 3.0 without a
				// new worker; it must serve nevertheless, and take the next.
				open++
				if _, err := fx.get(); err != nil {
					t.Errorf("%s: %v", word, err)
				}
			case err != nil:
				t.Errorf("%s: %v", word, err)
			}
		}
		cancel()
		other.Wait()
		fx.apply("end")
	})
}

func TestCallerGoesAway(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := fx.Apply(gone, fx.config("never"), "never"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if _, err := os.Stat(fx.cfg.ConfigPath); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file was installed: %v", err)
		}
		fx.apply("one")
		for name, config := range map[string][]byte{
			"two": fx.config("two"),
			"bad": fx.config("bad", "ulimit-n 2000000000"),
		} {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := fx.Apply(ctx, config, name)
				done <- err
			}()
			testkit.Eventually(t, patience, func() error { // the file shows for as long as HAProxy needs
				if len(done) == 0 && fx.file(fx.cfg.ConfigPath) != string(config) {
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
			fx.agree(fx.state().Fingerprint)
		}
	})
}

// TestLostMasterSocket: somebody has cleaned up.
func TestLostMasterSocket(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		fx.apply("one")
		for i, p := range []*haproxy.Process{fx.Process, fx.another(nil)} {
			if err := os.Remove(fx.cfg.MasterSocket); err != nil {
				t.Fatal(err)
			}
			if i == 1 {
				_ = os.Remove(fx.cfg.PIDPath)
			}
			state, err := p.State(t.Context())
			if err != nil || !state.Running || state.MasterPID == 0 || state.WorkerPID == 0 {
				t.Errorf("%+v, %v", state, err)
			}
			word := fmt.Sprint("again", i)
			if out, err := p.Apply(t.Context(), fx.config(word), word); err != nil || !out.Reloaded {
				t.Errorf("%+v, %v", out, err)
			}
			fx.agree(word)
		}
		if err := os.Remove(fx.cfg.MasterSocket); err != nil {
			t.Fatal(err)
		}
		_, err := fx.Apply(t.Context(), fx.config("bad", "ulimit-n 2000000000"), "bad")
		if !errors.As(err, new(*lb.RefusedError)) {
			t.Errorf("got %v, want a refusal", err)
		}
		fx.agree("again1")
	})
}

func TestNothingChangesWhereNothingCanBeWritten(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("good")
	for name, path := range map[string]string{
		"no folder":            filepath.Join(fx.dir, "absent", "haproxy.cfg"),
		"not even root writes": "/proc/haproxy.cfg",
		"disk full":            filepath.Join(fullDisk(t), "haproxy.cfg"),
	} {
		p := fx.another(func(c *haproxy.Config) { c.ConfigPath = path })
		_, err := p.Apply(t.Context(), fx.config("new"), "new")
		if err == nil || errors.As(err, new(*lb.RefusedError)) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the file is there: %v", name, err)
		}
		if now := fx.state(); now.Fingerprint != "good" || now.Reloads != 0 {
			t.Errorf("%s: HAProxy was touched: %+v", name, now)
		}
	}
	fx.agree("good")
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
	fx := newFixture(t, testkit.HAProxy(t))
	for _, word := range []string{"one", "two"} {
		config := testkit.HAProxyConfig{StatsSocket: fx.cfg.StatsSocket, Address: fx.address(), Answer: word}.Bytes()
		if _, err := fx.Apply(t.Context(), config, word); err != nil {
			t.Fatal(err)
		}
		if state := fx.state(); state.Fingerprint != "" || !state.Running {
			t.Errorf("%+v", state)
		}
		if got, err := fx.get(); err != nil || got != word {
			t.Errorf("a client got %q, %v", got, err)
		}
	}
}
