package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strings"
	"syscall"
	"testing"

	"thalassa/internal/testkit"
)

func TestPersistenceFileIsImportedAndKeptUpToDate(t *testing.T) {
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address())
	file := n.path("persist.json")
	n.flags = append(n.flags, "--persistence", file)
	service(t, consul, "1.0.0", 1)
	imported := fmt.Sprintf(`{"version":1,
		"frontends":[{"_type":"frontend","id":"frontend/web","key":"web","name":"web","bind":"127.0.0.1:%d","backend":"live","mode":"http","rules":[],"natives":[]}],
		"backends":[{"_type":"backend","id":"backend/live","key":"live","type":"dynamic","name":"shop","version":"1.0.0","balance":"roundrobin","natives":[],"members":[]}]}`, n.web)
	if err := os.WriteFile(file, []byte(imported), 0o600); err != nil {
		t.Fatal(err)
	}
	n.start()
	n.answers("1.0.0-0")

	n.call(200, http.MethodPut, "/backends/other", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
	testkit.Eventually(t, patience, func() error {
		data, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(data), `"other"`) {
			return fmt.Errorf("the persistence file is %s (%w)", data, err)
		}
		return nil
	})
}

func TestHandWrittenConfigurationIsKept(t *testing.T) {
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address())
	const byHand = "# somebody's work\n"
	if err := os.WriteFile(n.path("haproxy.cfg"), []byte(byHand), 0o600); err != nil {
		t.Fatal(err)
	}
	n.start()
	service(t, consul, "1.0.0", 1)
	n.route()
	n.answers("1.0.0-0")
	if data, err := os.ReadFile(n.path("haproxy.cfg.before-thalassa")); err != nil || string(data) != byHand {
		t.Errorf("the former file is %q (%v), expected %q", data, err, byHand)
	}
}

func TestDamagedDatabaseIsSetAsideAndThePersistenceFileTakenInstead(t *testing.T) {
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address())
	n.flags = append(n.flags, "--persistence", n.path("persist.json"))
	n.start()
	service(t, consul, "1.0.0", 1)
	n.route()
	n.answers("1.0.0-0")
	testkit.Eventually(t, patience, func() error {
		data, err := os.ReadFile(n.path("persist.json"))
		if err != nil || !strings.Contains(string(data), `"web"`) {
			return fmt.Errorf("the persistence file is %s (%w)", data, err)
		}
		return nil
	})
	n.signal(syscall.SIGKILL)
	garbage := strings.Repeat("this is no database ", 4096)
	if err := os.WriteFile(n.path("thalassa.db"), []byte(garbage), 0o600); err != nil {
		t.Fatal(err)
	}
	n.start()
	n.call(200, http.MethodGet, "/frontends/web", "") // as soon as the API is open
	n.answers("1.0.0-0")
	if !strings.Contains(n.log.String(), "set aside") {
		t.Errorf("the log does not tell that the database was set aside: %s", n.log)
	}
}

