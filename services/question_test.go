package services_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"thalassa/internal/testkit"
	"thalassa/services"
)

// serve answers each connection to a socket as thalassa-node does, and reports its errors.
func serve(t *testing.T, l net.Listener, caller string, h host) <-chan error {
	t.Helper()
	errs := make(chan error, 64)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			errs <- services.Serve(context.Background(), conn, caller, services.New(h.Config))
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return errs
}

func listen(t *testing.T) (net.Listener, string) {
	t.Helper()
	path := filepath.Join(testkit.SocketDir(t), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return l, path
}

func exchange(t *testing.T, path, line string) map[string]any {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, line); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.UnixConn).CloseWrite()
	data, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	if len(data) > 0 && json.Unmarshal(data, &out) != nil {
		t.Fatalf("%q is not JSON", data)
	}
	return out
}

// Pacemaker starts after corosync and stops before it, and each question gets what it was about.
func TestServe(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	h := newHost(t, true)
	l, path := listen(t)
	serve(t, l, "nobody", h)
	exchange(t, path, `{"verb":"start"}`+"\n")
	got := exchange(t, path, `{"verb":"stop"}`+"\n")
	if orders := h.orders(t); orders != "start corosync, start pacemaker, stop pacemaker, stop corosync" {
		t.Errorf("orders: %s; %v", orders, got)
	}
	exchange(t, path, `{"verb":"start","service":"corosync"}`+"\n")
	text, err := json.Marshal(exchange(t, path, `{"verb":"state"}`+"\n")["services"])
	if err != nil || string(text) != `{"corosync":{"daemons":["corosync"],"enabled":false,"running":true},"pacemaker":{"enabled":false,"running":false}}` {
		t.Errorf("%s, %v", text, err)
	}
	for line, problem := range map[string]string{
		`{"verb":"stop","service":"sshd"}` + "\n": "corosync or pacemaker",
		`{"verb":"reboot"}` + "\n":                "state, start, stop or key",
		`{"verb":"state","force":true}` + "\n":    "force",
		`{"verb":"state"`:                         "not a line",
		`{"verb":"key"}` + "\n":                   "does not exist",
	} {
		if text, _ := exchange(t, path, line)["error"].(string); !strings.Contains(text, problem) {
			t.Errorf("%.60q: %q, expected %q", line, text, problem)
		}
	}
}

// dialAs connects as another user, whom SO_PEERCRED then reports, and asks for the state.
func dialAs(t *testing.T, uid int, path string) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its other user
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			done <- errno
			return
		}
		conn, err := net.Dial("unix", path)
		if err == nil {
			_, _ = io.WriteString(conn, "{\"verb\":\"state\"}\n") // it may be closed already
			_, _ = io.ReadAll(conn)
			err = conn.Close()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// Nobody but root and the named user may ask.
func TestStrangersMayNotAsk(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	h := newHost(t, true)
	for _, caller := range []string{"", "daemon"} {
		l, path := listen(t)
		errs := serve(t, l, caller, h)
		if err := os.Chmod(path, 0o666); err != nil { //nolint:gosec // so that it is refused by the program alone
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as above
			t.Fatal(err)
		}
		dialAs(t, testkit.Nobody, path)
		if err := <-errs; err == nil || !strings.Contains(err.Error(), "may not ask") {
			t.Errorf("--user %q: %v", caller, err)
		}
	}
}

// The key is the same on each node with the same key of corosync, and does not show it.
func TestKey(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	h := newHost(t, true)
	n := services.NewNode("", h.Config)
	secret := strings.Repeat("s", 128)
	for content, problem := range map[string]string{"short": "expected at least 64", secret: ""} {
		if err := os.WriteFile(h.AuthKey, []byte(content), 0o400); err != nil {
			t.Fatal(err)
		}
		key, err := n.Key(t.Context())
		if problem != "" {
			if err == nil || !strings.Contains(err.Error(), problem) {
				t.Errorf("%v, expected %q", err, problem)
			}
			continue
		}
		again, err2 := n.Key(t.Context())
		if err != nil || err2 != nil || len(key) != 32 || string(key) != string(again) || strings.Contains(string(key), "ss") {
			t.Errorf("%x, %x, %v, %v", key, again, err, err2)
		}
		if err := os.Remove(h.AuthKey); err != nil {
			t.Fatal(err)
		}
	}
}
