package peer_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"thalassa/internal/peer"
)

// Both sides of a socket know each other.
func TestOf(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	asks, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer asks.Close()
	answers, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer answers.Close()
	for name, conn := range map[string]net.Conn{"who listens": asks, "who asks": answers} {
		if p, err := peer.Of(conn); err != nil || int(p.Pid) != os.Getpid() || int(p.Uid) != os.Geteuid() {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	one, other := net.Pipe()
	defer one.Close()
	defer other.Close()
	if p, err := peer.Of(one); err == nil {
		t.Errorf("a pipe has the peer %+v", p)
	}
}
