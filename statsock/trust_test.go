package statsock_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

// other is a user whom nobody trusts, and who has no name.
const other = 54321

// must ends a test on an error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// count has a listener count the bytes that it is sent.
func count(t *testing.T, l net.Listener) (stop func() int) {
	t.Helper()
	total := make(chan int, 1)
	go func() {
		n := 0
		for {
			conn, err := l.Accept()
			if err != nil {
				total <- n
				return
			}
			buf := make([]byte, 64)
			for err == nil {
				var some int
				some, err = conn.Read(buf)
				n += some
			}
			_ = conn.Close()
		}
	}()
	return func() int {
		_ = l.Close()
		return <-total
	}
}

// Nothing is asked on the socket of a user who is not trusted, and the error says
// whose it is.
func TestStrangersSocketIsNotAsked(t *testing.T) {
	testkit.NeedsRoot(t)
	for _, stranger := range []struct {
		uid  int
		name string
	}{{testkit.Nobody, "nobody (uid 65534)"}, {other, "uid 54321"}} {
		path := filepath.Join(testkit.StickyDir(t), "s")
		received := count(t, testkit.ListenAs(t, stranger.uid, path))
		for name, call := range calls(path) {
			err := call(t.Context())
			foreign, ok := errors.AsType[*statsock.ForeignError](err)
			if !ok || foreign.Owner != uint32(stranger.uid) || foreign.PID != os.Getpid() { //nolint:gosec // small
				t.Fatalf("%s: %v", name, err)
			}
			for _, part := range []string{path, stranger.name + " listens there", "process " + strconv.Itoa(os.Getpid()), "expected root (uid 0)"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s: %q does not say %q", name, err, part)
				}
			}
			if statsock.NotListening(err) {
				t.Errorf("%s: %v is told as not listening", name, err)
			}
		}
		if _, err := statsock.New(path).Begin(t.Context()); err == nil {
			t.Error("a session began")
		}
		if n := received(); n != 0 {
			t.Errorf("%s was sent %d bytes", stranger.name, n)
		}
	}
}

// A user who is named is trusted, and nobody else with that.
func TestNamedUserIsTrusted(t *testing.T) {
	testkit.NeedsRoot(t)
	path := filepath.Join(testkit.StickyDir(t), "s")
	received := count(t, testkit.ListenAs(t, testkit.Nobody, path))
	session, err := statsock.New(path, other, testkit.Nobody).Begin(t.Context())
	must(t, err)
	session.End() // or received would wait for it
	if _, err := statsock.New(path, other).Begin(t.Context()); err == nil || !strings.Contains(err.Error(), "expected root (uid 0) or uid 54321") {
		t.Errorf("got %v", err)
	}
	received()
}

