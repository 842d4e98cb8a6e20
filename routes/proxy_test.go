package routes_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/routes"
)

// application is one that shows what it gets, and answers with the headers that the query
// "set" has.
func application(t *testing.T) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, line := range r.URL.Query()["set"] {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Add(name, value)
		}
		if w.Header().Get("Location") != "" {
			w.WriteHeader(http.StatusFound)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "%s %s %s\n", r.Method, r.URL.EscapedPath(), body)
		fmt.Fprintf(w, "Host: %s\n", r.Host)
		for name, values := range r.Header {
			fmt.Fprintf(w, "%s: %s\n", name, strings.Join(values, " | "))
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func lines(body string) []string { return strings.Split(body, "\n") }

func TestProxyTellsWhoTheCallerIs(t *testing.T) {
	t.Parallel()
	s := site(t, routes.Config{}, routes.Entry{Path: "/app/", Proxy: application(t), Strip: true}, routes.Entry{Path: "/whole/", Proxy: application(t)})
	host := strings.TrimPrefix(s.URL, "https://")
	_, body := get(t, s, "/app/a%20b/;x?y=1",
		"X-Forwarded-User: root", "X_Forwarded_User: root", "x-forwarded_role: admin", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Host: evil.example",
		"Forwarded: for=10.0.0.1", "X-Real-Ip: 10.0.0.1", "Remote-User: root", "Proxy: evil", "X-Webauth-User: root", "X-Remote_User: root",
		"Authorization: Bearer token", "Proxy-Authorization: Basic x", "Te: trailers",
		"Cookie: theme=dark; thalassa_session=a; __Host-thalassa_session=b; __host-THALASSA_session=c", "Cookie: app=1;thalassa_session = d")
	got := lines(body)
	for _, want := range []string{
		"GET /a%20b/;x ", "Host: " + host, "X-Forwarded-User: ann", "X-Forwarded-Role: operate", "X-Forwarded-For: 127.0.0.1",
		"X-Forwarded-Host: " + host, "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /app", "Cookie: theme=dark; app=1",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, line := range got {
		name, _, _ := strings.Cut(line, ":")
		if slices.Contains([]string{"Authorization", "Proxy-Authorization", "Forwarded", "Remote-User", "Proxy", "X-Real-Ip"}, name) ||
			strings.Contains(line, "root") || strings.Contains(line, "evil") || strings.Contains(line, "admin") {
			t.Errorf("the application gets %q", line)
		}
	}
	if _, body := get(t, s, "/whole/x"); !strings.HasPrefix(body, "GET /whole/x ") || strings.Contains(body, "Prefix") {
		t.Errorf("without strip: %q", body)
	}
}

// An application cannot change what browsers do with the other pages of the address.
func TestProxyKeepsAnswersToTheRoute(t *testing.T) {
	t.Parallel()
	s := site(t, routes.Config{}, routes.Entry{Path: "/app/", Proxy: application(t), Strip: true}, routes.Entry{Path: "/whole/", Proxy: application(t)})
	host := strings.TrimPrefix(s.URL, "https://")
	for _, c := range []struct{ route, set, name, want string }{
		{"/app/", "Set-Cookie: a=1; Path=/; HttpOnly", "Set-Cookie", "a=1; HttpOnly; Path=/app/"},
		{"/app/", "Set-Cookie: a=1; Path=/x", "Set-Cookie", "a=1; Path=/app/x"},
		{"/app/", "Set-Cookie: a=1", "Set-Cookie", "a=1; Path=/app/"},
		{"/whole/", "Set-Cookie: a=1; path=/; Domain=example.com", "Set-Cookie", "a=1; Path=/whole/"},
		{"/whole/", "Set-Cookie: a=1; Path=/whole/x", "Set-Cookie", "a=1; Path=/whole/x"},
		{"/whole/", "Set-Cookie: __Host-a=1; Secure; Path=/", "Set-Cookie", ""}, // browsers take it for the path / alone
		{"/app/", "Set-Cookie: __host-a=1; Secure; Path=/", "Set-Cookie", ""},
		{"/app/", "Set-Cookie: __Host-Http-a=1; Secure; HttpOnly; Path=/", "Set-Cookie", ""},
		{"/app/", "Set-Cookie: __Secure-a=1; Secure; Path=/", "Set-Cookie", "__Secure-a=1; Secure; Path=/app/"},
		{"/app/", "Set-Cookie: __Secure-a=1; Path=/", "Set-Cookie", "__Secure-a=1; Path=/app/; Secure"},
		{"/app/", "Set-Cookie: a=1; Path=/x; Path=/", "Set-Cookie", "a=1; Path=/app/"},
		{"/app/", "Set-Cookie: a=1; Path=x", "Set-Cookie", "a=1; Path=/app/"},
		{"/app/", "Set-Cookie: a=1; Path=\"/x\"", "Set-Cookie", "a=1; Path=/app/"},
		{"/app/", "Set-Cookie: a=1; Path", "Set-Cookie", "a=1; Path=/app/"},
		{"/whole/", "Set-Cookie: thalassa_session=evil", "Set-Cookie", ""},
		{"/whole/", "Set-Cookie: __Host-thalassa_session=evil; Path=/", "Set-Cookie", ""},
		{"/whole/", "Set-Cookie: =thalassa_session=evil", "Set-Cookie", ""},
		{"/whole/", "Set-Cookie: thalassa_session", "Set-Cookie", ""},
		{"/app/", "Location: /login", "Location", "/app/login"},
		{"/app/", "Location: https://" + host + "/login?x=1", "Location", "https://" + host + "/app/login?x=1"},
		{"/app/", "Location: /app/login", "Location", "/app/login"},
		{"/app/", "Location: https://elsewhere.example/", "Location", "https://elsewhere.example/"},
		{"/whole/", "Location: /login", "Location", "/login"},
		{"/whole/", "Strict-Transport-Security: max-age=1; includeSubDomains", "Strict-Transport-Security", ""},
		{"/whole/", "Clear-Site-Data: \"cookies\"", "Clear-Site-Data", ""},
		{"/whole/", "Service-Worker-Allowed: /", "Service-Worker-Allowed", ""},
		{"/whole/", "Alt-Svc: h3=\":1\"", "Alt-Svc", ""},
		{"/whole/", "NEL: {}", "Nel", ""},
		{"/whole/", "Report-To: {}", "Report-To", ""},
		{"/whole/", "Reporting-Endpoints: a=\"/x\"", "Reporting-Endpoints", ""},
		{"/whole/", "Set-Login: logged-out", "Set-Login", ""},
		{"/whole/", "Shared-Storage-Write: set", "Shared-Storage-Write", ""},
		{"/whole/", "Origin-Trial: x", "Origin-Trial", ""},
		{"/whole/", "Origin-Agent-Cluster: ?0", "Origin-Agent-Cluster", ""},
		{"/whole/", "Accept-CH: Device-Memory", "Accept-Ch", ""},
		{"/whole/", "Critical-CH: Device-Memory", "Critical-Ch", ""},
		{"/whole/", "Public-Key-Pins-Report-Only: x", "Public-Key-Pins-Report-Only", ""},
		{"/whole/", "Use-As-Dictionary: match=\"/*\"", "Use-As-Dictionary", ""},
		{"/whole/", "Sec-Session-Registration: (ES256)", "Sec-Session-Registration", ""},
		{"/whole/", "Secure-Session-Registration: (ES256)", "Secure-Session-Registration", ""},
		{"/whole/", "Attribution-Reporting-Register-Source: {}", "Attribution-Reporting-Register-Source", ""},
		{"/whole/", "Set-Cookie2: a=1", "Set-Cookie2", ""},
		{"/whole/", "Content-Security-Policy: default-src 'self'", "Content-Security-Policy", "default-src 'self'"},
		{"/whole/", "X: y", "Content-Security-Policy", ""},
		{"/whole/", "X: y", "Cache-Control", "no-store"},
		{"/whole/", "Cache-Control: max-age=5", "Cache-Control", "max-age=5"},
	} {
		res, _ := get(t, s, c.route+"?set="+strings.NewReplacer(" ", "+", ";", "%3B", "=", "%3D", "&", "%26", `"`, "%22").Replace(c.set))
		if got := strings.Join(res.Header.Values(c.name), " | "); got != c.want {
			t.Errorf("%s at %s: %s is %q, want %q", c.set, c.route, c.name, got, c.want)
		}
	}
}

func TestProxyStreams(t *testing.T) {
	t.Parallel()
	next := make(chan string)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for text := range next {
			_, _ = io.WriteString(w, text)
			_ = http.NewResponseController(w).Flush()
		}
	}))
	t.Cleanup(app.Close)
	s := site(t, routes.Config{}, routes.Entry{Path: "/app/", Proxy: app.URL})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/app/", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { next <- "one\n" }()
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body := bufio.NewReader(res.Body)
	for _, want := range []string{"one\n", "two\n"} {
		if got, err := body.ReadString('\n'); got != want || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		if want == "one\n" {
			next <- "two\n"
		}
	}
	close(next)
}

