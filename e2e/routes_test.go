package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"thalassa/internal/testkit"
)

// visit sends a request with a token and follows no redirect.
func (n *node) visit(method, path, token string) (status int, body string) {
	n.tb.Helper()
	r, err := http.NewRequestWithContext(n.tb.Context(), method, fmt.Sprintf("http://127.0.0.1:%d%s", n.api, path), nil)
	if err != nil {
		n.tb.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		n.tb.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		n.tb.Fatal(err)
	}
	return res.StatusCode, string(data)
}

const (
	readerToken = "reader-0123456789"
	adminToken  = "admin-01234567890"
)

// HAProxy's statistics page, Consul's UI and files are behind the address of the API, and
// each needs its role. SIGHUP brings other routes into effect.
func TestRoutes(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t, "ui_config { enabled = true }")
	n := newNode(t, consul.Address())
	_, port, err := net.SplitHostPort(consul.Address())
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(n.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(n.path("images"), 0o755); err != nil {
		t.Fatal(err)
	}
	write("images/a.txt", "a file")
	write("tokens", "read reader "+readerToken+"\nadmin boss "+adminToken+"\n")
	const images = "routes:\n- {path: /img/, files: %s}\n"
	// The database's directory is above the images.
	write("thalassa.yaml", fmt.Sprintf(images, n.path("images")))
	n.flags = append(n.flags, "--config", n.path("thalassa.yaml"), "--token-file", n.path("tokens"))
	n.startOnly()
	testkit.Eventually(t, patience, func() error {
		if !n.exited() {
			return fmt.Errorf("the agent runs: %s", n.log)
		}
		return nil
	})
	if !strings.Contains(n.log.String(), "routes: /img/: files: "+n.path("images")+" has "+n.dir+" in it or above it") {
		t.Errorf("files in the directory of the database: %s", n.log)
	}

	outside := t.TempDir()
	if err := os.WriteFile(outside+"/a.txt", []byte("a file"), 0o644); err != nil {
		t.Fatal(err)
	}
	files := fmt.Sprintf(images, outside)
	consulRoute := func(host, role string) string {
		return fmt.Sprintf("- {path: /consul/, proxy: \"http://%s\", role: %s, strip: true}\n", net.JoinHostPort(host, port), role)
	}
	write("thalassa.yaml", files+consulRoute("127.0.0.1", "admin")+fmt.Sprintf("- {path: /self/, proxy: \"http://127.0.0.1:%d\", role: admin}\n", n.api))
	n.start()
	testkit.Eventually(t, patience, func() error { // HAProxy starts beside the API
		if status, body := n.visit("GET", "/haproxy/stats/", readerToken); status != 200 {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
	for _, c := range []struct {
		method, path, token string
		status              int
		says                string
	}{
		{"GET", "/haproxy/stats/", readerToken, 200, "Statistics Report for HAProxy"},
		{"GET", "/haproxy/stats/", readerToken, 200, `href="/haproxy/stats/;csv`},
		{"GET", "/haproxy/stats/;csv", readerToken, 200, "# pxname,svname"},
		{"GET", "/haproxy/stats", readerToken, 301, ""},
		{"GET", "/haproxy/stats/", "wrong-0123456789", 401, "unauthorized"},
		{"POST", "/haproxy/stats/", adminToken, 405, "only GET, HEAD"},
		{"GET", "/haproxy/config", readerToken, 200, "stats uri /haproxy/stats/"},
		{"GET", "/img/a.txt", readerToken, 200, "a file"},
		{"GET", "/consul/v1/status/leader", readerToken, 403, "/consul/ needs the role admin"},
		{"GET", "/consul/v1/status/leader", adminToken, 200, `"127.0.0.1:`},
		{"GET", "/consul/ui/", adminToken, 200, "<title>Consul"},
		{"GET", "/self/status", adminToken, 403, "/self/ is refused: "},
	} {
		if status, body := n.visit(c.method, c.path, c.token); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s: %d %.300s, want %d %q", c.method, c.path, status, body, c.status, c.says)
		}
	}

	refused := func(settings, says string) {
		t.Helper()
		write("thalassa.yaml", settings)
		n.hangUp()
		testkit.Eventually(t, patience, func() error {
			if _, body := n.visit("GET", "/status", adminToken); !strings.Contains(body, says) {
				return fmt.Errorf("the status does not say %q: %s", says, body)
			}
			return nil
		})
	}
	refused(files+consulRoute("127.0.0.1", "operate"), "routes: /consul/: role: is operate, and the application is Consul")
	refused(files+"- {path: /backends/x/, files: /srv}\n", `routes: /backends/x/: path: \"/backends/x/\" belongs to Thalassa's own API`)
	if status, body := n.visit("GET", "/consul/v1/status/leader", adminToken); status != 200 {
		t.Errorf("with refused settings: %d %s", status, body)
	}
	// Another name of Consul's address is found out when the agent connects.
	write("thalassa.yaml", files+consulRoute("localhost", "read"))
	n.hangUp()
	testkit.Eventually(t, patience, func() error {
		if status, body := n.visit("GET", "/consul/v1/status/leader", readerToken); status != 403 || !strings.Contains(body, "leads to Consul on this node, and the role of the route is read") {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
	if status, _ := n.visit("GET", "/self/status", adminToken); status != 404 {
		t.Errorf("a removed route: %d", status)
	}
}

// An application with a login of its own and with websockets, another agent, is reached with
// the login there beside the session here. It gets neither session nor token of this one.
func TestRouteToAnotherAgent(t *testing.T) {
	t.Parallel()
	consul := testkit.Consul(t)
	begin := func(tokens, settings string) *node {
		t.Helper()
		n := newNode(t, consul.Address())
		for name, text := range map[string]string{"tokens": tokens, "thalassa.yaml": settings} {
			if err := os.WriteFile(n.path(name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		n.flags = append(n.flags, "--config", n.path("thalassa.yaml"), "--token-file", n.path("tokens"))
		n.start()
		return n
	}
	const token = "Bearer other-0123456789"
	other := begin("admin other other-0123456789\n", "")
	n := begin("read reader "+readerToken+"\n", fmt.Sprintf("routes:\n- {path: /other/, proxy: \"http://127.0.0.1:%d\", strip: true}\n", other.api))
	send := func(method, path, body string, header http.Header) (status int, answered http.Header, text string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("http://127.0.0.1:%d%s", n.api, path), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		data, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header, string(data)
	}
	status, answered, _ := send("POST", "/session", `{"token":"`+readerToken+`"}`, http.Header{})
	cookie, _, _ := strings.Cut(answered.Get("Set-Cookie"), ";")
	if cookie == "" {
		t.Fatalf("no session: %d", status)
	}
	for _, c := range []struct {
		header http.Header
		status int
		says   string
	}{
		{http.Header{"Cookie": {cookie}}, 401, "this request needs a token"},
		{http.Header{"Cookie": {cookie}, "Authorization": {token}}, 200, `"name":"other","role":"admin"`},
		{http.Header{"Authorization": {token}}, 401, "the token is not known"},
		{http.Header{"Authorization": {"Bearer " + readerToken}}, 401, "this request needs a token"},
	} {
		if status, _, body := send("GET", "/other/session", "", c.header); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%v: %d %s, want %d %s", c.header, status, body, c.status, c.says)
		}
	}
	// It would set a cookie that is read as one of this agent.
	status, answered, body := send("POST", "/other/session", `{"token":"other-0123456789"}`, http.Header{"Cookie": {cookie}})
	if status != http.StatusOK || answered.Get("Set-Cookie") != "" {
		t.Errorf("a login there: %d %s, cookie %q", status, body, answered.Get("Set-Cookie"))
	}
	if status, _, body := send("PUT", "/other/backends/files", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`,
		http.Header{"Cookie": {cookie}, "Authorization": {token}, "Content-Type": {"application/json"}}); status/100 != 2 {
		t.Errorf("a change there: %d %s", status, body)
	}
	ws, _, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://127.0.0.1:%d/other/streams", n.api), &websocket.DialOptions{ //nolint:bodyclose // there is none
		Subprotocols: []string{"thalassa.v1"}, HTTPHeader: http.Header{"Cookie": {cookie}, "Authorization": {token}, "Origin": {fmt.Sprintf("http://127.0.0.1:%d", n.api)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	if err := ws.Write(t.Context(), websocket.MessageText, []byte(`{"type":"subscribe","topics":["backends"]}`)); err != nil {
		t.Fatal(err)
	}
	for {
		_, text, err := ws.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), `"files"`) {
			break
		}
	}
	if _, _, body := send("GET", "/backends", "", http.Header{"Cookie": {cookie}}); strings.Contains(body, "files") {
		t.Errorf("the change is here: %s", body)
	}
}

// What an application sends that nobody has asked for is a line of the log like any other.
func TestUnsolicitedBytesAreLogged(t *testing.T) {
	t.Parallel()
	app, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close() })
	go func() {
		for {
			conn, err := app.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			<-time.After(200 * time.Millisecond) // the connection is idle by then
			_, _ = io.WriteString(conn, "more\nlines")
		}
	}()
	n := newNode(t, "127.0.0.1:1")
	if err := os.WriteFile(n.path("thalassa.yaml"), []byte(fmt.Sprintf("routes:\n- {path: /app/, proxy: \"http://%s\", role: read}\n", app.Addr())), 0o600); err != nil {
		t.Fatal(err)
	}
	n.flags = append(n.flags, "--config", n.path("thalassa.yaml"), "--log-format", "json")
	n.start()
	if status, body := n.visit("GET", "/app/", ""); status != 200 || body != "ok" {
		t.Fatalf("%d %s", status, body)
	}
	testkit.Eventually(t, patience, func() error {
		if !strings.Contains(n.log.String(), "Unsolicited") {
			return errors.New("nothing is logged")
		}
		return nil
	})
	for line := range strings.Lines(n.log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("the line %q", line)
		}
	}
}
