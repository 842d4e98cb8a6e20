package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// text sends a body of plain text below /v1, and checks the status.
func (n *node) text(want int, method, path, body string) string {
	n.tb.Helper()
	req, err := http.NewRequestWithContext(n.tb.Context(), method, fmt.Sprintf("http://127.0.0.1:%d%s", n.api, path), strings.NewReader(body))
	if err != nil {
		n.tb.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		n.tb.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want {
		n.tb.Fatalf("%s %s: %d %s, %v, want %d", method, path, res.StatusCode, answer, err, want)
	}
	return string(answer)
}

// A whole haproxy.cfg becomes the running configuration, and what is pending becomes it by a
// commit, which a second one takes back.
func TestUploadedConfigurations(t *testing.T) { onEveryHAProxy(t, uploadedConfigurations) }

func uploadedConfigurations(t *testing.T) {
	t.Helper()
	n := newNode(t, "127.0.0.1:1")
	port := testkit.Port(t)
	n.flags = append(n.flags, "--v1-endpoint-ip", "127.0.0.1", fmt.Sprintf("--v1-endpoint-port-min=%d", port), fmt.Sprintf("--v1-endpoint-port-max=%d", port))
	n.start()
	a, b := named(t, "a"), named(t, "b")
	site := func(server, more string) string {
		return "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n" +
			"frontend web\n  bind @{gateway:endpoint:ip}:@{gateway:endpoint:port:0}\n  default_backend shop\n" +
			"backend shop\n  server s1 " + server + "\n" + more
	}
	serves := func(want string) {
		t.Helper()
		testkit.Eventually(t, patience, func() error {
			if _, body := fetchPage(t, fmt.Sprintf("http://127.0.0.1:%d/", port)); body != want {
				return fmt.Errorf("it answers %q, want %q", body, want)
			}
			return nil
		})
	}
	n.text(200, http.MethodPost, "/v1/controller/upload", site(a, ""))
	serves("a")
	before := n.config()
	refused := n.text(422, http.MethodPost, "/v1/controller/upload", site(b, "  nonsense here\n"))
	if !strings.Contains(refused, "nonsense") || n.config() != before {
		t.Errorf("refused with %s", refused)
	}
	wrong := n.text(400, http.MethodPut, "/v1/haproxy/configuration/pending", site(b, "  nonsense here\n"))
	if !strings.Contains(wrong, `"error": "invalid configuration"`) || !strings.Contains(wrong, "nonsense") {
		t.Errorf("refused with %s", wrong)
	}
	n.text(404, http.MethodPost, "/v1/haproxy/configuration/commit", "")
	n.text(200, http.MethodPut, "/v1/haproxy/configuration/pending", site(b, ""))
	serves("a")
	n.text(200, http.MethodPost, "/v1/haproxy/configuration/commit", "")
	serves("b")
	testkit.Eventually(t, patience, func() error { // the archive follows what runs
		if status, text := n.try(http.MethodGet, "/v1/haproxy/configuration/pending/expanded", ""); status != 200 || !strings.Contains(text, a) {
			return fmt.Errorf("pending is now %d\n%s", status, text)
		}
		return nil
	})
	n.text(200, http.MethodPost, "/v1/haproxy/configuration/commit", "")
	serves("a")
}

// A stop ends HAProxy until it is started.
func TestStopBelowV1(t *testing.T) {
	n := newNode(t, "127.0.0.1:1")
	other := testkit.Port(t)
	n.start()
	n.call(200, http.MethodPut, "/v1/pools/p", fmt.Sprintf(`{"targets":{"t":%q}}`, named(t, "a")))
	n.call(200, http.MethodPut, "/v1/gateways/g", fmt.Sprintf(`{"protocol":"http","endpoints":{"e":"127.0.0.1:%d"},"defaultBack":"p"}`, other))
	n.call(200, http.MethodPost, "/v1/controller/commit", "")
	n.call(409, http.MethodPost, "/v1/haproxy/control/stop", "") // the setting does not allow it
	n.signal(syscall.SIGTERM)
	n.flags = append(n.flags, "--v1-stop")
	n.start()
	testkit.Eventually(t, patience, func() error {
		if _, body := fetchPage(t, fmt.Sprintf("http://127.0.0.1:%d/", other)); body != "a" {
			return fmt.Errorf("it answers %q", body)
		}
		return nil
	})
	n.call(409, http.MethodPost, "/v1/haproxy/control/start", "") // it runs
	n.call(200, http.MethodPost, "/v1/haproxy/control/stop", "")
	for range 30 { // the agent looks every second
		<-time.After(100 * time.Millisecond)
		if status, body := fetchPage(t, fmt.Sprintf("http://127.0.0.1:%d/", other)); status != 0 {
			t.Fatalf("HAProxy serves after the stop: %d %s", status, body)
		}
	}
	n.call(200, http.MethodPost, "/v1/haproxy/control/start", "")
	testkit.Eventually(t, patience, func() error {
		if _, body := fetchPage(t, fmt.Sprintf("http://127.0.0.1:%d/", other)); body != "a" {
			return fmt.Errorf("it answers %q", body)
		}
		return nil
	})
}

// TestStopEndsNoOtherHAProxy: whoever else runs HAProxy on this machine keeps it.
func TestStopEndsNoOtherHAProxy(t *testing.T) {
	other := newNode(t, "127.0.0.1:1")
	other.start()
	_, port, _ := strings.Cut(named(t, "other"), ":")
	other.call(200, http.MethodPut, "/backends/b", fmt.Sprintf(`{"type":"static","members":[{"host":"127.0.0.1","port":%s}]}`, port))
	other.call(200, http.MethodPut, "/frontends/f", fmt.Sprintf(`{"bind":%q,"backend":"b"}`, other.address()))
	n := newNode(t, "127.0.0.1:1", "--v1-stop")
	n.start()
	n.call(200, http.MethodPut, "/v1/pools/p", fmt.Sprintf(`{"targets":{"t":%q}}`, named(t, "a")))
	n.call(200, http.MethodPut, "/v1/gateways/g", fmt.Sprintf(`{"protocol":"http","endpoints":{"e":%q},"defaultBack":"p"}`, n.address()))
	n.call(200, http.MethodPost, "/v1/controller/commit", "")
	serves := func(n *node, want string) {
		t.Helper()
		testkit.Eventually(t, patience, func() error {
			if _, body := fetchPage(t, "http://"+n.address()+"/"); body != want {
				return fmt.Errorf("it answers %q, want %q", body, want)
			}
			return nil
		})
	}
	serves(n, "a")
	serves(other, "other")
	before := other.worker()
	n.call(200, http.MethodPost, "/v1/haproxy/control/stop", "")
	testkit.Eventually(t, patience, func() error {
		if status, _ := fetchPage(t, "http://"+n.address()+"/"); status != 0 {
			return fmt.Errorf("HAProxy serves after the stop: %d", status)
		}
		return nil
	})
	serves(other, "other")
	if after := other.worker(); after != before {
		t.Errorf("the other HAProxy was %d and is %d", before, after)
	}
}
