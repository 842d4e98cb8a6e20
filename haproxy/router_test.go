package haproxy_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/statsock"
)

// newPathFixture is newFixture with the sockets and the pid file in a folder of their own.
func newPathFixture(t *testing.T, binary string) *fixture {
	t.Helper()
	fx := newFixture(t, binary)
	run := filepath.Join(fx.dir, "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	fx.cfg.StatsSocket, fx.cfg.MasterSocket, fx.cfg.PIDPath = filepath.Join(run, "stats"), filepath.Join(run, "master"), filepath.Join(run, "pid")
	fx.Process = haproxy.New(fx.cfg)
	return fx
}

// eachPathFixture is each with newPathFixture.
func eachPathFixture(t *testing.T, test func(fx *fixture)) {
	t.Helper()
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			test(newPathFixture(t, binary.Path))
		})
	}
}

// A taking takes a path away from HAProxy, and returns what ends whatever is there then.
type taking struct {
	name string
	do   func(path string) (end func(), err error)
}

// take does it.
func (fx *fixture) take(what taking, path string) (end func()) {
	fx.t.Helper()
	if err := os.Remove(path); err != nil {
		fx.t.Fatal(err)
	}
	end, err := what.do(path)
	if err != nil {
		fx.t.Fatal(err)
	}
	return end
}

// squat listens at a path, and gives whoever connects an answer; "": none.
func squat(path, answer string) (end func(), err error) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // the path is HAProxy's again by then
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if answer != "" {
				_, _ = conn.Write([]byte(answer))
				_ = conn.Close()
			}
		}
	}()
	return func() { _ = listener.Close() }, nil
}

// takings are what may befall a path.
func takings() []taking {
	done := func(err error) (func(), error) { return func() {}, err }
	return []taking{
		{"removed", func(string) (func(), error) { return done(nil) }},
		{"a file", func(path string) (func(), error) { return done(os.WriteFile(path, []byte("1\n"), 0o600)) }},
		{"a FIFO", func(path string) (func(), error) { return done(syscall.Mkfifo(path, 0o600)) }},
		{"a dangling link", func(path string) (func(), error) { return done(os.Symlink("/nonexistent/socket", path)) }},
		{"somebody's who talks", func(path string) (func(), error) { return squat(path, "HTTP/1.1 400 Bad Request\r\n\r\n") }},
		{"somebody's who is silent", func(path string) (func(), error) { return squat(path, "") }},
	}
}

// regained waits until everything leads to HAProxy again.
func (s *slotFixture) regained(name string, master int) {
	s.t.Helper()
	testkit.Eventually(s.t, patience, func() error {
		if state := s.state(); state.Lost != "" || !state.Answers || state.MasterPID != master {
			return fmt.Errorf("%s: %+v", name, state)
		}
		return nil
	})
	info, err := statsock.New(s.cfg.StatsSocket).ShowInfo(s.t.Context())
	if err != nil || info.PID != s.state().WorkerPID {
		s.t.Errorf("%s: the stats socket gives %+v, %v", name, info, err)
	}
	procs, err := statsock.NewMaster(s.cfg.MasterSocket).ShowProc(s.t.Context())
	if err != nil || procs.Master.PID != master {
		s.t.Errorf("%s: the master socket gives %+v, %v", name, procs, err)
	}
	if got := strings.TrimSpace(s.file(s.cfg.PIDPath)); got != strconv.Itoa(master) {
		s.t.Errorf("%s: the pid file has %q, want %d", name, got, master)
	}
}

// isLost waits until State tells of a path.
func (s *slotFixture) isLost(name, path string) {
	s.t.Helper()
	testkit.Eventually(s.t, patience, func() error {
		if state := s.state(); !strings.Contains(state.Lost, path) || !state.Answers || !state.Regain {
			return fmt.Errorf("%s: %+v", name, state)
		}
		return nil
	})
}

