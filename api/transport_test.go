package api_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/listen"
)

// secured is a fixture whose port serves TLS, and a client that trusts it.
func secured(t *testing.T, adjust ...func(*api.Config)) (*fixture, *http.Client) {
	t.Helper()
	own, err := listen.NewSelfSigned(listen.SelfSignedConfig{
		Dir: t.TempDir(), Names: func() []string { return []string{"127.0.0.1", "lb1.example", "192.0.2.7"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := filledFixture(t, adjust...)
	cfg := s.Config()
	cfg.Certificate = func() listen.Info { return listen.Describe(own) }
	for _, a := range adjust {
		a(&cfg)
	}
	server := &http.Server{Handler: api.New(cfg), ReadHeaderTimeout: patience}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listen.NewPort(l, listen.NewTLSConfig(own, nil))) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	s.url = "http://" + l.Addr().String()
	pool := x509.NewCertPool()
	pool.AddCert(own.Certificate().Leaf)
	return s, &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func TestPlainRequestsAreSentToHTTPS(t *testing.T) {
	s, _ := secured(t, apitest.Guarded(t))
	here := strings.TrimPrefix(s.url, "http://")
	_, port, err := net.SplitHostPort(here)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, path, host string
		status             int
		location           string
	}{
		{"GET", "/backends/live?unused=1", here, 301, "https://" + here + "/backends/live?unused=1"},
		{"HEAD", "/", here, 301, "https://" + here + "/"},
		{"PUT", "/backends/live", here, 308, "https://" + here + "/backends/live"},
		{"POST", "/backends/live", here, 308, "https://" + here + "/backends/live"},
		{"DELETE", "/nowhere", here, 308, "https://" + here + "/nowhere"},
		{"GET", "/", "lb1.example", 301, "https://lb1.example:" + port + "/"},
		{"GET", "/", "LB1.example.:8443", 301, "https://LB1.example.:8443/"},
		{"GET", "/", "192.0.2.7", 301, "https://192.0.2.7:" + port + "/"},
		{"GET", "/", "evil.example", 421, ""},
		{"GET", "/", "lb1.example.evil.example", 421, ""},
		{"GET", "/", "192.0.2.8", 421, ""},
		{"GET", "/", "lb1.example:x", 421, ""},
		{"GET", "/", "lb1.example:99999", 421, ""},
		{"GET", "//evil.example/x", here, 301, "https://" + here + "//evil.example/x"},
	} {
		r := s.send(tt.method, tt.path, "", "Host: "+tt.host)
		if r.status != tt.status || r.header.Get("Location") != tt.location {
			t.Errorf("%s %s at %s: %d to %q, want %d to %q", tt.method, tt.path, tt.host, r.status, r.header.Get("Location"), tt.status, tt.location)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if r := s.send("GET", path, "", "Host: evil.example"); r.status != 200 {
			t.Errorf("%s: %d", path, r.status)
		}
	}
}

// Whoever sends a credential in the clear is told that others may know it.
func TestPlainCredentialsAreRefused(t *testing.T) {
	s, _ := secured(t, apitest.Guarded(t))
	for _, header := range []string{
		bearer(apitest.AdminToken), bearer("wrong"), "Authorization: Basic YW5uOng=",
		"Cookie: thalassa_session=x", "Cookie: a=b; __Host-thalassa_session=x",
	} {
		for _, path := range []string{"/frontends", "/healthz", "/session", "/streams"} {
			r := s.send("GET", path, "", header)
			if f := r.refused(t, 400, "tls_required"); !strings.Contains(f.Error, "replace it") {
				t.Errorf("%s with %s: %q", path, header, f.Error)
			}
		}
	}
	s.send("POST", "/session", `{"token":"`+apitest.AdminToken+`"}`).refused(t, 400, "tls_required")
	if r := s.send("GET", "/", "", "Cookie: theme=dark"); r.status != 301 {
		t.Errorf("another cookie: %d", r.status)
	}
}

func TestSessionOverTLS(t *testing.T) {
	s, c := secured(t, apitest.Guarded(t))
	url := "https" + strings.TrimPrefix(s.url, "http")
	_, cookies := overTLS(t, c, "POST", url+"/session", `{"token":"`+apitest.ReadToken+`"}`, nil)
	i := slices.IndexFunc(cookies, func(c *http.Cookie) bool { return c.Name == "__Host-thalassa_session" })
	if i < 0 {
		t.Fatalf("cookies %v", cookies)
	}
	cookie := cookies[i]
	if !cookie.Secure || !cookie.HttpOnly || cookie.Path != "/" || cookie.Domain != "" || cookie.SameSite != http.SameSiteStrictMode {
		t.Errorf("the cookie is %v", cookie)
	}
	if status, _ := overTLS(t, c, "GET", url+"/frontends", "", cookie); status != http.StatusOK {
		t.Errorf("with the session: %d", status)
	}
	plain := *cookie
	plain.Name = "thalassa_session" // which a plain page of the same host could have set
	if status, _ := overTLS(t, c, "GET", url+"/frontends", "", &plain); status != http.StatusUnauthorized {
		t.Errorf("with a cookie that may come from a plain page: %d", status)
	}
}

func overTLS(t *testing.T, c *http.Client, method, url, body string, cookie *http.Cookie) (status int, cookies []*http.Cookie) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if cookie != nil {
		req.AddCookie(cookie)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Cookies()
}

func TestCertificateIsShown(t *testing.T) {
	info := listen.Info{Fingerprint: strings.Repeat("AB:", 31) + "CD", PublicKey: strings.Repeat("01:", 31) + "23", Names: []string{"lb1.example"}, SelfSigned: true}
	s := filledFixture(t, apitest.Guarded(t), func(c *api.Config) { c.Certificate = func() listen.Info { return info } })
	s.raw("GET", "/tls").refusedOrMoved(t)
	plain := filledFixture(t, apitest.Guarded(t))
	plain.get("/tls").refused(t, 404, "not_found")
}

// refusedOrMoved checks that a plain request is not answered.
func (r reply) refusedOrMoved(t *testing.T) {
	t.Helper()
	if r.status != 301 && r.status != 421 {
		t.Errorf("status %d: %s", r.status, r.body)
	}
}

// withUser is an API with the user ann, of role operate, instead of the tokens.
func withUser(t *testing.T) func(*api.Config) {
	t.Helper()
	return func(c *api.Config) { c.Authority = apitest.User(t) }
}

func TestPasswordsOverTLS(t *testing.T) {
	s, c := secured(t, apitest.Guarded(t), withUser(t))
	url := "https" + strings.TrimPrefix(s.url, "http")
	for _, tt := range []struct {
		user, password, method, path string
		want                         int
	}{
		{"ann", "correct horse", "GET", "/frontends", 200},
		{"ann", "correct horse", "DELETE", "/frontends/www", 403},
		{"ann", "wrong horse", "GET", "/frontends", 401},
		{"bob", "correct horse", "GET", "/frontends", 401},
		{"boss", apitest.AdminToken, "GET", "/frontends", 401},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, url+tt.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(tt.user, tt.password)
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != tt.want {
			t.Errorf("%s with %q: %s %s is %d, want %d", tt.user, tt.password, tt.method, tt.path, res.StatusCode, tt.want)
		}
	}
	status, cookies := overTLS(t, c, "POST", url+"/session", `{"user":"ann","password":"correct horse"}`, nil)
	if status != http.StatusOK || len(cookies) != 1 {
		t.Fatalf("login: %d %v", status, cookies)
	}
	if status, _ := overTLS(t, c, "GET", url+"/frontends", "", cookies[0]); status != http.StatusOK {
		t.Errorf("with the session: %d", status)
	}
	for _, body := range []string{`{"user":"ann","password":"x"}`, `{"user":"ann"}`, `{"password":"correct horse"}`, `{}`} {
		if status, _ := overTLS(t, c, "POST", url+"/session", body, nil); status != http.StatusUnauthorized {
			t.Errorf("login with %s: %d", body, status)
		}
	}
}

// Without TLS a password in a header is not taken, right or wrong.
func TestBasicNeedsTLS(t *testing.T) {
	s := filledFixture(t, apitest.Guarded(t), withUser(t))
	right := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ann:correct horse"))
	if f := s.get("/frontends", right).refused(t, 401, "unauthorized"); !strings.Contains(f.Error, "TLS") {
		t.Errorf("%q", f.Error)
	}
	s.do("POST", "/session", `{"user":"ann","password":"correct horse","token":"x"}`).refused(t, 400, "invalid")
}

// Whoever guesses has to wait, and the user does not where they have logged in before.
func TestGuessedPasswords(t *testing.T) {
	now := at0() // stands still, however long a check of a password takes
	s := filledFixture(t, apitest.Guarded(t), withUser(t), func(c *api.Config) { c.Now = func() time.Time { return now } })
	s.do("POST", "/session", `{"user":"ann","password":"correct horse"}`).wants(t, 200, nil)
	for range 10 {
		s.do("POST", "/session", `{"user":"eve","password":"x"}`).refused(t, 401, "unauthorized")
	}
	if r := s.do("POST", "/session", `{"user":"eve","password":"x"}`); r.status != 429 || r.header.Get("Retry-After") == "" {
		t.Errorf("after ten wrong ones: %d", r.status)
	}
	s.do("POST", "/session", `{"user":"ann","password":"correct horse"}`).wants(t, 200, nil)
}

// Of many guesses at the same time no more are checked than one after the other, also where
// the user has logged in before; whoever is right is not among them.
func TestGuessesAtTheSameTime(t *testing.T) {
	for name, isKnown := range map[string]bool{"a new address": false, "the address of the user": true} {
		t.Run(name, func(t *testing.T) {
			now := at0()
			s := filledFixture(t, apitest.Guarded(t), withUser(t), func(c *api.Config) { c.Now = func() time.Time { return now } })
			if isKnown {
				s.do("POST", "/session", `{"user":"ann","password":"correct horse"}`).wants(t, 200, nil)
			}
			statuses := make(chan int, 100)
			for i := range cap(statuses) {
				go func() {
					r := s.do("POST", "/session", fmt.Sprintf(`{"user":"ann","password":"wrong horse %d"}`, i))
					for strings.Contains(string(r.body), "wait for their check") { // and tries again
						r = s.do("POST", "/session", fmt.Sprintf(`{"user":"ann","password":"wrong horse %d"}`, i))
					}
					statuses <- r.status
				}()
			}
			count := map[int]int{}
			for range cap(statuses) {
				count[<-statuses]++
			}
			if count[401] != 10 || count[429] != 90 {
				t.Errorf("answers %v, expected ten of 401", count)
			}
		})
	}
}

// Right passwords at the same time are no guesses.
func TestManyRightPasswordsAtTheSameTime(t *testing.T) {
	now := at0()
	s := filledFixture(t, apitest.Guarded(t), withUser(t), func(c *api.Config) { c.Now = func() time.Time { return now } })
	answers := make(chan reply, 40)
	for range cap(answers) {
		go func() { answers <- s.do("POST", "/session", `{"user":"ann","password":"correct horse"}`) }()
	}
	for range cap(answers) {
		if r := <-answers; r.status != 200 && !strings.Contains(string(r.body), "wait for their check") {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
}

// A Host header that is not the agent's reaches no application, over TLS neither.
func TestRoutesOfAnotherHost(t *testing.T) {
	app := newApplication(t)
	s, c := secured(t, apitest.Guarded(t), routed(t, app), func(c *api.Config) {
		c.Names = func() []string { return []string{"lb2", "lb2.example"} }
		c.AllowedHosts = []string{"alias.example"}
	})
	here := strings.TrimPrefix(s.url, "http://")
	_, port, err := net.SplitHostPort(here)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{
		here: 200, "localhost:" + port: 200, "127.0.0.1": 200, "lb1.example": 200, "LB1.example.:443": 200, "192.0.2.7:" + port: 200, "lb2:" + port: 200,
		"lb2.example": 200, "alias.example": 200,
		"evil.example": 421, "lb1.example.evil.example": 421, "192.0.2.8": 421, "lb1.example:x": 421, "[::1]:" + port: 421, "sub.lb1.example": 421,
	} {
		for _, path := range []string{"/app/x", "/img/x"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+here+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			req.Header.Set("Authorization", "Bearer "+apitest.ReadToken)
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if got := res.StatusCode; got != want && !(path == "/img/x" && want == 200 && got == 404) {
				t.Errorf("%s at %s: %d, want %d", path, host, got, want)
			}
		}
	}
}

// A request line without a path does not become a part of the address that a client is sent to.
func TestRequestLinesWithoutAPathAreRefused(t *testing.T) {
	s, _ := secured(t, apitest.Guarded(t))
	here := strings.TrimPrefix(s.url, "http://")
	for _, line := range []string{"GET x:@evil.example/", "POST x:.evil.example/", "GET *", "OPTIONS *"} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", here)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", line, here); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if to := answer.Header.Get("Location"); to != "" {
			t.Errorf("%s: %d to %q", line, answer.StatusCode, to)
		}
		if err := errors.Join(answer.Body.Close(), conn.Close()); err != nil {
			t.Error(err)
		}
	}
}

// After a request that has chunks and a length, of which a proxy may believe the other one, nothing
// on the connection is a request.
func TestChunksWithALengthEndTheConnection(t *testing.T) {
	s := filledFixture(t)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	const first = "POST /backends/live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	if _, err := fmt.Fprint(conn, first+"DELETE /frontends/www HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answers, err := io.ReadAll(conn)
	if err != nil || strings.Count(string(answers), "HTTP/1.1 ") != 1 {
		t.Errorf("%s, %v", answers, err)
	}
	s.get("/frontends/www").wants(t, 200, nil)
}
