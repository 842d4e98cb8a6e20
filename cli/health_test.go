package cli_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/cli"
)

// The address of the settings is asked, whether it comes from the file or a flag.
func TestHealthFollowsTheSettings(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			status = http.StatusNotFound
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	s := open(t)
	file := filepath.Join(t.TempDir(), "thalassa.yaml")
	if err := os.WriteFile(file, []byte(fmt.Sprintf("port: %s\ninsecure-no-auth: true\ndb-path: %s\n", port, t.TempDir())), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{
		{"--config", file},
		{"--config", file, "--host", "0.0.0.0"}, // all addresses of the node
		{"--port", port},
		{"--port", port, "--host", "localhost"},
	} {
		if r := s.run(append([]string{"health"}, flags...)...); r.code != cli.ExitOK || !strings.Contains(r.out, ":"+port+" works") {
			t.Errorf("%q: %+v", flags, r)
		}
	}
	if r := s.run("health", "--config", file, "--port", "1"); r.code != cli.ExitUnavailable {
		t.Errorf("a port where nobody listens: %+v, expected exit code %d", r, cli.ExitUnavailable)
	}
	if r := s.run("health", "--port", "0"); r.code != cli.ExitUsage || !strings.Contains(r.errors, "port") {
		t.Errorf("a port that the system chooses: %+v, expected exit code %d", r, cli.ExitUsage)
	}
	status = http.StatusInternalServerError
	if r := s.run("health", "--config", file); r.code == cli.ExitOK {
		t.Errorf("status %d: %+v, expected a failure", status, r)
	}
}