// TestLostSocketsUnderLoad: whatever befalls the stats, the master or the peers socket,
// it is told, servers are changed at run time meanwhile, and the next worker has the path
// again. No request fails, and HAProxy is the same.
func TestLostSocketsUnderLoad(t *testing.T) {
	eachPathFixture(t, func(fx *fixture) {
		sets := [][]lb.HostPort{{hesitant(fx.t, "a"), hesitant(fx.t, "b")}, {hesitant(fx.t, "c"), hesitant(fx.t, "d")}}
		s := fx.raise(pool("live", sets[0]...), pool("other", sets[0]...))
		fx.run(fx.Process)
		master := s.state().MasterPID
		load := testkit.StartLoad(fx.t, testkit.LoadConfig{Address: fx.address(), KeepAlive: 4, Fresh: 4, Pause: time.Millisecond, For: 5 * time.Minute})
		load.Await(50)
		at, balance := 0, []string{"leastconn", "random", "roundrobin"}
		for _, path := range []string{fx.cfg.StatsSocket, fx.cfg.MasterSocket, filepath.Join(fx.dir, "peers")} {
			for _, take := range takings() {
				name := filepath.Base(path) + " " + take.name
				haproxy.ForgetRegain(fx.Process)
				end := fx.take(take, path)
				at++
				live := pool("other", sets[at%2]...)
				front := pool("live", sets[0]...)
				front.Balance = s.running.Backends[0].Balance
				s.become(front, live) // by what is left
				s.isLost(name, path)
				front.Balance = balance[at%3]
				next, _ := s.next(front, live)
				s.reload(next)
				end()
				s.regained(name, master)
				s.stands()
			}
		}
		if result := load.Stop(); result.Failed > 0 {
			fx.t.Errorf("%d of %d requests failed: %q", result.Failed, result.Requests, result.Errors)
		} else {
			fx.t.Logf("%d requests, %d times a path was lost", result.Requests, at)
		}
	})
}

// TestLostPIDFileIsPutRight without a reload, and names no other process for longer than
// a moment.
func TestLostPIDFileIsPutRight(t *testing.T) {
	eachPathFixture(t, func(fx *fixture) {
		fx.apply("one")
		fx.run(fx.Process)
		before := fx.state()
		befall := map[string]func() error{
			"removed": func() error { return os.Remove(fx.cfg.PIDPath) },
			"emptied": func() error { return os.Truncate(fx.cfg.PIDPath, 0) },
			"of another process": func() error {
				return os.WriteFile(fx.cfg.PIDPath, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
			},
			"no number": func() error { return os.WriteFile(fx.cfg.PIDPath, []byte("x"), 0o600) },
			"a FIFO": func() error {
				return errors.Join(os.Remove(fx.cfg.PIDPath), syscall.Mkfifo(fx.cfg.PIDPath, 0o600))
			},
			"a link": func() error {
				return errors.Join(os.Remove(fx.cfg.PIDPath), os.Symlink("/proc/self/stat", fx.cfg.PIDPath))
			},
			"a directory":          func() error { return errors.Join(os.Remove(fx.cfg.PIDPath), os.Mkdir(fx.cfg.PIDPath, 0o700)) },
			"gone with the folder": func() error { return os.RemoveAll(filepath.Dir(fx.cfg.PIDPath)) },
		}
		for name, do := range befall {
			if err := do(); err != nil {
				fx.t.Fatalf("%s: %v", name, err)
			}
			testkit.Eventually(fx.t, patience, func() error {
				if info, err := os.Lstat(fx.cfg.PIDPath); err != nil || !info.Mode().IsRegular() {
					return fmt.Errorf("%s: %v: %w", name, info, errors.Join(err, os.ErrInvalid))
				}
				if got := fx.file(fx.cfg.PIDPath); got != strconv.Itoa(before.MasterPID)+"\n" {
					return fmt.Errorf("%s: it has %q", name, got)
				}
				return nil
			})
		}
		if after := fx.state(); after.MasterPID != before.MasterPID || !alive(before.WorkerPID) {
			fx.t.Errorf("before %+v, after %+v", before, after)
		}
	})
}

// TestEveryPathLost: a HAProxy to which no path leads is found by its command line, also
// by another agent, is reloaded by a signal, and is neither ended nor joined by another.
func TestEveryPathLost(t *testing.T) {
	for name, take := range map[string]func(fx *fixture) error{
		"removed": func(fx *fixture) error {
			return errors.Join(os.Remove(fx.cfg.StatsSocket), os.Remove(fx.cfg.MasterSocket), os.Remove(fx.cfg.PIDPath))
		},
		"with their folder": func(fx *fixture) error { return os.RemoveAll(filepath.Dir(fx.cfg.StatsSocket)) },
		"folder is another": func(fx *fixture) error {
			dir := filepath.Dir(fx.cfg.StatsSocket)
			return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755))
		},
		"master is a folder": func(fx *fixture) error {
			return errors.Join(os.Remove(fx.cfg.StatsSocket), os.Remove(fx.cfg.MasterSocket), os.Mkdir(fx.cfg.MasterSocket, 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachPathFixture(t, func(fx *fixture) {
				s := fx.raise(pool("live", well(fx.t, "a")))
				before := s.state()
				load := testkit.StartLoad(fx.t, testkit.LoadConfig{Address: fx.address(), Fresh: 4, Pause: time.Millisecond, For: time.Minute})
				load.Await(20)
				for _, p := range []*haproxy.Process{fx.Process, fx.another(nil)} {
					if err := take(fx); err != nil {
						fx.t.Fatal(err)
					}
					s.Process = p
					if state := s.state(); !state.Running || state.MasterPID != before.MasterPID {
						fx.t.Errorf("not found: %+v", state)
					}
					next, _ := s.next(pool("live", well(fx.t, "b")))
					rendered := s.render(next)
					out, err := p.Apply(fx.t.Context(), rendered.Bytes, "")
					if err != nil || !out.Reloaded || out.Started {
						fx.t.Fatalf("%+v, %v", out, err)
					}
					s.running = next
					s.regained("all", before.MasterPID)
				}
				if result := load.Stop(); result.Failed > 0 {
					fx.t.Errorf("%d of %d requests failed: %q", result.Failed, result.Requests, result.Errors)
				}
			})
		})
	}
}

