package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/listen"
)

// reread writes the node's settings file, and signals the agent, which must leave an event
// of the verb. It returns the event's JSON.
func (n *node) reread(verb, settings string) string {
	n.tb.Helper()
	if err := os.WriteFile(n.path("thalassa.yaml"), []byte(settings), 0o600); err != nil {
		n.tb.Fatal(err)
	}
	newest := func() string {
		_, events := n.try(http.MethodGet, "/activity?limit=1&filter="+verb, "")
		return events
	}
	before := newest()
	n.hangUp()
	var event string
	testkit.Eventually(n.tb, patience, func() error {
		if event = newest(); event == before || !strings.Contains(event, verb) {
			return fmt.Errorf("no event %s: %s", verb, event)
		}
		return nil
	})
	return event
}

func (n *node) hangUp() {
	n.tb.Helper()
	if err := n.agent.Process.Signal(syscall.SIGHUP); err != nil {
		n.tb.Fatal(err)
	}
}

// warnings of the status.
func (n *node) warnings() string {
	n.tb.Helper()
	return fmt.Sprint(n.call(http.StatusOK, http.MethodGet, "/status", "")["warnings"])
}

// SIGHUP brings changed settings into effect, names those that need a restart, and
// refuses wrong ones as a whole. Flags of the command line win, as at the start.
func TestHangupReadsTheSettings(t *testing.T) {
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address())
	if err := os.WriteFile(n.path("thalassa.yaml"), []byte("haproxy-maxconn: 500\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.flags = append(n.flags, "--config", n.path("thalassa.yaml"), "--reload-burst", "20")
	n.start()
	n.route()
	settled := func(what string) {
		t.Helper()
		testkit.Eventually(t, patience, func() error {
			if !strings.Contains(n.config(), what) {
				return errors.New("haproxy.cfg has no " + what)
			}
			return nil
		})
	}
	settled("maxconn 500\n")

	event := n.reread("settingsChanged", "haproxy-maxconn: 600\ndebug: true\nlog-format: json\nlocation: there\nport: 1\nreload-burst: 3\n")
	settled("maxconn 600\n")
	for _, want := range []string{"haproxy-maxconn 500 → 600", "debug false → true", "log-format text → json", "location: needs a restart"} {
		if !strings.Contains(event, want) {
			t.Errorf("the event does not say %q: %s", want, event)
		}
	}
	for _, not := range []string{"port", "reload-burst"} { // flags of the command line
		if strings.Contains(event, not) {
			t.Errorf("the event says %q: %s", not, event)
		}
	}
	if got := n.warnings(); !strings.Contains(got, "location: needs a restart") {
		t.Errorf("warnings of the status: %s", got)
	}
	lines := strings.Split(strings.TrimSpace(n.log.String()), "\n")
	if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, `{"time"`) && strings.Contains(l, `"DEBUG"`) }) {
		t.Error("no line of the log is JSON of level DEBUG")
	}

	for settings, says := range map[string]string{
		"haproxy-maxconn: 700\nreload-every: -1s\n":              "reload-every: -1s",
		"haproxy-maxconn: 700\nreload-evry: 1s\n":                "reload-evry is not a setting",
		"haproxy-maxconn: 700\nhaproxy-hard-stop-after: 1000h\n": "haproxy-hard-stop-after",
	} {
		before := n.reloads()
		event := n.reread("settingsRefused", settings)
		if !strings.Contains(event, says) || !strings.Contains(n.warnings(), says) {
			t.Errorf("%q: the event is %s, the warnings are %s; want %q", settings, event, n.warnings(), says)
		}
		testkit.Eventually(t, patience, func() error { // renewed files are read all the same
			if n.reloads() == before {
				return errors.New("HAProxy is not reloaded")
			}
			return nil
		})
		if !strings.Contains(n.config(), "maxconn 600\n") {
			t.Errorf("%q has changed haproxy.cfg", settings)
		}
	}
	n.reread("settingsChanged", "haproxy-maxconn: 500\n")
	settled("maxconn 500\n")
	if got := n.warnings(); strings.Contains(got, "refused") || strings.Contains(got, "restart") {
		t.Errorf("warnings of good settings: %s", got)
	}
}

// SIGHUP brings other files of tokens and certificates into effect; files that cannot be
// used change nothing.
func TestHangupFollowsOtherFiles(t *testing.T) {
	n := newNode(t, testkit.Consul(t).Address())
	for _, version := range []string{"a", "b"} {
		if _, err := listen.NewSelfSigned(listen.SelfSignedConfig{Dir: n.path(version), Names: func() []string { return []string{"127.0.0.1"} }}); err != nil {
			t.Fatal(err)
		}
	}
	settings := func(token, version, more string) string {
		file := n.path("tokens-" + version)
		if err := os.WriteFile(file, []byte("admin ops "+token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("token-file: %s\ntls-cert: %s\ntls-key: %s\n%s", file, n.path(version+"/api.crt"), n.path(version+"/api.key"), more)
	}
	const other = "another-token-of-16"
	if err := os.WriteFile(n.path("thalassa.yaml"), []byte(settings(other, "a", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	n.flags, n.secure = []string{"--config", n.path("thalassa.yaml")}, true
	n.start()
	reread := func(text string) {
		t.Helper()
		if err := os.WriteFile(n.path("thalassa.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n.hangUp()
	}
	// With the certificate that is not b's, or the token that is not tlsToken, this fails.
	asks := func(version string, want int) {
		t.Helper()
		testkit.Eventually(t, patience, func() error {
			status, body, err := n.askTLS(t.Context(), trusting(t, n.path(version+"/api.crt")), "/activity")
			if err != nil || status != want {
				return fmt.Errorf("%d %s %w", status, body, err)
			}
			return nil
		})
	}
	asks("a", http.StatusUnauthorized)
	reread(settings(tlsToken, "b", ""))
	asks("b", http.StatusOK)
	reread(settings(other, "a", "consul-token-file: "+n.path("none")+"\n"))
	testkit.Eventually(t, patience, func() error {
		_, body, err := n.askTLS(t.Context(), trusting(t, n.path("b/api.crt")), "/activity?filter=settingsRefused")
		if err != nil || !strings.Contains(body, "consul-token-file") {
			return fmt.Errorf("the token file of Consul is not refused: %s %w", body, err)
		}
		return nil
	})
	asks("b", http.StatusOK)
	reread(settings(other, "a", ""))
	asks("a", http.StatusUnauthorized)
}
