package control_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thalassa/control"
	"thalassa/internal/testkit"
)

// patience is how long anything may take on a slow, busy machine.
const patience = 30 * time.Second

const nobody = 65534

// TestMain is also the program that looks at a connection as another user, and the
// one that follows the addresses of a network of its own.
func TestMain(m *testing.M) {
	if os.Getenv("CONTROL_TEST_FOLLOW") != "" {
		if err := followAddresses(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if from := os.Getenv("CONTROL_TEST_FROM"); from != "" {
		p := control.NewPeers("haproxy", strings.Fields(os.Getenv("CONTROL_TEST_PATHS")), nobody-1)
		check := func() error {
			return p.Check(context.Background(), netip.MustParseAddrPort(from), netip.MustParseAddrPort(os.Getenv("CONTROL_TEST_TO")))
		}
		err := check()
		if ends, _ := strconv.Atoi(os.Getenv("CONTROL_TEST_WHILE")); ends != 0 && err == nil {
			fmt.Fprintln(os.Stderr, "began")
			for err == nil && syscall.Kill(ends, 0) == nil { // until its parent has waited for it
				err = check()
			}
		}
		answer := map[string]any{"haproxy": errors.Is(err, control.ErrHAProxy)}
		if err != nil {
			answer["error"] = err.Error()
		}
		_ = json.NewEncoder(os.Stdout).Encode(answer)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// listen accepts connections to the API's place.
func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func accept(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	var c net.Conn
	testkit.Eventually(t, patience, func() (err error) {
		c, err = net.Dial("tcp", address)
		return err
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ends are those of an accepted connection.
func ends(c net.Conn) (from, to netip.AddrPort) {
	return control.AddrPort(c.RemoteAddr()), control.AddrPort(c.LocalAddr())
}

// through sends a request through a HAProxy in front of l, and gives what l accepts.
func through(t *testing.T, l net.Listener, global ...string) net.Conn {
	t.Helper()
	front := fmt.Sprintf("127.0.0.1:%d", testkit.Port(t))
	testkit.RunHAProxy(t, testkit.HAProxy(t), testkit.HAProxyConfig{Address: front, Backend: target(l), Global: global})
	return throughFront(t, l, front)
}

// throughFront sends a request to HAProxy's address front, and gives what l accepts.
func throughFront(t *testing.T, l net.Listener, front string) net.Conn {
	t.Helper()
	client := dial(t, front)
	if _, err := client.Write([]byte("PUT /backends/pwned HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx")); err != nil {
		t.Fatal(err)
	}
	return accept(t, l)
}

// target is a loopback address of l.
func target(l net.Listener) string {
	if tcp := l.Addr().(*net.TCPAddr); tcp.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return l.Addr().String()
}

func TestConnectionsOfHAProxyAreFound(t *testing.T) {
	t.Parallel()
	p := control.NewPeers("/opt/other/balancer", []string{"/elsewhere"}, nobody)
	for _, address := range []string{"127.0.0.1:0", "[::]:0", "[::1]:0"} {
		l := listen(t, address)
		from, to := ends(through(t, l))
		if err := p.Check(t.Context(), from, to); !errors.Is(err, control.ErrHAProxy) {
			t.Errorf("at %s, through HAProxy: %v", address, err)
		}
		client := dial(t, target(l))
		from, to = ends(accept(t, l))
		if err := p.Check(t.Context(), from, to); err != nil {
			t.Errorf("at %s, from a client of this machine: %v", address, err)
		}
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, patience, func() error {
			if p.Check(t.Context(), from, to) == nil {
				return errors.New("a connection whose other end is closed has rights")
			}
			return nil
		})
	}
	if err := p.Check(t.Context(), netip.MustParseAddrPort("192.0.2.77:5000"), netip.MustParseAddrPort("192.0.2.78:10000")); err != nil {
		t.Errorf("another machine's connection: %v", err)
	}
}

// A HAProxy that root started and whose workers are nobody, an agent that is neither:
// the sockets cannot be read, and their user decides.
func TestUnreadableHAProxyHasNoRights(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		testkit.Missing(t, "becoming another user needs root")
	}
	l := listen(t, "127.0.0.1:0")
	byHAProxy := through(t, l, "user nobody")
	dialAs(t, 65532, l)
	bySomebody := accept(t, l)
	for _, tt := range []struct {
		what    string
		user    uint32
		conn    net.Conn
		allowed bool
		haproxy bool
	}{
		{"root's agent, HAProxy's connection", 0, byHAProxy, false, true},
		{"root's agent, somebody's connection", 0, bySomebody, true, false},
		{"another user's agent, HAProxy's connection", 65533, byHAProxy, false, false},
		{"another user's agent, another HAProxy's connection", 65531, byHAProxy, true, false},
		{"another user's agent, somebody's connection", 65533, bySomebody, true, false},
	} {
		message, haproxy := checkAs(t, tt.user, tt.conn)
		if (message == "") != tt.allowed || haproxy != tt.haproxy {
			t.Errorf("%s: %q, HAProxy: %v", tt.what, message, haproxy)
		}
	}
}

// dialAs connects to l with a socket of another user's.
func dialAs(t *testing.T, user int, l net.Listener) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setfsuid(user); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setfsuid(0); err != nil {
			t.Fatal(err)
		}
	}()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: l.Addr().(*net.TCPAddr).Port}); err != nil {
		t.Fatal(err)
	}
}

// A HAProxy of the agent's own user that is just ending cannot be read: the kernel shows it as
// root's. It opens no connections any more.
func TestHAProxyThatEnds(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		testkit.Missing(t, "becoming another user needs root")
	}
	const user = 65530
	l := listen(t, "127.0.0.1:0")
	dialAs(t, user, l)
	conn := accept(t, l)
	// A process that takes long to end: the kernel gives its memory back first.
	const memory = 1 << 30
	ending := asUser(t, user, "/bin/dd", "haproxy")
	ending.Args = append(ending.Args, "if=/dev/zero", "of=/dev/null", fmt.Sprintf("bs=%d", memory))
	if err := ending.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ending.Process.Kill() }) // where the test has failed before
	testkit.Eventually(t, patience, func() error {
		var size, resident int
		statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", ending.Process.Pid))
		if err == nil {
			_, err = fmt.Sscan(string(statm), &size, &resident)
		}
		if err == nil && resident*os.Getpagesize() < memory {
			err = fmt.Errorf("it has %d pages", resident)
		}
		return err
	})
	from, to := ends(conn)
	checks := asUser(t, user, "/proc/self/exe", "check", "CONTROL_TEST_FROM="+from.String(), "CONTROL_TEST_TO="+to.String(), fmt.Sprintf("CONTROL_TEST_WHILE=%d", ending.Process.Pid))
	words, err := checks.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var answer bytes.Buffer
	checks.Stdout = &answer
	if err := checks.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(words).ReadString('\n'); err != nil {
		t.Errorf("while HAProxy runs: %v: %s", err, &answer)
	}
	begin := time.Now()
	_ = ending.Process.Kill()
	_ = ending.Wait()
	t.Logf("it took %v to end", time.Since(begin))
	if err := checks.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(answer.String()); got != `{"haproxy":false}` {
		t.Errorf("while HAProxy ended: %s", got)
	}
}