// TestStickTablesOutliveALostPeersSocket: the old worker finds the next one.
func TestStickTablesOutliveALostPeersSocket(t *testing.T) {
	eachPathFixture(t, func(fx *fixture) {
		fx.countsOn(func() {
			if err := os.Remove(filepath.Join(fx.dir, "peers")); err != nil {
				fx.t.Fatal(err)
			}
		})
	})
}

// TestOrphanWithoutSockets: a worker that has lost its master and its paths, and does not
// end, is not joined by another HAProxy, which would share its ports.
func TestOrphanWithoutSockets(t *testing.T) {
	fx := newPathFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	state := fx.state()
	if err := syscall.Kill(state.WorkerPID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	fx.kill(state.MasterPID)
	if err := errors.Join(os.Remove(fx.cfg.StatsSocket), os.Remove(fx.cfg.MasterSocket), os.Remove(fx.cfg.PIDPath)); err != nil {
		t.Fatal(err)
	}
	_, err := fx.another(nil).Apply(t.Context(), fx.config("two"), "two")
	if !errors.As(err, new(*lb.UnavailableError)) || !strings.Contains(err.Error(), strconv.Itoa(state.WorkerPID)) {
		t.Errorf("got %v", err)
	}
	if err := syscall.Kill(state.WorkerPID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	fx.gone(state.WorkerPID)
	fx.apply("two")
}

// TestStartOverAStranger: whoever is no HAProxy and listens on the stats socket keeps
// none from being started.
func TestStartOverAStranger(t *testing.T) {
	each(t, func(fx *fixture) {
		fx.apply("one")
		fx.kill(fx.state().MasterPID)
		fx.gone(fx.state().WorkerPID)
		end := fx.take(takings()[5], fx.cfg.StatsSocket)
		defer end()
		fx.apply("two")
	})
}

// TestRegainBacksOff: whoever goes on removing a socket does not have HAProxy reloaded
// without end.
func TestRegainBacksOff(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	s := fx.raise(pool("live", well(t, "a")))
	for n := range 3 {
		if err := os.Remove(fx.cfg.StatsSocket); err != nil {
			t.Fatal(err)
		}
		state := s.state()
		if !strings.Contains(state.Lost, fx.cfg.StatsSocket+" does not exist") || !state.Answers || state.Regain != (n == 0) {
			t.Errorf("%d: %+v", n, state)
		}
		if _, err := fx.Apply(t.Context(), s.render(s.running).Bytes, ""); err != nil {
			t.Fatal(err)
		}
		if state := s.state(); state.Lost != "" || state.Regain {
			t.Errorf("%d: %+v", n, state)
		}
	}
}

// TestPathThatCannotBeMade: a folder with something in it stands where the socket was.
// Changes take effect nevertheless, and the file on disk is as it was given.
func TestPathThatCannotBeMade(t *testing.T) {
	each(t, func(fx *fixture) {
		fx.apply("one")
		before := fx.state()
		if err := errors.Join(os.Remove(fx.cfg.StatsSocket), os.MkdirAll(filepath.Join(fx.cfg.StatsSocket, "x"), 0o700)); err != nil {
			fx.t.Fatal(err)
		}
		fx.apply("two")
		fx.apply("three")
		if state := fx.state(); state.Lost == "" || state.MasterPID != before.MasterPID {
			fx.t.Errorf("%+v", state)
		}
		if err := os.RemoveAll(fx.cfg.StatsSocket); err != nil {
			fx.t.Fatal(err)
		}
		fx.apply("four")
		if state := fx.state(); state.Lost != "" {
			fx.t.Errorf("%+v", state)
		}
		// A master that could not make its socket anew would end, with all its workers.
		if err := errors.Join(os.Remove(fx.cfg.MasterSocket), os.MkdirAll(filepath.Join(fx.cfg.MasterSocket, "x"), 0o700)); err != nil {
			fx.t.Fatal(err)
		}
		if _, err := fx.Apply(fx.t.Context(), fx.config("five"), "five"); !errors.As(err, new(*lb.UnavailableError)) || !strings.Contains(err.Error(), fx.cfg.MasterSocket) {
			fx.t.Errorf("got %v", err)
		}
		fx.agree("four")
		if err := os.RemoveAll(fx.cfg.MasterSocket); err != nil {
			fx.t.Fatal(err)
		}
		fx.apply("five")
	})
}

// TestFolderThatIsNone: a file stands where the folder of the sockets was.
func TestFolderThatIsNone(t *testing.T) {
	eachPathFixture(t, func(fx *fixture) {
		fx.apply("one")
		before, dir := fx.state(), filepath.Dir(fx.cfg.StatsSocket)
		if err := errors.Join(os.Rename(dir, dir+".away"), os.WriteFile(dir, nil, 0o600)); err != nil {
			fx.t.Fatal(err)
		}
		if _, err := fx.Apply(fx.t.Context(), fx.config("two"), "two"); !errors.As(err, new(*lb.UnavailableError)) || !strings.Contains(err.Error(), dir) {
			fx.t.Errorf("got %v", err)
		}
		if got, err := fx.get(); err != nil || got != "one" || !alive(before.WorkerPID) {
			fx.t.Errorf("got %q, %v", got, err)
		}
		if err := os.Remove(dir); err != nil {
			fx.t.Fatal(err)
		}
		fx.apply("two")
		if state := fx.state(); state.MasterPID != before.MasterPID || state.Lost != "" {
			fx.t.Errorf("before %+v, after %+v", before, state)
		}
	})
}

// TestStartWithoutFolder: HAProxy has died, and the folder of its sockets is gone, or is
// none. That says nothing about the configuration.
func TestStartWithoutFolder(t *testing.T) {
	eachPathFixture(t, func(fx *fixture) {
		fx.apply("one")
		state, dir := fx.state(), filepath.Dir(fx.cfg.StatsSocket)
		if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600), syscall.Kill(state.MasterPID, syscall.SIGKILL)); err != nil {
			fx.t.Fatal(err)
		}
		testkit.Eventually(fx.t, 20*time.Second, func() error {
			if alive(state.MasterPID) || alive(state.WorkerPID) {
				return errors.New("HAProxy lives")
			}
			return nil
		})
		if _, err := fx.Apply(fx.t.Context(), fx.config("two"), "two"); err == nil || errors.As(err, new(*lb.RefusedError)) || !strings.Contains(err.Error(), dir) {
			fx.t.Errorf("got %v", err)
		}
		if err := os.Remove(dir); err != nil {
			fx.t.Fatal(err)
		}
		fx.apply("two")
		fx.agree("two")
	})
}

