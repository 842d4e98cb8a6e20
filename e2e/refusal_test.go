package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"thalassa/internal/testkit"
)

// undisturbed runs what must not touch HAProxy, its file or what is stored.
func (n *node) undisturbed(do func()) {
	n.tb.Helper()
	_, objectsBefore := n.try(http.MethodGet, "/frontends", "")
	configBefore, masterBefore, workerBefore := n.config(), n.haproxyPID(), n.worker()
	do()
	if _, after := n.try(http.MethodGet, "/frontends", ""); after != objectsBefore {
		n.tb.Errorf("the frontends are %s, expected %s", after, objectsBefore)
	}
	if after := n.config(); after != configBefore {
		n.tb.Errorf("haproxy.cfg changed to\n%s", after)
	}
	if after := n.haproxyPID(); after != masterBefore {
		n.tb.Errorf("HAProxy is process %d, expected %d", after, masterBefore)
	}
	if after := n.worker(); after != workerBefore {
		n.tb.Errorf("the worker is process %v, expected %v", after, workerBefore)
	}
	n.answers("1.0.0-0")
}

// worker is the pid of HAProxy's worker as the agent sees it.
func (n *node) worker() any {
	n.tb.Helper()
	status, _ := n.call(200, http.MethodGet, "/status", "")["haproxy"].(map[string]any)
	return status["workerPid"]
}

func TestPutThatHAProxyRefusesChangesNothing(t *testing.T) {
	n, _ := serving(t, 1)
	n.undisturbed(func() {
		answer := n.call(422, http.MethodPut, "/frontends/bad",
			fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live","natives":["no-such-keyword at all"]}`, testkit.Port(t)))
		if output := fmt.Sprint(answer["output"]); !strings.Contains(output, "no-such-keyword") {
			t.Errorf("HAProxy's own words are missing in %v", answer)
		}
		if output := fmt.Sprint(answer["output"]); !strings.Contains(output, n.path("haproxy.cfg")) {
			t.Errorf("HAProxy's words %q do not name the file", output)
		}
	})
}

// haproxy -c knows nothing of addresses that another process has taken.
func TestPutThatCannotStartIsTakenBack(t *testing.T) { onEveryHAProxy(t, takesBackWhatCannotStart) }

func takesBackWhatCannotStart(t *testing.T) {
	t.Helper()
	n, _ := serving(t, 1)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	body := fmt.Sprintf(`{"bind":%q,"backend":"live"}`, taken.Addr())
	n.undisturbed(func() {
		answer := n.call(422, http.MethodPut, "/frontends/clash", body)
		if output := fmt.Sprint(answer["output"]); !strings.Contains(output, taken.Addr().String()) {
			t.Errorf("HAProxy's words are missing the address in %v", answer)
		}
		n.call(404, http.MethodGet, "/frontends/clash", "")
	})
	if _, events := n.try(http.MethodGet, "/activity?filter=configurationReverted", ""); !strings.Contains(events, "configurationReverted") {
		t.Errorf("no event tells that the change was taken back: %s", events)
	}
	// The same change is fine once the address is free.
	_ = taken.Close()
	if answer := n.call(200, http.MethodPut, "/frontends/clash", body); answer["applied"] != true || answer["path"] != "reload" {
		t.Errorf("the repeated change was answered %v", answer)
	}
	n.answers("1.0.0-0")
}

func TestTemplateIsReadAgainAndABadOneIsRefused(t *testing.T) {
	file := t.TempDir() + "/haproxy.tmpl"
	good, err := os.ReadFile("../template/default.haproxy.cfg.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	write(string(good))
	n, _ := serving(t, 1, "--template-file", file)

	refusals := 0
	for name, content := range map[string]string{
		"syntax":  "{{range}",
		"haproxy": string(good) + "\nbackend extra\n    no-such-keyword\n",
		"smuggle": string(good) + "\n{{range .Backends}}backend {{.Key}}-twin\n{{end}}",
		"start":   string(good) + "\nlisten extra\n    bind 192.0.2.1:1\n", // no such address here
	} {
		n.undisturbed(func() {
			write(content)
			refusals++
			testkit.Eventually(t, patience, func() error {
				if _, events := n.try(http.MethodGet, "/activity?filter=templateRefused", ""); strings.Count(events, `"templateRefused"`) < refusals {
					return fmt.Errorf("%s: no templateRefused event: %s", name, events)
				}
				return nil
			})
		})
	}
	write(strings.ReplaceAll(string(good), "global\n", "global\n    # the operator's own\n"))
	testkit.Eventually(t, patience, func() error {
		if !strings.Contains(n.config(), "# the operator's own") {
			return fmt.Errorf("the good template is not in use: %s", n.config())
		}
		return nil
	})
	n.answers("1.0.0-0")
}

func TestKilledHAProxyIsStartedAgain(t *testing.T) { onEveryHAProxy(t, startsAKilledHAProxy) }

func startsAKilledHAProxy(t *testing.T) {
	t.Helper()
	n, _ := serving(t, 1)
	master := n.master()
	if err := syscall.Kill(master, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, patience, func() error {
		if pid := n.haproxyPID(); pid == 0 || pid == master {
			return fmt.Errorf("HAProxy is process %d", pid)
		}
		return nil
	})
	n.answers("1.0.0-0")
	testkit.Eventually(t, patience, func() error {
		if _, events := n.try(http.MethodGet, "/activity?filter=haproxyExited", ""); !strings.Contains(events, "haproxyExited") {
			return fmt.Errorf("no event tells that HAProxy ended: %s", events)
		}
		return nil
	})
}

func TestHAProxyGoesOnWhenTheAgentStopsInOrder(t *testing.T) {
	n, consul := serving(t, 1)
	n.signal(syscall.SIGTERM)
	n.answers("1.0.0-0")
	if code := n.agent.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the agent's exit code is %d: %s", code, n.log)
	}
	if list := string(consul.Do(http.MethodGet, "/v1/agent/services", nil)); strings.Contains(list, `"thalassa`) {
		t.Errorf("the stopped agent is still registered: %s", list)
	}
}
