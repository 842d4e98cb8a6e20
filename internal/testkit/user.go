package testkit

import (
	"net"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Nobody is the id of the user and group that own nothing.
const Nobody = 65534

// NeedsRoot skips a test at a desk unless it runs as root: only root can become another user.
func NeedsRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("only root can become another user")
	}
}

// ListenAs listens on a unix socket as another user, which is the one that SO_PEERCRED reports,
// until the end of the test. The process is this one. The user must be able to make the socket.
func ListenAs(tb testing.TB, uid int, path string) net.Listener {
	tb.Helper()
	NeedsRoot(tb)
	type result struct {
		listener net.Listener
		err      error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its other user
		// The raw call changes this thread alone.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			done <- result{nil, errno}
			return
		}
		l, err := net.Listen("unix", path)
		done <- result{l, err}
	}()
	r := <-done
	if r.err != nil {
		tb.Fatal(r.err)
	}
	tb.Cleanup(func() { _ = r.listener.Close() })
	return r.listener
}

// StickyDir is a SocketDir in which everybody may make files, and nobody may replace
// those of others, like /tmp.
func StickyDir(tb testing.TB) string {
	tb.Helper()
	dir := SocketDir(tb)
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil { //nolint:gosec // which is what it is for
		tb.Fatal(err)
	}
	return dir
}