func TestProxyToASocketAndToNothing(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(testkit.SocketDir(t), "app")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan struct{})
	app := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/app/slow" {
			close(begun)
			<-r.Context().Done()
		}
		fmt.Fprint(w, "from the socket")
	}))
	if err := app.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	app.Listener = l
	app.Start()
	t.Cleanup(app.Close)
	s := site(t, routes.Config{}, routes.Entry{Path: "/app/", Proxy: "unix:" + socket, Timeout: "1s", Connections: 1},
		routes.Entry{Path: "/gone/", Proxy: "unix:" + socket + ".gone"}, routes.Entry{Path: "/closed/", Proxy: "http://127.0.0.1:1"})
	if res, body := get(t, s, "/app/"); res.StatusCode != http.StatusOK || body != "from the socket" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	for _, route := range []string{"/gone/", "/closed/"} {
		if res, body := get(t, s, route); res.StatusCode != http.StatusBadGateway || !strings.Contains(body, "the application behind "+route+" does not answer") ||
			res.Header.Get("Content-Security-Policy") != "default-src 'none'" {
			t.Errorf("%s: %d %q %v", route, res.StatusCode, body, res.Header)
		}
	}
	done := make(chan int, 1)
	go func() {
		res, _ := get(t, s, "/app/slow")
		done <- res.StatusCode
	}()
	<-begun
	if res, body := get(t, s, "/app/"); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %q", res.StatusCode, body)
	}
	if status := <-done; status != http.StatusGatewayTimeout {
		t.Errorf("an application that does not answer: %d", status)
	}
	if res, _ := get(t, s, "/app/"); res.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %d", res.StatusCode)
	}
}

