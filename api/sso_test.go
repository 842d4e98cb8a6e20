package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/audit"
	"thalassa/auth"
	"thalassa/internal/testkit"
)

// An ssoFixture is an API that users of a real provider may log in to.
type ssoFixture struct {
	*fixture
	provider *testkit.Provider
	file     string // the access file
	groups   string // of the access file
	audited  *apitest.Auditor
}

func newSSO(t *testing.T, adjust ...func(*api.Config)) *ssoFixture {
	t.Helper()
	s := &ssoFixture{file: filepath.Join(t.TempDir(), "access.yaml"), groups: "{ops: admin, dev: {role: deploy, on: [backend/live]}}", audited: &apitest.Auditor{}}
	port := testkit.Port(t)
	s.provider = &testkit.Provider{Issuer: fmt.Sprintf("http://127.0.0.1:%d", port), ClientID: "thalassa", Secret: "secret of the tests"}
	s.write(t)
	access, err := auth.OpenAccess(s.file, time.Now, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	adjust = append(adjust, func(c *api.Config) {
		c.Authority, c.Audit = auth.NewAuthority(nil, access), s.audited
	})
	s.fixture = filledFixture(t, adjust...)
	s.provider = testkit.StartProvider(t, testkit.ProviderOptions{Port: port, Redirect: s.url + "/login"})
	s.provider.SetAccounts(t, map[string]testkit.Account{
		"ann": {"groups": []string{"ops", "staff"}}, "bob": {"groups": []string{"dev"}}, "eve": {"groups": []string{"staff"}},
	})
	return s
}

// write writes the access file, which is read within a second.
func (s *ssoFixture) write(t *testing.T) {
	t.Helper()
	secret := filepath.Join(filepath.Dir(s.file), "secret")
	admin := sha256.Sum256([]byte(apitest.AdminToken))
	text := fmt.Sprintf("tokens: [{name: boss, role: admin, sha256: %x}]\noidc:\n  issuer: %s\n  client-id: thalassa\n  client-secret-file: %s\n  groups: %s\n",
		admin, s.provider.Issuer, secret, s.groups)
	for path, data := range map[string]string{secret: s.provider.Secret + "\n", s.file: text} {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// begin begins a login, and gives the address of the provider and the cookie.
func (s *ssoFixture) begin(t *testing.T) (address, cookie string) {
	t.Helper()
	r := s.do("POST", "/session/sso", "")
	var out struct{ URL string }
	r.wants(t, 200, &out)
	cookie, _, _ = strings.Cut(r.header.Get("Set-Cookie"), ";")
	return out.URL, "Cookie: " + cookie
}

// bodyOf is the body of the login that completes one at the provider.
func bodyOf(t *testing.T, back *url.URL) string {
	t.Helper()
	sent := map[string]string{}
	for name, values := range back.Query() {
		sent[name] = values[0]
	}
	data, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// logIn logs a user in, and gives the answer and the cookie of the session.
func (s *ssoFixture) logIn(t *testing.T, name string) (reply, string) {
	t.Helper()
	address, cookie := s.begin(t)
	r := s.do("POST", "/session", bodyOf(t, s.provider.LogIn(t, address, name)), cookie)
	for _, set := range r.header.Values("Set-Cookie") {
		if session, _, _ := strings.Cut(set, ";"); strings.HasPrefix(session, "thalassa_session=") {
			return r, "Cookie: " + session
		}
	}
	return r, ""
}

// last is the newest record of the audit log.
func (s *ssoFixture) last(t *testing.T) audit.Record {
	t.Helper()
	list, err := s.audited.Records(t.Context(), audit.Query{Limit: 1})
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	return list[0]
}

// Users of a provider get the role of their groups, and those without one are refused in
// words.
func TestSingleSignOn(t *testing.T) {
	t.Parallel()
	s := newSSO(t)
	same(t, s.get("/session/ways").body, `{"ways":["token","sso"],"provider":"`+s.provider.Issuer+`"}`)
	r, cookie := s.logIn(t, "ann")
	var who struct {
		Name, Role, How string
		Expires         time.Time
	}
	r.wants(t, 200, &who)
	if who.Name != "oidc:ann" || who.Role != "admin" || who.How != "oidc" || time.Until(who.Expires) > time.Hour {
		t.Errorf("%+v: it ends after the ID token", who)
	}
	if got := s.last(t); got.Action != audit.Login || got.Name != "oidc:ann" || got.How != "oidc" || got.Status != 200 {
		t.Errorf("audited %+v", got)
	}
	s.do("DELETE", "/frontends/www", "", cookie).wants(t, 200, nil)
	r, cookie = s.logIn(t, "bob")
	r.wants(t, 200, &who)
	s.do("DELETE", "/backends/files", "", cookie).refused(t, 403, "forbidden")
	s.do("POST", "/backends/live", `{"version":"2.0.0"}`, cookie).wants(t, 200, nil)
	r, _ = s.logIn(t, "eve")
	if f := r.refused(t, 403, "forbidden"); !strings.Contains(f.Error, "oidc:eve has no role here") || !strings.Contains(f.Error, "staff") {
		t.Errorf("error %q", f.Error)
	}
	if got := s.last(t); got.Name != "oidc:eve" || got.Refusal != "forbidden" || got.How != "oidc" {
		t.Errorf("audited %+v", got)
	}
	list := s.get("/access", bearer(apitest.AdminToken))
	for _, want := range []string{`{"kind":"oidc","name":"ops","role":"admin","file":"access","subject":"` + s.provider.Issuer + `"}`, `"on":["backend/live"]`} {
		if !strings.Contains(string(list.body), want) {
			t.Errorf("%s is not in %s", want, list.body)
		}
	}
}

// A login is of the browser that has begun it, and counts once.
func TestLoginsOfOtherBrowsers(t *testing.T) {
	t.Parallel()
	s := newSSO(t)
	address, cookie := s.begin(t)
	body := bodyOf(t, s.provider.LogIn(t, address, "ann"))
	_, other := s.begin(t)
	for _, headers := range [][]string{{}, {other}, {cookie + "x"}, {"Cookie: thalassa_login=" + strings.Repeat("A", 300)}} {
		if r := s.do("POST", "/session", body, headers...); r.status != 401 || strings.Contains(fmt.Sprint(r.header), "thalassa_session") {
			t.Errorf("with %v: %d %s", headers, r.status, r.body)
		}
	}
	s.do("POST", "/session", body, cookie, "Sec-Fetch-Site: cross-site").refused(t, 403, "forbidden")
	s.do("POST", "/session", body, cookie).wants(t, 200, nil)
	s.do("POST", "/session", body, cookie).refused(t, 401, "unauthorized")
	r := s.do("POST", "/session/sso", "")
	set := r.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/", "Expires="} {
		if !strings.Contains(set, want) {
			t.Errorf("%s is not in the cookie %s", want, set)
		}
	}
}

// The provider sends browsers to this agent, whatever the Host header says.
func TestRedirectIsOfThisAgent(t *testing.T) {
	t.Parallel()
	s := newSSO(t, func(c *api.Config) { c.AllowedHosts = []string{"lb1.example"} })
	own, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"evil.example", "evil.example:" + own.Port(), "127.0.0.1:1", "127.0.0.1", "127.0.0.2:" + own.Port(), "127.0.0.1.evil.example:" + own.Port(), "lb1.example"} {
		s.do("POST", "/session/sso", "", "Host: "+host).refused(t, 421, "misdirected")
	}
	for host, want := range map[string]string{own.Host: own.Host, "localhost:" + own.Port(): "localhost:" + own.Port(), "LB1.example:" + own.Port(): "lb1.example:" + own.Port()} {
		var out struct{ URL string }
		s.do("POST", "/session/sso", "", "Host: "+host, "X-Forwarded-Host: evil.example").wants(t, 200, &out)
		begun, err := url.Parse(out.URL)
		if err != nil {
			t.Fatal(err)
		}
		q := begun.Query()
		if got := q.Get("redirect_uri"); got != "http://"+want+"/login" || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" {
			t.Errorf("%s: %s", host, out.URL)
		}
	}
}

// A change of the groups in the access file, and of those of the user, counts for sessions
// that there are.
func TestGroupsThatChange(t *testing.T) {
	t.Parallel()
	s := newSSO(t, func(c *api.Config) { c.RecheckEvery = 50 * time.Millisecond })
	run(t, s.server.Follow)
	_, cookie := s.logIn(t, "ann")
	role := func(want string) {
		t.Helper()
		testkit.Eventually(t, 10*time.Second, func() error {
			var who struct{ Role string }
			if r := s.get("/session", cookie); r.status == 200 {
				r.wants(t, 200, &who)
			}
			if who.Role != want {
				return fmt.Errorf("role %q, want %q", who.Role, want)
			}
			return nil
		})
	}
	role("admin")
	s.groups = "{ops: operate, dev: read}"
	s.write(t)
	role("operate")
	s.provider.SetAccounts(t, map[string]testkit.Account{"ann": {"groups": []string{"dev"}}})
	role("read")
	s.provider.SetAccounts(t, map[string]testkit.Account{})
	role("")
	if list := s.get("/sessions", bearer(apitest.AdminToken)); string(list.body) != "[]\n" {
		t.Errorf("sessions %s", list.body)
	}
}

// While the provider is away everything else works, and a login says why it does not.
func TestTheProviderIsAway(t *testing.T) {
	t.Parallel()
	s := newSSO(t)
	s.provider.Stop()
	if f := s.do("POST", "/session/sso", "").refused(t, 503, "unavailable"); !strings.Contains(f.Error, "identity provider") {
		t.Errorf("error %q", f.Error)
	}
	s.get("/status", bearer(apitest.AdminToken)).wants(t, 200, nil)
	guarded := newFixture(t, apitest.Guarded(t))
	guarded.do("POST", "/session/sso", "").refused(t, 404, "not_found")
	guarded.do("POST", "/session", `{"code":"x","state":"y"}`).refused(t, 404, "not_found")
	same(t, guarded.get("/session/ways").body, `{"ways":["token"]}`)
	same(t, newFixture(t).get("/session/ways").body, `{"ways":[]}`)
}

// An address that shows many wrong logins has to wait, and others do not.
func TestManyWrongSingleSignOns(t *testing.T) {
	t.Parallel()
	s := newSSO(t)
	for range 10 {
		s.do("POST", "/session", `{"code":"x","state":"y"}`).refused(t, 401, "unauthorized")
	}
	s.do("POST", "/session", `{"code":"x","state":"y"}`).refused(t, 429, "too_many")
	s.get("/status", bearer(apitest.AdminToken)).refused(t, 429, "too_many") // the same address
}

// A login at the provider that has begun counts, although its browser has gone.
func TestLoginsAtTheProviderThatAreLeftCount(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if at := "http://" + r.Host; r.URL.Path != "/token" {
			fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q}`, at, at+"/auth", at+"/token", at+"/keys")
			return
		}
		asked <- struct{}{}
		<-time.After(200 * time.Millisecond)
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
	}))
	t.Cleanup(provider.Close)
	path := filepath.Join(t.TempDir(), "access.yaml")
	if err := os.WriteFile(path, []byte("oidc: {issuer: '"+provider.URL+"', client-id: thalassa, groups: {ops: read}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	access, err := auth.OpenAccess(path, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(c *api.Config) { c.Authority = auth.NewAuthority(nil, access) })
	var begun struct{ URL string }
	r := f.do("POST", "/session/sso", "")
	r.wants(t, 200, &begun)
	cookie, _, _ := strings.Cut(r.header.Get("Set-Cookie"), ";")
	address, err := url.Parse(begun.URL)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan struct{})
		go func() {
			defer close(left)
			body := strings.NewReader(`{"code":"guess","state":"` + address.Query().Get("state") + `"}`)
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, f.url+"/session", body)
			req.Header.Set("Cookie", cookie)
			_, _ = roundTrip(req) // which is left
		}()
		<-asked
		leave()
		<-left
	}
	f.do("POST", "/session", `{"code":"guess","state":"x"}`).refused(t, 429, "too_many")
}
