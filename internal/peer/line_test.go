package peer_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/internal/peer"
	"thalassa/internal/testkit"
)

// A question is one line, and no more is read than is expected, whatever comes.
func TestReadLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"a\n": "a\n", "a\nb\n": "a\n", strings.Repeat("x", 9) + "\n": strings.Repeat("x", 9) + "\n"} {
		if line, err := peer.ReadLine(strings.NewReader(text), 10); err != nil || string(line) != want {
			t.Errorf("%q: %q, %v", text, line, err)
		}
	}
	for _, text := range []string{"", "a", strings.Repeat("x", 10) + "\n", strings.Repeat("x", 1<<20)} {
		rest := strings.NewReader(text)
		_, err := peer.ReadLine(rest, 10)
		if !errors.As(err, new(*peer.LineError)) || !strings.Contains(err.Error(), "at most 10 bytes") || len(text)-rest.Len() > 10 {
			t.Errorf("%d bytes: %v; %d were read", len(text), err, len(text)-rest.Len())
		}
	}
}

// A socket of another user is refused: anybody may make one where root has none.
func TestDialRoot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	if _, err := peer.DialRoot(t.Context(), path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := peer.DialRoot(t.Context(), path)
	if os.Geteuid() != 0 {
		if err == nil || !strings.Contains(err.Error(), "expected root") {
			t.Errorf("a socket of user %d: %v", os.Geteuid(), err)
		}
		testkit.NeedsRoot(t)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Error(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}
