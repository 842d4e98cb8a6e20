package statsock

import (
	"context"
	"fmt"
	"net"

	"thalassa/internal/peer"
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
	peer, err := peer.Of(conn)
	if err != nil {
		return 0, fmt.Errorf("asking who listens: %w", err)
	}
	return int(peer.Pid), nil
}
