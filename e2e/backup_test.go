package e2e_test

import (
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"thalassa/internal/testkit"
)

// TestABackupBringsALostDatabaseBack: the agent makes a backup while it runs, loses its
// database, and has the same haproxy.cfg and the same drained member after the restore.
func TestABackupBringsALostDatabaseBack(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			n, f := sailingOn(t, binary.Path, "1-a", "1-b")
			a := f.address["1-a"]
			_, port, _ := strings.Cut(a, ":")
			n.call(200, http.MethodPut, "/backends/fixed", `{"type":"static","members":[{"host":"127.0.0.1","port":`+port+`}],"natives":["timeout server 7s"]}`)
			n.call(200, http.MethodPost, "/backends/fixed/members/"+a, `{"state":"drain"}`)
			n.call(201, http.MethodPost, "/drafts", `{"id":"summer"}`)
			n.stands("fixed", a, "drain")
			file, before := n.path("lb.backup"), n.config()
			n.shell("").run(0, "", "backup", file)

			n.signal(syscall.SIGKILL)
			if err := os.Remove(n.path("thalassa.db")); err != nil {
				t.Fatal(err)
			}
			n.start()
			n.answers("1-a", "1-b") // HAProxy keeps its configuration
			preview, _ := n.shell("").run(0, "", "restore", file, "--dry-run")
			holds(t, "the preview", preview, "+ backend/fixed", "3 objects would change", "draft summer would be restored")
			done, _ := n.shell("").run(0, "", "restore", file)
			// HAProxy runs all of it already.
			holds(t, "the restore", done, "3 objects changed, nothing had to change", "revision 1", "drain restored")
			if strings.Contains(done, "warning") {
				t.Errorf("the restore warns: %s", done)
			}
			n.answers("1-a", "1-b")
			n.stands("fixed", a, "drain")
			if after := n.config(); after != before {
				t.Errorf("haproxy.cfg is\n%s\nwant\n%s", after, before)
			}
			if text, _ := n.shell("").run(0, "", "restore", file); !strings.Contains(text, "0 objects changed, nothing had to change") {
				t.Errorf("the second time: %s", text)
			}
		})
	}
}
