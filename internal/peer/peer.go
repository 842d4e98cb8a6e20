// Package peer tells who is at the other end of a unix socket.
package peer

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// Of is the process at the other end of a unix socket, as Linux has recorded it: the one that has
// connected, or that has called listen(2), which may have ended since (SO_PEERCRED, unix(7)).
func Of(conn net.Conn) (*unix.Ucred, error) {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.New("it is no unix socket")
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	var peerErr error
	err = raw.Control(func(fd uintptr) { peer, peerErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return peer, errors.Join(err, peerErr)
}
