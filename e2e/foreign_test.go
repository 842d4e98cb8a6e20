package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

func TestForeignConfigurationIsReplaced(t *testing.T) {
	n, _ := serving(t, 1)
	// Another frontend and no slots: only the worker's fingerprint tells.
	foreign := fmt.Sprintf(`global
    stats socket %s mode 600 level admin
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
frontend foreign
    bind 127.0.0.1:%d
    http-request return status 200 content-type text/plain string foreign
`, n.path("h.sock"), n.web)
	repaired := func() bool {
		_, events := n.try(http.MethodGet, "/activity?filter=serversRepaired", "")
		return strings.Contains(events, "serversRepaired")
	}
	testkit.Eventually(t, 4*patience, func() error {
		// Not only once: the agent may put the file right before HAProxy reads it.
		if err := os.WriteFile(n.path("haproxy.cfg"), []byte(foreign), 0o600); err != nil {
			return err
		}
		if err := syscall.Kill(n.master(), syscall.SIGUSR2); err != nil {
			return err
		}
		for end := time.Now().Add(15 * time.Second); time.Now().Before(end); <-time.After(100 * time.Millisecond) {
			if repaired() {
				return nil
			}
		}
		return errors.New("no event tells that HAProxy ran something else")
	})
	n.answers("1.0.0-0")
	testkit.Eventually(t, patience, func() error {
		if strings.Contains(n.config(), "foreign") {
			return fmt.Errorf("the file is still\n%s", n.config())
		}
		worker := n.worker()
		<-time.After(3 * time.Second) // three looks
		if after := n.worker(); after != worker {
			return fmt.Errorf("HAProxy was reloaded again: worker %v, then %v", worker, after)
		}
		return nil
	})
}

func TestSecondAgentForTheSameHAProxyIsTurnedAway(t *testing.T) {
	n, _ := serving(t, 1)
	n.undisturbed(func() {
		args := append(n.arguments(), "--port", "0", "--db-path", t.TempDir())
		out, err := exec.Command(build(t), args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "another agent looks after") {
			t.Errorf("got %v: %s", err, out)
		}
	})
}
