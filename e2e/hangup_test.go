package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"thalassa/internal/testkit"
)

// SIGHUP makes HAProxy read renewed files, and does not end the agent.
func TestHangupReloadsHAProxy(t *testing.T) {
	n, _ := servingOneOf(t, 1, 1)
	for range 2 {
		before := n.reloads()
		if err := n.agent.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, patience, func() error {
			if now := n.reloads(); now <= before {
				return fmt.Errorf("HAProxy counts %d reloads", now)
			}
			return nil
		})
	}
	select {
	case <-n.exit:
		t.Error("the agent has ended")
	default:
	}
}

// A reload that is asked for reads renewed files and waits for the new worker. Files that
// HAProxy does not accept change nothing, whether its check or only its start would notice.
func TestReloadReadsRenewedFiles(t *testing.T) { onEveryHAProxy(t, reloadReadsRenewedFiles) }

func reloadReadsRenewedFiles(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	n, _ := servingOneOf(t, 1, 1, "--natives-dirs", dir)
	file := filepath.Join(dir, "503.http")
	page := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("HTTP/1.0 200 OK\r\n\r\n"+text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page("first")
	n.call(200, http.MethodPut, "/backends/none", fmt.Sprintf(`{"type":"static","natives":["errorfile 503 %s"]}`, file))
	n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"none"}`, n.web))
	n.answers("first")
	page("second")
	before := n.worker()
	answer := n.call(200, http.MethodPost, "/haproxy/reload", "")
	n.answers("second")
	if shown := fmt.Sprint(answer["haproxy"].(map[string]any)["workerPid"]); shown == fmt.Sprint(before) || shown != fmt.Sprint(n.worker()) { //nolint:forcetypeassert // a test
		t.Errorf("worker %v before, %v after; the answer is %v", before, n.worker(), answer)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if refused := n.call(422, http.MethodPost, "/haproxy/reload", ""); refused["output"] == "" {
		t.Errorf("refused with %v", refused)
	}
	n.answers("second")
	if status, body := n.try(http.MethodGet, "/readyz", ""); status != http.StatusOK {
		t.Errorf("after a refusal /readyz is %d %s", status, body)
	}
}