// With the database gone and no persistence file nobody knows what was asked for.
// That is no wish to serve nothing.
func TestLostDatabaseTakesNoTrafficAway(t *testing.T) {
	for _, ended := range []bool{false, true} {
		t.Run(map[bool]string{false: "haproxy runs", true: "haproxy ended"}[ended], func(t *testing.T) {
			n, _ := serving(t, 1)
			n.signal(syscall.SIGKILL)
			if err := os.Remove(n.path("thalassa.db")); err != nil {
				t.Fatal(err)
			}
			before := n.config()
			if ended {
				if err := syscall.Kill(n.master(), syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			n.start()
			testkit.Eventually(t, patience, func() error {
				status, body := n.try(http.MethodGet, "/readyz", "")
				if status != http.StatusServiceUnavailable || !strings.Contains(body, "nothing is stored") {
					return fmt.Errorf("/readyz: %d %s", status, body)
				}
				return nil
			})
			n.answers("1.0.0-0")
			if after, err := os.ReadFile(n.path("haproxy.cfg")); err != nil || string(after) != before {
				t.Errorf("haproxy.cfg is another one (%v):\n%s", err, after)
			}

			n.route() // what somebody asks for counts again
			n.answers("1.0.0-0")
			n.call(200, http.MethodGet, "/readyz", "")
		})
	}
}

func TestAgentAndFrontendAreRegisteredInConsul(t *testing.T) {
	n, consul := serving(t, 1)
	n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live","register":{"name":"shop-front"}}`, n.web))
	passes := func(name string, port int) error {
		answer := strings.ReplaceAll(string(consul.Do(http.MethodGet, "/v1/health/service/"+name+"?passing=1", nil)), " ", "")
		if !strings.Contains(answer, fmt.Sprintf(`"Port":%d`, port)) || !strings.Contains(answer, `"test"`) {
			return fmt.Errorf("service %s on port %d with tag test: %s", name, port, answer)
		}
		return nil
	}
	isGone := func(name string) {
		t.Helper()
		if answer := string(consul.Do(http.MethodGet, "/v1/health/service/"+name, nil)); strings.TrimSpace(answer) != "[]" {
			t.Errorf("%s is still registered after a clean stop: %s", name, answer)
		}
	}
	for name, port := range map[string]int{"thalassa": n.api, "shop-front": n.web} {
		testkit.Eventually(t, patience, func() error { return passes(name, port) })
	}

	// The frontend goes on without the agent, and so does who finds it in Consul.
	n.signal(syscall.SIGTERM)
	isGone("thalassa")
	if err := passes("shop-front", n.web); err != nil {
		t.Error(err)
	}
	n.start()
	testkit.Eventually(t, patience, func() error {
		if err := passes("shop-front", n.web); err != nil {
			t.Fatal(err)
		}
		return passes("thalassa", n.api)
	})

	n.signal(syscall.SIGTERM)
	n.flags = append(n.flags, "--stop-haproxy")
	n.start()
	testkit.Eventually(t, patience, func() error { return passes("thalassa", n.api) })
	n.signal(syscall.SIGTERM)
	isGone("thalassa")
	isGone("shop-front")
}

// Consul takes no address of all machines for that of an instance.
func TestFrontendAtEveryAddressIsRegistered(t *testing.T) {
	n, consul := serving(t, 1)
	for key, host := range map[string]string{"four": "0.0.0.0", "six": "[::]"} {
		port := testkit.Port(t)
		n.call(200, http.MethodPut, "/frontends/"+key, fmt.Sprintf(`{"bind":"%s:%d","backend":"live","register":{"name":"site-%s"}}`, host, port, key))
		testkit.Eventually(t, patience, func() error {
			answer := strings.ReplaceAll(string(consul.Do(http.MethodGet, "/v1/health/service/site-"+key+"?passing=1", nil)), " ", "")
			if !strings.Contains(answer, fmt.Sprintf(`"Port":%d`, port)) {
				return fmt.Errorf("site-%s: %s", key, answer)
			}
			return nil
		})
	}
}

// After a reboot nothing runs. That the agent cannot start is no reason for HAProxy
// not to.
func TestHAProxyStartsThoughTheAgentCannot(t *testing.T) {
	n, _ := serving(t, 1)
	n.signal(syscall.SIGKILL)
	if err := syscall.Kill(n.master(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, patience, func() error {
		if _, err := n.get(); err == nil {
			return errors.New("HAProxy still answers")
		}
		return nil
	})
	if err := os.WriteFile(n.path("bad.tmpl"), []byte("{{"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append(n.arguments(), "--template-file", n.path("bad.tmpl"))
	out, err := exec.Command(build(t), args...).CombinedOutput()
	if code := exitCode(err); code != 2 || !strings.Contains(string(out), "bad.tmpl") {
		t.Errorf("exit code %d, expected 2: %s", code, out)
	}
	n.answers("1.0.0-0")

	master := n.master()
	n.start()
	n.answers("1.0.0-0")
	if after := n.master(); after != master {
		t.Errorf("the next agent has not taken over HAProxy %d, but runs %d", master, after)
	}
}

// The sockets of a HAProxy that root has started belong to the agent's user.
func TestHAProxyThroughSudo(t *testing.T) {
	bin := t.TempDir()
	if err := testkit.WriteProgram(bin+"/sudo", []byte("#!/bin/sh\nshift 2 # -n --\n\"$@\"\n")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	n, _ := serving(t, 1, "--sudo")
	args := slices.Replace(n.arguments(), 0, 1, "check")
	if out, err := exec.Command(build(t), args...).CombinedOutput(); err != nil {
		t.Errorf("thalassa check: %v\n%s", err, out)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(n.config(), "user "+me.Username) {
		t.Errorf("the stats socket is not %s's:\n%s", me.Username, n.config())
	}
}

func TestAgentRefusesAnOpenAddressWithoutTokens(t *testing.T) {
	out, err := exec.Command(build(t), "agent", "--host", "0.0.0.0", "--db-path", t.TempDir()).CombinedOutput()
	if code := exitCode(err); code != 2 || !strings.Contains(string(out), "token-file") {
		t.Fatalf("exit code %d, expected 2: %s", code, out)
	}
}

func TestSettingsFile(t *testing.T) {
	file := t.TempDir() + "/thalassa.yaml"
	run := func(content string, args ...string) (int, string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(build(t), append([]string{"check", "--config", file, "--db-path", t.TempDir()}, args...)...).CombinedOutput()
		return exitCode(err), string(out)
	}
	for name, c := range map[string]struct{ content, want string }{
		"unknown key": {"label: a\nhaproxy-sokket-path: /x\n", file + ":2: haproxy-sokket-path is not a setting"},
		"wrong type":  {"port: high\n", file + `:1: port: "high" is not a whole number`},
		"twice":       {"label: a\ndbPath: /x\ndb-path: /y\n", file + ":3: db-path is set twice"},
		"no mapping":  {"- a\n", file + ":1: expected a mapping"},
		"open host":   {"host: 0.0.0.0\n", "token-file"},
		"camel case":  {"haproxyCfgPath: /nonexistent/haproxy.cfg\n", "haproxy-cfg-path: /nonexistent cannot be written to"},
	} {
		code, out := run(c.content)
		if code == 0 || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit code %d, %q not in %s", name, code, c.want, out)
		}
	}
}

// exitCode of a command that ended with err.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return -1
}