func TestProxyAsksWhereANameLeads(t *testing.T) {
	t.Parallel()
	address := application(t)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(address, "http://"))
	cfg := routes.Config{Refuses: func(to netip.AddrPort, r routes.Route) string {
		if to.Addr().IsLoopback() && r.Path == "/app/" {
			return "it is " + to.String()
		}
		return ""
	}}
	s := site(t, cfg, routes.Entry{Path: "/app/", Proxy: "http://localhost:" + port}, routes.Entry{Path: "/other/", Proxy: "http://localhost:" + port})
	if res, body := get(t, s, "/app/"); res.StatusCode != http.StatusForbidden || !strings.Contains(body, "/app/ is refused: it is ") {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	if res, body := get(t, s, "/other/"); res.StatusCode != http.StatusOK {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

// What comes after the body of an answer or a request is not passed on, and not announced.
func TestTrailersAreNotPassedOn(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		h := r.Header.Clone()
		for name, values := range r.Trailer {
			h["Trailer "+name] = values
		}
		got <- h
		w.Header().Set("Trailer", "Set-Cookie, X-Sum")
		_, _ = io.WriteString(w, "text")
		_ = http.NewResponseController(w).Flush()
		w.Header().Set("X-Sum", "1")
		w.Header().Set("Set-Cookie", "thalassa_session=evil")
		w.Header().Set(http.TrailerPrefix+"Clear-Site-Data", `"cookies"`)
	}))
	t.Cleanup(app.Close)
	s := site(t, routes.Config{}, routes.Entry{Path: "/app/", Proxy: app.URL})
	for _, version := range []string{"http/1.1", "h2"} {
		tr := s.Client().Transport.(*http.Transport).Clone()
		tr.TLSClientConfig.NextProtos, tr.ForceAttemptHTTP2 = []string{version}, version == "h2"
		t.Cleanup(tr.CloseIdleConnections)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/app/", io.NopCloser(strings.NewReader("body")))
		if err != nil {
			t.Fatal(err)
		}
		r.Trailer = http.Header{"X-Forwarded-User": {"root"}, "X-Sum": {"2"}}
		r.Header.Set("Te", "trailers")
		res, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || string(body) != "text" {
			t.Errorf("%q, %v", body, err)
		}
		_ = res.Body.Close()
		if len(res.Trailer) > 0 || res.Header.Get("Trailer") != "" || res.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: the client gets trailers %v, headers %v", res.Proto, res.Trailer, res.Header)
		}
		for name, values := range <-got {
			if strings.HasPrefix(name, "Trailer") || name == "Te" {
				t.Errorf("%s: the application gets %s: %q", res.Proto, name, values)
			}
		}
	}
}

