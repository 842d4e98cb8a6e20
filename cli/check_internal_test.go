package cli

import (
	"log/slog"
	"strings"
	"testing"

	"thalassa/settings"
)

// check warns of paths that other users may take.
func TestCheckWarnsOfSharedPaths(t *testing.T) {
	t.Parallel()
	s, err := settings.Parse([]string{"--haproxy-socket-path=/tmp/haproxy.status.sock", "--haproxy-pid-path=/tmp/haproxy.pid"}, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range (checks{settings: s, log: slog.New(slog.DiscardHandler)}).steps() {
		if st.what != "paths" || !st.warn {
			continue
		}
		if _, err := st.run(t.Context()); err == nil || !strings.Contains(err.Error(), "/tmp/haproxy.status.sock") {
			t.Errorf("check says %v", err)
		}
		return
	}
	t.Error("check has no step about paths")
}
