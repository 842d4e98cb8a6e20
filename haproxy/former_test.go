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

// moved is the HAProxy of a lab as a program sees it that has other paths by default.
func (l *lab) moved(edit func(*haproxy.Config)) *lab {
	l.t.Helper()
	run := filepath.Join(l.dir, "run")
	if err := os.MkdirAll(run, 0o700); err != nil {
		l.t.Fatal(err)
	}
	other := *l
	other.cfg.Former = &haproxy.Paths{StatsSocket: l.cfg.StatsSocket, MasterSocket: l.cfg.MasterSocket, PIDPath: l.cfg.PIDPath}
	other.cfg.StatsSocket, other.cfg.MasterSocket, other.cfg.PIDPath = run+"/haproxy.sock", run+"/master.sock", run+"/haproxy.pid"
	if edit != nil {
		edit(&other.cfg)
	}
	other.Process = haproxy.New(other.cfg)
	l.t.Cleanup(func() {
		if err := other.Stop(context.Background()); err != nil {
			l.t.Error(err)
		}
	})
	return &other
}

// is checks what kind of file each path of a lab is.
func (l *lab) is(stats, master, pid fs.FileMode) {
	l.t.Helper()
	for path, want := range map[string]fs.FileMode{l.cfg.StatsSocket: stats, l.cfg.MasterSocket: master, l.cfg.PIDPath: pid} {
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Type() != want {
			l.t.Errorf("%s is %v, %v, want %v", filepath.Base(path), info, err, want)
		}
	}
}

// requests asks without a pause until stop, which tells of those that failed.
func (l *lab) requests() (stop func()) {
	l.t.Helper()
	var over atomic.Bool
	failed := make(chan string, 1)
	go func() {
		n, bad := 0, 0
		var last error
		for ; !over.Load(); n++ {
			if _, err := l.get(); err != nil {
				bad, last = bad+1, err
			}
		}
		failed <- fmt.Sprintf("%d of %d, the last with %v", bad, n, last)
	}()
	return func() {
		over.Store(true)
		if said := <-failed; !strings.HasPrefix(said, "0 of ") {
			l.t.Errorf("requests failed: %s", said)
		}
	}
}

// A HAProxy at the paths of an earlier release is adopted with its traffic, moves its
// stats socket with the next reload, and the rest with the next start.
func TestAdoptedFromFormerPaths(t *testing.T) {
	each(t, func(l *lab) {
		var global []string
		if os.Geteuid() == 0 {
			global = []string{"user nobody", "group nogroup"}
		}
		if _, err := l.Apply(l.t.Context(), l.config("one", global...), "one"); err != nil {
			l.t.Fatal(err)
		}
		before, stop := l.state(), l.requests()
		n := l.moved(nil)
		if got := n.state(); got != before {
			l.t.Errorf("adopted %+v as %+v", before, got)
		}
		n.is(fs.ModeSymlink, fs.ModeSymlink, fs.ModeSymlink)
		if again := n.another(nil); again != nil { // the next program finds it by the links
			if got, err := again.State(l.t.Context()); err != nil || got != before {
				l.t.Errorf("adopted again as %+v, %v", got, err)
			}
		}
		for _, word := range []string{"two", "three"} {
			out, err := n.Apply(l.t.Context(), n.config(word, global...), word)
			if err != nil || !out.Reloaded {
				l.t.Fatalf("%+v, %v", out, err)
			}
			n.is(fs.ModeSocket, fs.ModeSymlink, fs.ModeSymlink)
			if s := n.state(); s.MasterPID != before.MasterPID || s.Fingerprint != word {
				l.t.Errorf("got %+v", s)
			}
		}
		stop()
		if err := n.Stop(l.t.Context()); err != nil {
			l.t.Error(err)
		}
		l.gone(before.MasterPID)
		for _, dir := range []string{l.dir, filepath.Dir(n.cfg.MasterSocket)} {
			for _, name := range []string{"stats", "master", "haproxy.sock", "master.sock", "haproxy.pid"} {
				if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
					l.t.Errorf("%s was left in %s", name, filepath.Base(dir))
				}
			}
		}
		if _, err := n.Apply(l.t.Context(), n.config("four", global...), "four"); err != nil {
			l.t.Fatal(err)
		}
		n.is(fs.ModeSocket, fs.ModeSocket, 0)
	})
}

// Its sockets may be lost: the pid file leads to it then. One that ends is started at
// the new paths.
func TestFormerWithoutSocketsIsNotStartedTwice(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("one")
	master := l.state().MasterPID
	for _, path := range []string{l.cfg.MasterSocket, l.cfg.StatsSocket} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	n := l.moved(nil)
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
	l := newLab(t, testkit.HAProxy(t))
	l.apply("one")
	n := l.moved(func(cfg *haproxy.Config) { cfg.ConfigPath = filepath.Join(l.dir, "run/haproxy.cfg") })
	if s := n.state(); s.Running {
		t.Errorf("another configuration's HAProxy was adopted: %+v", s)
	}
	l.agree("one")

	testkit.NeedsRoot(t)
	l = newStickyLab(t, nil)
	pid, child := victim(t, nil, "haproxy", "-W", "-S", l.cfg.MasterSocket, "-f", l.cfg.ConfigPath)
	forge(t, testkit.ListenAs(t, testkit.Nobody, l.cfg.MasterSocket), pid, child)
	if err := os.WriteFile(l.cfg.PIDPath, []byte(strconv.Itoa(pid)), 0o600); err != nil {
		t.Fatal(err)
	}
	n = l.moved(nil)
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
