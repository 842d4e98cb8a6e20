package e2e_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// through sends a request for the API to the frontend, which anybody may reach.
func (n *node) through(method, path, body string, headers ...string) (int, string) {
	req, err := http.NewRequest(method, "http://"+n.address()+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Host = "localhost"
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(data)
}

const pwned = `{"type":"static","members":[{"host":"192.0.2.1","port":80}]}`

// wantsOut fails when the API did something for a request through HAProxy.
func (n *node) wantsOut(what string) {
	n.tb.Helper()
	if status, answer := n.through(http.MethodPut, "/backends/pwned", pwned, "Content-Type: application/json"); strings.Contains(answer, "revision") || status == http.StatusOK && strings.TrimSpace(answer) != "hello" {
		n.tb.Errorf("%s: PUT through the frontend gives %d %s", what, status, answer)
	}
	n.call(404, http.MethodGet, "/backends/pwned", "")
}

// Whoever may register a service in Consul must not have the frontend lead to what
// administers the node.
func TestInstanceAtControlAddress(t *testing.T) {
	consul := testkit.Consul(t)
	_, text, err := net.SplitHostPort(consul.Address())
	if err != nil {
		t.Fatal(err)
	}
	consulPort, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	n := newNode(t, consul.Address())
	for i, address := range []string{"127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1", "localhost"} {
		for _, port := range []int{n.api, consulPort, 8500} {
			consul.Register(testkit.Instance{ID: fmt.Sprintf("shop-%d-%d", i, port), Service: "shop", Address: address, Port: port, Meta: map[string]string{"version": "1.0.0"}})
		}
	}
	n.start()
	n.route()
	n.wantsOut("with no other instance")
	if status, _ := n.through(http.MethodGet, "/v1/agent/self", ""); status != http.StatusServiceUnavailable {
		t.Errorf("without a member the frontend answers %d", status)
	}
	web := testkit.StartWeb(t, "hello")
	consul.Register(testkit.Instance{ID: "good", Service: "shop", Address: "127.0.0.1", Port: web.Port, Meta: map[string]string{"version": "1.0.0"}})
	testkit.Eventually(t, patience, func() error {
		if body, err := n.get(); err != nil || !strings.Contains(body, "hello") {
			return fmt.Errorf("%q, %w", body, err)
		}
		return nil
	})
	for range 20 {
		if body, err := n.get(); err != nil || !strings.Contains(body, "hello") {
			t.Fatalf("the frontend answers %q, %v", body, err)
		}
	}
	n.wantsOut("beside a good instance")
	if config := n.config(); strings.Contains(config, fmt.Sprintf(":%d ", n.api)) || strings.Contains(config, fmt.Sprintf(":%d ", consulPort)) {
		t.Errorf("haproxy.cfg has a control address:\n%s", config)
	}
	if _, services := n.try(http.MethodGet, "/services/shop", ""); !strings.Contains(services, "leads to the agent's API on this node") || !strings.Contains(services, "leads to Consul on this node") {
		t.Errorf("the service shows as %s", services)
	}
	if _, status := n.try(http.MethodGet, "/status", ""); !strings.Contains(status, "is left out") {
		t.Errorf("the status is %s", status)
	}
	if log := n.log.String(); !strings.Contains(log, "left out of haproxy's configuration") {
		t.Error("the log does not say what is left out")
	}
}

// A PUT of such a member, or raw line, names the field.
func TestControlAddressIsRefused(t *testing.T) {
	n := newNode(t, "127.0.0.1:1", "--register=false", "--allow-natives", "any")
	n.start()
	for _, body := range []string{
		fmt.Sprintf(`{"type":"static","members":[{"host":"127.0.0.2","port":%d}]}`, n.api),
		fmt.Sprintf(`{"type":"static","members":[{"host":"64:ff9b::7f00:1","port":%d}]}`, n.api),
		fmt.Sprintf(`{"type":"static","natives":["server x localhost:%d"]}`, n.api),
		`{"type":"static","members":[{"host":"127.0.0.1","port":8500}]}`,
		fmt.Sprintf(`{"type":"static","natives":["server x %s"]}`, n.path("h.sock")),
		fmt.Sprintf(`{"type":"static","natives":["server x unix@%s"]}`, n.path("haproxy.master.sock")),
	} {
		answer := n.call(400, http.MethodPut, "/backends/pwned", body)
		fields, _ := answer["fields"].([]any)
		said := fmt.Sprint(fields)
		if len(fields) != 1 || !strings.Contains(said, "expected:an address that does not administer this node") && !strings.Contains(said, "is the agent's own") {
			t.Errorf("%s is answered with %v", body, answer)
		}
	}
}

// Where a line chooses its target by the request, nothing can be refused beforehand:
// the API finds out that HAProxy is at the other end.
func TestHAProxyHasNoRights(t *testing.T) {
	n := newNode(t, "127.0.0.1:1", "--register=false", "--allow-natives", "any")
	n.start()
	n.call(200, http.MethodPut, "/backends/dynamic", fmt.Sprintf(
		`{"type":"static","natives":["http-request set-dst str(127.0.0.1)","http-request set-dst-port int(%d)","server any 0.0.0.0:0","http-reuse always"]}`, n.api))
	n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"dynamic"}`, n.web))
	for round := range 3 { // also over connections that HAProxy keeps
		for _, request := range []struct {
			method, path, body string
			headers            []string
		}{
			{http.MethodPut, "/backends/pwned", pwned, []string{"Content-Type: application/json"}},
			{http.MethodDelete, "/frontends/web", "", nil},
			{http.MethodGet, "/backends", "", nil},
			{http.MethodGet, "/metrics", "", nil},
			{http.MethodGet, "/session", "", nil},
			{http.MethodGet, "/streams", "", []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: thalassa.v1"}},
		} {
			status, answer := n.through(request.method, request.path, request.body, request.headers...)
			if status != http.StatusForbidden || !strings.Contains(answer, "comes out of HAProxy") {
				t.Errorf("round %d: %s %s through HAProxy gives %d %s", round, request.method, request.path, status, answer)
			}
		}
	}
	if status, _ := n.through(http.MethodGet, "/healthz", ""); status != http.StatusOK {
		t.Errorf("what needs no right is answered with %d: the requests did not reach the API", status)
	}
	n.call(404, http.MethodGet, "/backends/pwned", "")
	n.call(200, http.MethodPut, "/backends/own", pwned) // a client of the machine goes on
}
