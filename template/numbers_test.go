package template_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/template"
)

// large is a configuration with one backend of so many slots.
func large(slots int, natives ...lb.RawLine) lb.Config {
	return lb.Config{Backends: []lb.ResolvedBackend{{
		Backend: lb.Backend{Key: "b", Type: "dynamic", Mode: "http", Balance: "roundrobin", Natives: natives},
		Slots:   make([]lb.Slot, slots),
	}}}
}

// A large backend numbers its lines as HAProxy does, which leaves the fingerprint as it is.
func TestLargeBackendsNumberTheirLines(t *testing.T) {
	t.Parallel()
	small, err := template.Default().Render(large(10))
	if err != nil || strings.Contains(string(small.Bytes), " id ") {
		t.Fatalf("a small backend has numbers, %v", err)
	}
	big, err := template.Default().Render(large(1000))
	if err != nil || big.Fingerprint != small.Fingerprint {
		t.Fatalf("fingerprints %s and %s, %v", small.Fingerprint, big.Fingerprint, err)
	}
	for _, i := range []int{1, 2, 1000} {
		if n := strings.Count(string(big.Bytes), " id "+strconv.Itoa(i)+" disabled\n"); n != 1 {
			t.Errorf("%d lines have the number %d", n, i)
		}
	}
	raw, err := template.Default().Render(large(1000, "server other 127.0.0.1:1"))
	if err != nil || strings.Contains(string(raw.Bytes), " id ") {
		t.Errorf("beside a raw server line there are numbers, %v", err)
	}
}

// Without the numbers, HAProxy 2.6 takes 5 s for the check.
func TestCheckOfALargeBackendIsFast(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		rendered, err := template.Default().Render(large(20_000))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "haproxy.cfg")
		if err := os.WriteFile(path, rendered.Bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), binary.Path, "-c", "-f", path)
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 0 && code != 2 { // 2: it has no listener
			t.Fatalf("%s: %v: %s", binary.Version, err, out)
		}
		if used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); used > 2*time.Second {
			t.Errorf("%s: the check of 20,000 servers takes %s of CPU time", binary.Version, used)
		}
	}
}
