package statsock

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Listener returns the process that listens on a unix socket, as Linux records it when listen(2) is
// called. The process may have ended after passing the socket to another one. The listening process
// sees a connection that ends at once.
func Listener(ctx context.Context, path string) (pid int, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return 0, fmt.Errorf("asking who listens: %w", err)
	}
	defer conn.Close()
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, errors.New("asking who listens: it is no unix socket")
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("asking who listens: %w", err)
	}
	var peer *unix.Ucred
	var peerErr error
	err = raw.Control(func(fd uintptr) { peer, peerErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, peerErr); err != nil {
		return 0, fmt.Errorf("asking who listens: %w", err)
	}
	return int(peer.Pid), nil
}
