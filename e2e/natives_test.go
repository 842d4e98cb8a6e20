package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"thalassa/internal/testkit"
)

// TestRawLinesReachNoForeignFiles has an administrator of the API ask for files of
// the agent and of the machine, and read HAProxy's words about one that is allowed.
func TestRawLinesReachNoForeignFiles(t *testing.T) {
	allowed, elsewhere := t.TempDir(), t.TempDir()
	const secret = "xylophone"
	for name, content := range map[string]string{
		filepath.Join(allowed, "nets"): secret + " is no net\n", filepath.Join(allowed, "page.http"): "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
		filepath.Join(elsewhere, "page.http"): "HTTP/1.1 200 OK\r\n\r\n" + secret,
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(elsewhere, "page.http"), filepath.Join(allowed, "link")); err != nil {
		t.Fatal(err)
	}
	n, _ := serving(t, 1, "--natives-dirs", allowed)
	put := func(want int, line string) string {
		t.Helper()
		body := fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live","natives":["option httplog",%q]}`, n.web, line)
		return fmt.Sprint(n.call(want, http.MethodPut, "/frontends/web", body))
	}
	n.undisturbed(func() {
		for _, line := range []string{
			"http-request return status 200 content-type a file " + n.path("thalassa.db"),
			"http-request return status 200 content-type a file " + n.path("haproxy.startup.log"),
			"http-request return status 200 content-type a file " + n.path("haproxy.cfg"),
			"errorfile 503 " + filepath.Join(elsewhere, "page.http"),
			"errorfile 503 " + filepath.Join(allowed, "link"),
			"errorfile 503 " + allowed + "/../" + filepath.Base(elsewhere) + "/page.http",
			`errorfile 503 "/etc/\x70asswd"`,
			"acl x src -f /etc/shadow",
			"http-request set-header X %[path,map(/etc/passwd)]",
			"bind unix@" + filepath.Join(allowed, "socket"),
			"bind unix@" + n.path("h.sock"),
			"use_backend live if { path -f /proc/self/environ }",
			"http-request set-header X %[env(PATH)]",
			`http-request set-header X "$PATH"`,
			"bind :1 ssl crt /root/x.pem",
		} {
			if answer := put(400, line); !strings.Contains(answer, "natives[1]") {
				t.Errorf("%s: %s", line, answer)
			}
		}
		if answer := put(422, "acl x src -f "+filepath.Join(allowed, "nets")); strings.Contains(answer, secret) || !strings.Contains(answer, "nets") {
			t.Errorf("HAProxy's words: %s", answer)
		}
	})
	if _, events := n.try(http.MethodGet, "/activity", ""); strings.Contains(events, secret) {
		t.Errorf("the activity shows what is in the file: %s", events)
	}
	if strings.Contains(n.log.String(), secret) {
		t.Error("the log shows what is in the file")
	}
	put(200, "errorfile 503 "+filepath.Join(allowed, "page.http"))
	if !strings.Contains(n.config(), "page.http") {
		t.Error("the allowed line is not in effect")
	}
}

// TestStoredRawLinesStay: an agent with other settings keeps what is in effect, and
// says so.
func TestStoredRawLinesStay(t *testing.T) {
	n, _ := serving(t, 1, "--allow-natives", "any")
	socket := n.path("web.sock")
	body := fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live","natives":["bind unix@%s"]}`, n.web, socket)
	n.call(200, http.MethodPut, "/frontends/web", body)
	n.signal(syscall.SIGTERM)
	n.flags = n.flags[:len(n.flags)-2]
	n.start()
	testkit.Eventually(t, patience, func() error {
		if warnings := fmt.Sprint(n.call(200, http.MethodGet, "/status", "")["warnings"]); !strings.Contains(warnings, "frontend/web: natives[0]: bind: ") {
			return fmt.Errorf("the status warns of %s", warnings)
		}
		return nil
	})
	n.answers("1.0.0-0")
	if !strings.Contains(n.config(), socket) {
		t.Error("the line is gone")
	}
	n.call(400, http.MethodPut, "/frontends/web", body)
	n.call(200, http.MethodPost, "/backends/live", `{"version":"1.0.0"}`)
}
