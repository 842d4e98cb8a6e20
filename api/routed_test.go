package api_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/routes"
)

// An application stands behind routes: it has a login of its own, and echoes websockets.
type application struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string // "METHOD path" of each request
}

func newApplication(t *testing.T) *application {
	t.Helper()
	a := &application{}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.seen = append(a.seen, r.Method+" "+r.URL.Path)
	a.mu.Unlock()
	_, _ = io.Copy(io.Discard, r.Body)
	switch strings.TrimPrefix(r.URL.Path, "/app") {
	case "/socket":
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		for {
			kind, data, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), kind, data) != nil {
				return
			}
		}
	case "/basic":
		if user, password, ok := r.BasicAuth(); !ok || user != "grafana" || password != "of the app" {
			w.Header().Set("Www-Authenticate", `Basic realm="app"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
	}
	for _, name := range []string{"Authorization", "Cookie", "X-Forwarded-User", "X-Forwarded-Role"} {
		fmt.Fprintf(w, "%s=%s\n", name, r.Header.Get(name))
	}
}

// requests are what the application has got so far.
func (a *application) requests() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.seen, ", ")
}

// routed makes an API with routes for each role to the application.
func routed(t *testing.T, app *application) func(*api.Config) {
	t.Helper()
	var entries []routes.Entry
	for _, role := range []string{"read", "deploy", "operate", "admin"} {
		entries = append(entries, routes.Entry{Path: "/" + role + "/", Proxy: app.URL, Role: role, Strip: true})
	}
	entries = append(entries, routes.Entry{Path: "/app/", Proxy: app.URL}, routes.Entry{Path: "/img/", Files: t.TempDir()})
	list, err := routes.Parse(entries, api.OwnPaths())
	if err != nil {
		t.Fatal(err)
	}
	router := routes.New(routes.Config{}, list)
	t.Cleanup(func() { router.Replace(nil) })
	return func(c *api.Config) { c.Routes = router }
}

func TestRoutesNeedTheirRole(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	s := filledFixture(t, apitest.Limited(t), routed(t, app))
	tokens := []string{"", apitest.ReadToken, apitest.DeployToken, apitest.OperateToken, apitest.AdminToken}
	for need, path := range []string{"", "/read/", "/deploy/", "/operate/", "/admin/"} {
		for has, token := range tokens {
			if need == 0 {
				continue
			}
			want := http.StatusForbidden
			switch {
			case has == 0:
				want = http.StatusUnauthorized
			case has >= need:
				want = http.StatusOK
			}
			var headers []string
			if has > 0 {
				headers = []string{bearer(token)}
			}
			if r := s.raw("GET", path, headers...); r.status != want {
				t.Errorf("%s with role %d: %d, want %d", path, has, r.status, want)
			}
		}
	}
	for token, want := range map[string]int{
		apitest.ShopAdminToken: 200, apitest.ShopDeployToken: 200, apitest.BlindReadToken: 403, apitest.BlindAdminToken: 403, "unknown-0123456789": 401,
	} {
		if r := s.raw("GET", "/read/", bearer(token)); r.status != want {
			t.Errorf("/read/ with %s: %d, want %d", token, r.status, want)
		}
	}
	if r := s.raw("GET", "/read/", bearer(apitest.ShopAdminToken)); !strings.Contains(string(r.body), "X-Forwarded-Role=read\n") {
		t.Errorf("who is limited to objects has another role for the application: %s", r.body)
	}
	if r := s.raw("GET", "/operate/", bearer(apitest.ShopAdminToken)); r.status != 403 || !strings.Contains(string(r.body), "is limited to") {
		t.Errorf("who is limited to objects: %d %s", r.status, r.body)
	}
	if r := s.raw("GET", "/img/x", bearer(apitest.ReadToken)); r.status != 404 {
		t.Errorf("a file: %d", r.status)
	}
	if r := s.raw("GET", "/img/x"); r.status != 401 {
		t.Errorf("a file without a token: %d", r.status)
	}
	if r := s.raw("GET", "/app/x?y", "Accept: text/html"); r.status != 303 || r.header.Get("Location") != "/login?next=%2Fapp%2Fx%3Fy" {
		t.Errorf("a browser: %d to %q", r.status, r.header.Get("Location"))
	}
}

func TestRoutesOfAnotherPage(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	s := filledFixture(t, routed(t, app))
	for _, h := range []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"} {
		if r := s.raw("POST", "/app/x", h); r.status != 403 {
			t.Errorf("POST with %s: %d", h, r.status)
		}
		if r := s.raw("GET", "/app/socket", h, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13"); r.status != 403 {
			t.Errorf("a websocket with %s: %d", h, r.status)
		}
	}
	if got := app.requests(); got != "" {
		t.Errorf("the application got %s", got)
	}
	if r := s.raw("POST", "/app/x", "Origin: "+s.url); r.status != 200 {
		t.Errorf("POST of its own page: %d", r.status)
	}
}

// The application has a login of its own, and gets nothing that is a login here.
func TestRoutesKeepOurSecrets(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	s := filledFixture(t, routed(t, app), func(c *api.Config) { c.Authority = apitest.User(t) })
	s2 := filledFixture(t, apitest.Guarded(t), routed(t, app))
	login := s2.send("POST", "/session", `{"token":"`+apitest.OperateToken+`"}`)
	cookie := "Cookie: " + strings.Split(login.header.Get("Set-Cookie"), ";")[0]
	id := strings.TrimPrefix(cookie, "Cookie: thalassa_session=")
	const ofApp = "Authorization: Basic Z3JhZmFuYTpvZiB0aGUgYXBw" // grafana:of the app
	if r := s2.raw("GET", "/app/basic", cookie); r.status != 401 || r.header.Get("Www-Authenticate") != `Basic realm="app"` {
		t.Errorf("without its login: %d %v", r.status, r.header)
	}
	if r := s2.raw("GET", "/app/basic", cookie, ofApp); r.status != 200 || !strings.Contains(string(r.body), "X-Forwarded-User=operator\nX-Forwarded-Role=operate") {
		t.Errorf("with its login: %d %s", r.status, r.body)
	}
	if r := s2.raw("GET", "/app/", ofApp); r.status != 401 {
		t.Errorf("its login alone: %d", r.status)
	}
	for _, headers := range [][]string{
		{bearer(apitest.AdminToken)}, {cookie, bearer(apitest.AdminToken)}, {cookie}, {cookie + "; app=1"}, {bearer(id)}, {cookie, bearer(id)},
	} {
		r := s2.raw("GET", "/app/", headers...)
		if r.status != 200 || !strings.Contains(string(r.body), "Authorization=\n") || strings.Contains(string(r.body), id) {
			t.Errorf("%v: %d %s", headers, r.status, r.body)
		}
	}
	if r := s.raw("GET", "/app/", "Cookie: thalassa_session=x", "Authorization: Basic YW5uOng="); r.status != 401 || app.requests() == "" {
		t.Errorf("the password of a user of ours: %d", r.status) // ann:x
	}
}

// However an Authorization header is written, an application does not get one that has a
// credential of ours.
func TestNoAuthorizationWithOurCredentialsIsPassedOn(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	s := filledFixture(t, apitest.Guarded(t), routed(t, app))
	login := s.send("POST", "/session", `{"token":"`+apitest.OperateToken+`"}`)
	cookie := "Cookie: " + strings.Split(login.header.Get("Set-Cookie"), ";")[0]
	id := strings.TrimPrefix(cookie, "Cookie: thalassa_session=")
	for _, secret := range []string{apitest.AdminToken, id} {
		pair := base64.StdEncoding.EncodeToString
		for _, value := range []string{
			"Bearer\t" + secret, "Bearer \t " + secret, "bearer  " + secret, "Token " + secret, "Token token=" + secret, `Token token="` + secret + `"`, secret, "ApiKey x:" + secret,
			"Basic " + pair([]byte("x:"+secret)), "Basic " + pair([]byte(secret+":x")), "Basic\t" + pair([]byte("x:"+secret)), "basic  " + pair([]byte("x:"+secret)),
			"Basic " + pair([]byte(secret)), "Token " + base64.RawURLEncoding.EncodeToString([]byte("x:"+secret)), "Bearer," + secret, "Basic x, Bearer " + secret,
			`Digest username="a", response="` + secret + `", uri="/"`, "Bearer%20x:" + secret, "Bearer%09" + secret, "OAuth oauth_token=" + secret + "&x=1", "Bearer=" + secret + "=",
			"Token " + strings.Repeat("a:", 200) + secret,
		} {
			for _, more := range [][]string{nil, {"Authorization: Basic Z3JhZmFuYTpvZiB0aGUgYXBw"}} {
				headers := append([]string{cookie, "Authorization: " + value}, more...)
				if r := s.raw("GET", "/app/", headers...); r.status != 401 && !strings.Contains(string(r.body), "Authorization=\n") {
					t.Errorf("%.80q: %d %s", value, r.status, r.body)
				}
			}
		}
	}
	for _, value := range []string{
		"Bearer token-of-the-application-0123456789", "Token abc", "Basic Z3JhZmFuYTpvZiB0aGUgYXBw", "Negotiate " + strings.Repeat("YII", 2000),
		`Digest username="a", realm="app", nonce="n0", uri="/app/x?y=1", qop=auth, nc=00000001, cnonce="c", response="0123456789abcdef0123456789abcdef", opaque="o"`,
		"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;range;x-amz-date, Signature=fe5f80f77d5fa3beca038a248ff027d0",
	} {
		if r := s.raw("GET", "/app/", cookie, "Authorization: "+value); r.status != 200 || !strings.Contains(string(r.body), "Authorization="+value+"\n") {
			t.Errorf("%.80q is not passed on: %d %.200s", value, r.status, r.body)
		}
	}
}

func TestWebsocketBehindARoute(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	s, client := secured(t, apitest.Guarded(t), routed(t, app))
	url := "https" + strings.TrimPrefix(s.url, "http")
	_, cookies := overTLS(t, client, "POST", url+"/session", `{"token":"`+apitest.ReadToken+`"}`, nil)
	header := http.Header{"Cookie": {cookies[0].Name + "=" + cookies[0].Value}, "Origin": {url}}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url+"/app/socket", &websocket.DialOptions{HTTPClient: client, HTTPHeader: header}) //nolint:bodyclose // there is none
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, data, err := c.Read(ctx); err != nil || string(data) != "hello" {
		t.Fatalf("%q, %v", data, err)
	}
	if status, _ := overTLS(t, client, "DELETE", url+"/session", "", cookies[0]); status != 200 {
		t.Fatalf("logout: %d", status)
	}
	if _, _, err := c.Read(ctx); err == nil || ctx.Err() != nil { // ends with the session
		t.Errorf("after the logout: %v, %v", err, ctx.Err())
	}
}

// rawTLS sends bytes over TLS with HTTP/1.1, and returns all that is answered until the
// connection ends.
func rawTLS(t *testing.T, address, text string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	all, _ := io.ReadAll(conn) // the server may reset the connection
	return string(all)
}

// Each of these may be one request for this program, and two or another one for those in
// front of it or behind.
func TestSmugglingOverHTTP1(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	s, _ := secured(t, apitest.Guarded(t), routed(t, app))
	address := strings.TrimPrefix(s.url, "http://")
	const second = "GET /app/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	head := "Host: " + address + "\r\nAuthorization: Bearer " + apitest.AdminToken + "\r\n"
	chunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(second), second)
	for name, c := range map[string]struct{ text, status string }{
		"CL.TE":                   {"POST /app/first HTTP/1.1\r\n" + head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second, "200"},
		"TE.CL":                   {"POST /app/first HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + chunk, "200"},
		"two encodings":           {"POST /app/first HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + second, "501"},
		"hidden encoding":         {"POST /app/first HTTP/1.1\r\n" + head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + second, "501"},
		"encoding with a space":   {"POST /app/first HTTP/1.1\r\n" + head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + second, "400"},
		"encoding in HTTP/1.0":    {"POST /app/first HTTP/1.0\r\n" + head + "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + second, "200"},
		"two lengths":             {"POST /app/first HTTP/1.1\r\n" + head + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + second, "400"},
		"signed length":           {"POST /app/first HTTP/1.1\r\n" + head + "Content-Length: +0\r\n\r\n" + second, "400"},
		"bad chunk":               {"POST /app/first HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + second, ""},
		"bare line feed":          {"POST /app/first HTTP/1.1\r\n" + head + "X: y\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + second, "501"},
		"header with a line":      {"GET /app/first HTTP/1.1\r\n" + head + "X: a\rX-Forwarded-User: root\r\nConnection: close\r\n\r\n", "400"},
		"header without a name":   {"GET /app/first HTTP/1.1\r\n" + head + ": x\r\nConnection: close\r\n\r\n", "400"},
		"two hosts":               {"GET /app/first HTTP/1.1\r\n" + head + "Host: evil.example\r\n\r\n", "400"},
		"absolute form":           {"GET http://evil.example/app/first HTTP/1.1\r\n" + head + "Connection: close\r\n\r\n", "421"},
		"absolute form, own host": {"GET https://" + address + "/app/first HTTP/1.1\r\n" + head + "Connection: close\r\n\r\n", "400"},
		"authority form":          {"CONNECT 127.0.0.1:80 HTTP/1.1\r\n" + head + "Connection: close\r\n\r\n", "404"},
		"TRACE":                   {"TRACE /app/first HTTP/1.1\r\n" + head + "Connection: close\r\n\r\n", "405"},
		"encoded slash":           {"GET /app/..%2fbackends HTTP/1.1\r\n" + head + "Connection: close\r\n\r\n", "400"},
		"encoded dots":            {"GET /app/%2e%2e/backends HTTP/1.1\r\n" + head + "Connection: close\r\n\r\n", "400"},
		"encoded twice":           {"GET /app/%252e%252e%252fbackends HTTP/1.1\r\n" + head + "Connection: close\r\n\r\n", "400"},
		"encoded line":            {"GET /app/first%0d%0aX:%20y HTTP/1.1\r\n" + head + "Connection: close\r\n\r\n", "400"},
		"h2c":                     {"GET /app/h2c HTTP/1.1\r\n" + head + "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", "200"},
		"websocket with a body":   {"GET /app/socket HTTP/1.1\r\n" + head + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nContent-Length: " + strconv.Itoa(len(second)) + "\r\nConnection: close\r\n\r\n" + second, "400"},
		"websocket by POST":       {"POST /app/socket HTTP/1.1\r\n" + head + "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n", "400"},
		"two upgrades":            {"GET /app/socket HTTP/1.1\r\n" + head + "Connection: Upgrade, close\r\nUpgrade: websocket, h2c\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n", "400"},
		"headers without an end":  {"GET /app/first HTTP/1.1\r\n" + head + "X: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", "431"},
	} {
		answer := rawTLS(t, address, c.text)
		if n := strings.Count(answer, "HTTP/1."); n > 1 || c.status != "" && !strings.HasPrefix(answer[min(len(answer), len("HTTP/1.1 ")):], c.status) {
			t.Errorf("%s: %d answers, want one with %s: %.300q", name, n, c.status, answer)
		}
	}
	for _, what := range []string{"smuggled", "backends", "TRACE", "socket"} {
		if got := app.requests(); strings.Contains(got, what) {
			t.Errorf("the application got %s", got)
		}
	}
}

// rawHTTP2 sends one request with these header fields and a body, and returns the status;
// empty: the stream was reset, or the connection closed.
func rawHTTP2(t *testing.T, address, body string, fields ...hpack.HeaderField) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		if err := encoder.WriteField(f); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = io.WriteString(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, bufio.NewReader(conn))
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: body == ""})
	if body != "" {
		_ = framer.WriteData(1, true, []byte(body))
	}
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return ""
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status")
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return ""
		}
	}
}

func TestSmugglingOverHTTP2(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	s, _ := secured(t, apitest.Guarded(t), routed(t, app))
	address := strings.TrimPrefix(s.url, "http://")
	const second = "0\r\n\r\nGET /app/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	field := func(name, value string) hpack.HeaderField { return hpack.HeaderField{Name: name, Value: value} }
	request := func(path string, more ...hpack.HeaderField) []hpack.HeaderField {
		return append([]hpack.HeaderField{
			field(":method", "POST"), field(":scheme", "https"), field(":authority", address), field(":path", path), field("authorization", "Bearer "+apitest.AdminToken),
		}, more...)
	}
	if got := rawHTTP2(t, address, "body", request("/app/first")...); got != "200" {
		t.Fatalf("a proper request: %q", got)
	}
	// The application gets the space encoded, as one path.
	if got := rawHTTP2(t, address, "", request("/app/a HTTP/1.1")...); got != "200" || !strings.HasSuffix(app.requests(), "POST /app/a HTTP/1.1") {
		t.Errorf("a space in the path: %q, the application got %s", got, app.requests())
	}
	for name, c := range map[string]struct {
		body   string
		fields []hpack.HeaderField
	}{
		"H2.TE":               {second, request("/app/first", field("transfer-encoding", "chunked"))},
		"H2.CL too short":     {second, request("/app/first", field("content-length", "0"))},
		"H2.CL too long":      {second, request("/app/first", field("content-length", "4000"))},
		"two lengths":         {second, request("/app/first", field("content-length", "0"), field("content-length", "1"))},
		"connection":          {"", request("/app/first", field("connection", "close"))},
		"upgrade":             {"", request("/app/first", field("upgrade", "websocket"))},
		"line in a value":     {"", request("/app/first", field("x", "a\r\nTransfer-Encoding: chunked"))},
		"line in a name":      {"", request("/app/first", field("x: y\r\nz", "a"))},
		"line in the path":    {"", request("/app/first HTTP/1.1\r\nX: y")},
		"line in the method":  {"", append([]hpack.HeaderField{field(":method", "GET /app/smuggled HTTP/1.1\r\nX:")}, request("/app/first")[1:]...)},
		"whole URL as a path": {"", request("https://evil.example/app/first")},
		"encoded slash":       {"", request("/app/..%2fbackends")},
		"encoded twice":       {"", request("/app/%252e%252e/backends")},
		"pseudo after header": {"", request("/app/first", field(":path", "/app/smuggled"))},
	} {
		got := rawHTTP2(t, address, c.body, c.fields...)
		// A request without a body may be answered before the bytes come that it should not have.
		inTime := got == "200" && name == "H2.CL too short"
		if got != "" && got != "400" && !inTime {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, what := range []string{"smuggled", "backends"} {
		if got := app.requests(); strings.Contains(got, what) {
			t.Errorf("the application got %s", got)
		}
	}
}

// A server that ends does not wait for websockets of applications.
func TestRoutedWebsocketsEndWithTheServer(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	_, cfg := apitest.Prepare(t, routed(t, app))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	server := api.New(cfg)
	go func() { served <- server.Serve(ctx, l) }()
	c, _, err := websocket.Dial(t.Context(), "ws://"+l.Addr().String()+"/app/socket", nil) //nolint:bodyclose // there is none
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, _, err := c.Read(ended); err == nil || ended.Err() != nil {
		t.Errorf("the websocket: %v", err)
	}
}

// Informational answers of an application change nothing: its last status counts, and their
// headers reach nobody.
func TestRoutedAnswersHaveTheLastStatus(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Early", "1")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("X-Early")
		w.WriteHeader(http.StatusNotFound)
	}))
	defer app.Close()
	list, err := routes.Parse([]routes.Entry{{Path: "/app/", Proxy: app.URL}}, api.OwnPaths())
	if err != nil {
		t.Fatal(err)
	}
	router := routes.New(routes.Config{}, list)
	defer router.Replace(nil)
	s := newFixture(t, func(c *api.Config) { c.Routes = router })
	if r := s.raw("GET", "/app/"); r.status != http.StatusNotFound || r.header.Get("X-Early") != "" {
		t.Errorf("%d, headers %v", r.status, r.header)
	}
}
