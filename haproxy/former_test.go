package haproxy_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
)

// moved is the HAProxy of a fixture as a program sees it that has other paths by default.
func (fx *fixture) moved(edit func(*haproxy.Config)) *fixture {
	fx.t.Helper()
	run := filepath.Join(fx.dir, "run")
	if err := os.MkdirAll(run, 0o700); err != nil {
		fx.t.Fatal(err)
	}
	other := *fx
	other.cfg.Former = &haproxy.Paths{StatsSocket: fx.cfg.StatsSocket, MasterSocket: fx.cfg.MasterSocket, PIDPath: fx.cfg.PIDPath}
	other.cfg.StatsSocket, other.cfg.MasterSocket, other.cfg.PIDPath = run+"/haproxy.sock", run+"/master.sock", run+"/haproxy.pid"
	if edit != nil {
		edit(&other.cfg)
	}
	other.Process = haproxy.New(other.cfg)
	fx.t.Cleanup(func() {
		if err := other.Stop(context.Background()); err != nil {
			fx.t.Error(err)
		}
	})
	return &other
}

// is checks what kind of file each path of a fixture is.
func (fx *fixture) is(stats, master, pid fs.FileMode) {
	fx.t.Helper()
	for path, want := range map[string]fs.FileMode{fx.cfg.StatsSocket: stats, fx.cfg.MasterSocket: master, fx.cfg.PIDPath: pid} {
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Type() != want {
			fx.t.Errorf("%s is %v, %v, want %v", filepath.Base(path), info, err, want)
		}
	}
}

// requests asks without a pause until stop, which tells of those that failed.
func (fx *fixture) requests() (stop func()) {
	fx.t.Helper()
	var over atomic.Bool
	failed := make(chan string, 1)
	go func() {
		n, bad := 0, 0
		var last error
		for ; !over.Load(); n++ {
			if _, err := fx.get(); err != nil {
				bad, last = bad+1, err
			}
		}
		failed <- fmt.Sprintf("%d of %d, the last with %v", bad, n, last)
	}()
	return func() {
		over.Store(true)
		if said := <-failed; !strings.HasPrefix(said, "0 of ") {
			fx.t.Errorf("requests failed: %s", said)
		}
	}
}

// A HAProxy at the paths of an earlier release is adopted with its traffic, moves its
// stats socket with the next reload, and the rest with the next start.
func TestAdoptedFromFormerPaths(t *testing.T) {
	each(t, func(fx *fixture) {
		var global []string
		if os.Geteuid() == 0 {
			global = []string{"user nobody", "group nogroup"}
		}
		if _, err := fx.Apply(fx.t.Context(), fx.config("one", global...), "one"); err != nil {
			fx.t.Fatal(err)
		}
		before, stop := fx.state(), fx.requests()
		n := fx.moved(nil)
		if got := n.state(); got != before {
			fx.t.Errorf("adopted %+v as %+v", before, got)
		}
		n.is(fs.ModeSymlink, fs.ModeSymlink, fs.ModeSymlink)
		if again := n.another(nil); again != nil { // the next program finds it by the links
			if got, err := again.State(fx.t.Context()); err != nil || got != before {
				fx.t.Errorf("adopted again as %+v, %v", got, err)
			}
		}
		for _, word := range []string{"two", "three"} {
			out, err := n.Apply(fx.t.Context(), n.config(word, global...), word)
			if err != nil || !out.Reloaded {
				fx.t.Fatalf("%+v, %v", out, err)
			}
			n.is(fs.ModeSocket, fs.ModeSymlink, fs.ModeSymlink)
			if s := n.state(); s.MasterPID != before.MasterPID || s.Fingerprint != word {
				fx.t.Errorf("got %+v", s)
			}
		}
		stop()
		if err := n.Stop(fx.t.Context()); err != nil {
			fx.t.Error(err)
		}
		fx.gone(before.MasterPID)
		for _, dir := range []string{fx.dir, filepath.Dir(n.cfg.MasterSocket)} {
			for _, name := range []string{"stats", "master", "haproxy.sock", "master.sock", "haproxy.pid"} {
				if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
					fx.t.Errorf("%s was left in %s", name, filepath.Base(dir))
				}
			}
		}
		if _, err := n.Apply(fx.t.Context(), n.config("four", global...), "four"); err != nil {
			fx.t.Fatal(err)
		}
		n.is(fs.ModeSocket, fs.ModeSocket, 0)
	})
}

// Its sockets may be lost: the pid file leads to it then. One that ends is started at
// the new paths.
func TestFormerWithoutSocketsIsNotStartedTwice(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	master := fx.state().MasterPID
	for _, path := range []string{fx.cfg.MasterSocket, fx.cfg.StatsSocket} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	n := fx.moved(nil)
	if s := n.state(); !s.Running || s.MasterPID != master {
		t.Fatalf("got %+v", s)
	}
	exits := n.run(n.Process)
	testkit.Eventually(t, patience, func() error {
		if s := n.state(); s.MasterPID != master {
			return fmt.Errorf("got %+v", s)
		}
		return nil
	})
	if _, err := n.Apply(t.Context(), n.config("two"), "two"); err != nil {
		t.Fatal(err)
	}
	worker := n.state().WorkerPID
	n.kill(master)
	n.gone(worker)
	n.restarted(exits)
	n.is(fs.ModeSocket, fs.ModeSocket, 0)
	n.agree("two")
}

// What runs at the former paths is adopted only when it is ours: by its user and by
// its configuration.
func TestAnotherAtFormerPaths(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	n := fx.moved(func(cfg *haproxy.Config) { cfg.ConfigPath = filepath.Join(fx.dir, "run/haproxy.cfg") })
	if s := n.state(); s.Running {
		t.Errorf("another configuration's HAProxy was adopted: %+v", s)
	}
	fx.agree("one")

	testkit.NeedsRoot(t)
	fx = newStickyFixture(t, nil)
	pid, child := victim(t, nil, "haproxy", "-W", "-S", fx.cfg.MasterSocket, "-f", fx.cfg.ConfigPath)
	forge(t, testkit.ListenAs(t, testkit.Nobody, fx.cfg.MasterSocket), pid, child)
	if err := os.WriteFile(fx.cfg.PIDPath, []byte(strconv.Itoa(pid)), 0o600); err != nil {
		t.Fatal(err)
	}
	n = fx.moved(nil)
	if s := n.state(); s.Running || s.Foreign != "" {
		t.Errorf("a stranger was adopted: %+v", s)
	}
	if _, err := n.Apply(t.Context(), n.config("one"), "one"); err != nil {
		t.Errorf("a stranger at the former path hinders the start: %v", err)
	}
	if err := n.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	lives(t, pid, child)
}