// TestBindOnAControlPath is refused, however it is written, and what is stored with one
// takes effect nevertheless: its worker is reached through the master.
func TestBindOnAControlPath(t *testing.T) {
	each(t, func(fx *fixture) {
		stats := fx.cfg.StatsSocket
		link := filepath.Join(fx.dir, "link")
		if err := os.Symlink(fx.dir, link); err != nil {
			fx.t.Fatal(err)
		}
		config := func(bind string) []byte {
			return bytes.Replace(fx.config("one"), []byte("frontend web\n"), []byte("frontend web\n    bind "+bind+"\n"), 1)
		}
		for _, bind := range []string{
			stats, "unix@" + stats, `"unix@` + stats + `"`, "uxst@" + stats, "127.0.0.1:0,unix@" + stats, "unix@" + stats + " mode 666",
			filepath.Dir(stats) + "/./" + filepath.Base(stats), filepath.Dir(stats) + "//" + filepath.Base(stats), filepath.Join(link, filepath.Base(stats)),
			fx.cfg.MasterSocket, fx.cfg.PIDPath, fx.cfg.ConfigPath,
		} {
			err := fx.Check(fx.t.Context(), config(bind))
			if refused, ok := errors.AsType[*lb.RefusedError](err); !ok || !strings.Contains(refused.Output, "expected another path") {
				fx.t.Errorf("bind %s: %v", bind, err)
			}
		}
		for _, bind := range []string{"unix@" + stats + "2", "127.0.0.1:" + strconv.Itoa(testkit.Port(fx.t)), "abns@" + stats} {
			if err := fx.Check(fx.t.Context(), config(bind)); err != nil {
				fx.t.Errorf("bind %s: %v", bind, err)
			}
		}
		fx.apply("zero")
		stolen := config("unix@" + stats + " mode 600")
		for range 2 {
			if _, err := fx.Apply(fx.t.Context(), stolen, ""); err != nil {
				fx.t.Fatal(err)
			}
			if state := fx.state(); !state.Answers || state.Fingerprint != "one" {
				fx.t.Errorf("%+v", state)
			}
		}
		fx.apply("two")
		fx.apply("three")
		if state := fx.state(); state.Lost != "" {
			fx.t.Errorf("%+v", state)
		}
	})
}