// Where a stranger could have put another socket of a trusted user's, which is a
// confused deputy's, it is none of ours.
func TestStrangersPathLeadsNowhere(t *testing.T) {
	testkit.NeedsRoot(t)
	chown := func(path string) error { return os.Lchown(path, testkit.Nobody, testkit.Nobody) }
	for name, c := range map[string]struct {
		lay  func(dir, socket string) (path string, err error)
		want string // "": asked
	}{
		"the socket itself": {func(_, socket string) (string, error) { return socket, nil }, ""},
		"a directory of its own": {func(dir, socket string) (string, error) {
			return dir + "/d/s", errors.Join(os.Mkdir(dir+"/d", 0o755), os.Rename(socket, dir+"/d/s"))
		}, ""},
		"the stranger's directory": {func(dir, socket string) (string, error) {
			return dir + "/d/s", errors.Join(os.Mkdir(dir+"/d", 0o755), os.Rename(socket, dir+"/d/s"), chown(dir+"/d"))
		}, "/d belongs to nobody (uid 65534)"},
		"a directory above": {func(dir, socket string) (string, error) {
			return dir + "/d/e/s", errors.Join(os.MkdirAll(dir+"/d/e", 0o755), os.Rename(socket, dir+"/d/e/s"), chown(dir+"/d"))
		}, "/d belongs to nobody (uid 65534)"},
		"a directory of everybody's": {func(dir, socket string) (string, error) {
			return dir + "/d/s", errors.Join(os.Mkdir(dir+"/d", 0o755), os.Chmod(dir+"/d", 0o777), os.Rename(socket, dir+"/d/s")) //nolint:gosec // it is to be refused
		}, "/d lets everybody replace what is in it"},
		"the stranger's link": {func(dir, socket string) (string, error) {
			return dir + "/l", errors.Join(os.Symlink(socket, dir+"/l"), chown(dir+"/l"))
		}, "/l belongs to nobody (uid 65534)"},
		"a link": {func(dir, socket string) (string, error) {
			return dir + "/l", os.Symlink(filepath.Base(socket), dir+"/l")
		}, ""},
		"a link into the stranger's directory": {func(dir, socket string) (string, error) {
			return dir + "/l", errors.Join(os.Mkdir(dir+"/d", 0o755), os.Rename(socket, dir+"/d/s"), os.Symlink("d/../d/s", dir+"/l"), chown(dir+"/d"))
		}, "/d belongs to nobody (uid 65534)"},
		"a link of a directory": {func(dir, socket string) (string, error) {
			return dir + "/l/s", errors.Join(os.Mkdir(dir+"/d", 0o755), os.Rename(socket, dir+"/d/s"), os.Symlink(dir+"/d", dir+"/l"), chown(dir+"/l"))
		}, "/l belongs to nobody (uid 65534)"},
		"the stranger's socket of root's": {func(_, socket string) (string, error) { return socket, chown(socket) }, "it belongs to nobody (uid 65534)"},
		"an absent one in the stranger's directory": {func(dir, _ string) (string, error) {
			return dir + "/d/s", errors.Join(os.Mkdir(dir+"/d", 0o755), chown(dir+"/d"))
		}, "/d belongs to nobody (uid 65534)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := say(t, "\n")
			path, err := c.lay(filepath.Dir(s.path), s.path)
			must(t, err)
			_, err = statsock.New(path).Do(t.Context(), "show errors")
			if c.want == "" {
				must(t, err)
				return
			}
			if foreign, ok := errors.AsType[*statsock.ForeignError](err); !ok || foreign.Path != path || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			if n := len(s.asked()); n != 0 {
				t.Errorf("was asked %d times", n)
			}
		})
	}
}

// A path that leads in a circle, or on for ever, ends.
func TestLinksEnd(t *testing.T) {
	dir := testkit.SocketDir(t)
	must(t, os.Symlink("l", dir+"/l"), os.Symlink("m/x/../y", dir+"/m"))
	for _, name := range []string{"l", "m", "l/s"} {
		if _, err := statsock.New(filepath.Join(dir, name)).Do(t.Context(), "x"); err == nil {
			t.Errorf("%s was asked", name)
		}
	}
}

// HAProxy of every release is trusted by the user who has started it, though its
// workers run as another, also after a reload and a failed one.
func TestHAProxyIsKnownByItsStarter(t *testing.T) {
	testkit.NeedsRoot(t)
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			h := testkit.RunHAProxy(t, binary.Path, testkit.HAProxyConfig{
				Address: fmt.Sprintf("127.0.0.1:%d", testkit.Port(t)), Answer: "hello", Global: []string{"user nobody", "group nogroup"},
			})
			client, master := statsock.New(h.StatsSocket), statsock.NewMaster(h.MasterSocket)
			last := 0
			for _, step := range []func() error{
				func() error { return nil },
				func() error { _, err := master.Reload(t.Context()); return err },
				func() error {
					_, err := master.Reload(t.Context())
					return errors.Join(err, os.WriteFile(h.ConfigPath, []byte("global\n no such keyword\n"), 0o600))
				},
				func() error { _, err := master.Reload(t.Context()); return err },
			} {
				testkit.Eventually(t, patience, step)
				testkit.Eventually(t, patience, func() error {
					info, err := client.ShowInfo(t.Context())
					if err != nil {
						return err
					}
					last = info.PID
					_, err = master.ShowProc(t.Context())
					return err
				})
			}
			if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", last)); err != nil || !strings.Contains(string(status), "\nUid:\t65534\t65534") {
				t.Errorf("the worker runs as %s, %v", status, err)
			}
		})
	}
}

// A dead socket that a stranger left where no stranger may write any more is no way to
// HAProxy, and nobody else's.
func TestStrangersDeadSocketIsNobodys(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Lchown(path, testkit.Nobody, testkit.Nobody), l.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := statsock.New(path).ShowInfo(t.Context()); !statsock.NotListening(err) || errors.As(err, new(*statsock.ForeignError)) {
		t.Errorf("got %v", err)
	}
}