// However our cookies are spelled, no application gets one; those of others it gets.
func TestNoSpellingOfOurCookiesIsPassedOn(t *testing.T) {
	t.Parallel()
	s := site(t, routes.Config{}, routes.Entry{Path: "/app/", Proxy: application(t)})
	for _, spelled := range []string{
		`thalassa_session=ID`, `__Host-thalassa_session=ID`, `__HOST-Thalassa_Session=ID`, `"thalassa_session"=ID`, `'__Host-thalassa_session'=ID`,
		`thalassa_session =ID`, "thalassa_session\t=ID", `thalassa_session`, `=thalassa_session=ID`, `$Version=1; thalassa_session=ID; $Path=/`,
		`$Version="1", thalassa_session="ID"`, `a=b, thalassa_session=ID`, `a=b thalassa_session=ID`, `a="b; thalassa_session=ID"`, `thalassa%5fsession=ID`,
		`%74halassa_session=ID`, `__%48ost-thalassa_session=ID`, `thalassa%255Fsession=ID`, `thalassa.session=ID`, `thalassa session=ID`, `thalassa[session=ID`,
		`thalassa_session[0]=ID`, "thalassa_session\u00a0=ID", `100%;thalassa_session%20=ID`, `%zz%74halassa_session=ID`, `\thalassa_session=ID`, `thalassa_login=ID`,
		"\xa0thalassa_session=ID", `__Secure-thalassa_session=ID`,
	} {
		_, body := get(t, s, "/app/", "Cookie: theme=dark; "+spelled+"; next=/thalassa/session", "Cookie: "+spelled, "Cookie: app=1", "Cookie2: $Version=1; "+spelled)
		if strings.Contains(body, "ID") || strings.Contains(body, "thalassa_s") {
			t.Errorf("%q: the application gets %s", spelled, body)
		}
		for _, kept := range []string{"theme=dark", "next=/thalassa/session", "app=1"} {
			if !strings.Contains(body, kept) {
				t.Errorf("%q: the application does not get %s: %s", spelled, kept, body)
			}
		}
	}
}

// The socket of an application may be replaced by another one, but not by a link to anywhere,
// nor by one that controls HAProxy.
func TestAReplacedSocket(t *testing.T) {
	t.Parallel()
	dir := testkit.SocketDir(t)
	listenAs := func(name string) {
		t.Helper()
		l, err := net.Listen("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		app := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) })} //nolint:gosec // of a test
		app.SetKeepAlivesEnabled(false)
		go func() { _ = app.Serve(l) }()
		t.Cleanup(func() { _ = app.Close() })
	}
	for _, name := range []string{"app", "new", "other", "control"} {
		listenAs(name)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Symlink("app", at("link")))
	s := site(t, routes.Config{Secrets: func() []string { return []string{at("control")} }},
		routes.Entry{Path: "/app/", Proxy: "unix:" + at("app")}, routes.Entry{Path: "/link/", Proxy: "unix:" + at("link")})
	shows := func(when, path string, status int, want string) {
		t.Helper()
		if res, body := get(t, s, path, "Connection: close"); res.StatusCode != status || !strings.Contains(body, want) {
			t.Errorf("%s: %s is %d %q, expected %d %q", when, path, res.StatusCode, body, status, want)
		}
	}
	shows("at first", "/app/", 200, "app")
	shows("at first", "/link/", 200, "app")
	must(os.Rename(at("new"), at("app")))
	shows("after it was replaced", "/app/", 200, "new")
	must(os.Remove(at("app")))
	must(os.Symlink(at("other"), at("app")))
	shows("after it became a link", "/app/", 502, "does not answer")
	must(os.Remove(at("link")))
	must(os.Symlink(at("other"), at("link")))
	shows("after its own link leads elsewhere", "/link/", 200, "other")
	must(os.Remove(at("link")))
	must(os.Symlink(at("control"), at("link")))
	shows("after its own link leads to a socket of HAProxy", "/link/", 502, "does not answer")
}
