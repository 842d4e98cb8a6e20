package audit

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSyslog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket, err := net.ListenPacket("unixgram", filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	w, err := dialSyslog("unixgram", filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	l, err := Open(Config{Path: filepath.Join(dir, "audit.jsonl"), Also: w})
	if err != nil {
		t.Fatal(err)
	}
	l.Add(Record{Name: "ann", Proven: true, Action: Change, Path: "/backends/live"})
	buf := make([]byte, 4096)
	_ = socket.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, _, err := socket.ReadFrom(buf)
	const authprivInfo = "<86>"
	if got := string(buf[:n]); err != nil || !strings.HasPrefix(got, authprivInfo) || !strings.Contains(got, `"name":"ann"`) {
		t.Errorf("%q, %v", got, err)
	}
	if err := l.Close(time.Second); err != nil {
		t.Error(err)
	}
	if _, err := dialSyslog("unixgram", filepath.Join(dir, "none")); err == nil {
		t.Error("no syslog is no error")
	}
}