// asUser prepares a call of a copy of a program under another name as another user.
func asUser(t *testing.T, user uint32, program, name string, env ...string) *exec.Cmd {
	t.Helper()
	dir := testkit.SocketDir(t) // below a folder that everybody may enter
	code, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := errors.Join(testkit.WriteProgram(path, code), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Dir = "/"
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	return cmd
}

// checkAs runs this program as another user.
func checkAs(t *testing.T, user uint32, conn net.Conn) (message string, haproxy bool) {
	t.Helper()
	from, to := ends(conn)
	cmd := asUser(t, user, "/proc/self/exe", "check", "CONTROL_TEST_FROM="+from.String(), "CONTROL_TEST_TO="+to.String())
	if user == 65531 {
		cmd.Env = append(cmd.Env, "CONTROL_TEST_PATHS=/etc/elsewhere/haproxy.cfg /run/elsewhere/master.sock")
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var answer struct {
		HAProxy bool
		Error   string
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return answer.Error, answer.HAProxy
}

// A HAProxy with many connections takes longer to look through; a client of another
// user does not wait for that.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	l := listen(t, "127.0.0.1:0")
	front := fmt.Sprintf("127.0.0.1:%d", testkit.Port(t))
	testkit.RunHAProxy(t, testkit.HAProxy(t), testkit.HAProxyConfig{Address: front, Answer: "hello"})
	const many = 2000
	for range many {
		dial(t, front)
	}
	dial(t, target(l))
	from, to := ends(accept(t, l))
	p := control.NewPeers("haproxy", nil)
	begin := time.Now()
	if err := p.Check(t.Context(), from, to); err != nil {
		t.Error(err)
	}
	t.Logf("with %d connections of HAProxy's a look took %v", many, time.Since(begin))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Check(ctx, from, to); !errors.Is(err, context.Canceled) {
		t.Errorf("without time a connection gets %v", err)
	}
}

// TestConnectionsShareLooks asks about two hundred connections at the same time, every
// other one through HAProxy. Each is answered as if it were alone.
func TestConnectionsShareLooks(t *testing.T) {
	t.Parallel()
	l := listen(t, "127.0.0.1:0")
	front := fmt.Sprintf("127.0.0.1:%d", testkit.Port(t))
	testkit.RunHAProxy(t, testkit.HAProxy(t), testkit.HAProxyConfig{Address: front, Backend: target(l)})
	p := control.NewPeers("haproxy", nil)
	var all sync.WaitGroup
	for range 100 {
		for _, isHAProxy := range []bool{true, false} {
			var c net.Conn
			if isHAProxy {
				c = throughFront(t, l, front)
			} else {
				dial(t, target(l))
				c = accept(t, l)
			}
			from, to := ends(c)
			all.Go(func() {
				if err := p.Check(t.Context(), from, to); isHAProxy != errors.Is(err, control.ErrHAProxy) || !isHAProxy && err != nil {
					t.Errorf("HAProxy's is %t: %v", isHAProxy, err)
				}
			})
		}
	}
	all.Wait()
}
