package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/activity"
	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/auth"
	"thalassa/internal/testkit"
)

// login begins a session, and gives its cookie as a header.
func (f *fixture) login(t *testing.T, token string) string {
	t.Helper()
	r := f.do("POST", "/session", `{"token":"`+token+`"}`)
	r.wants(t, 200, nil)
	cookie, _, _ := strings.Cut(r.header.Get("Set-Cookie"), ";")
	return "Cookie: " + cookie
}

type who struct {
	Name, Role     string
	Authentication bool
	Expires        time.Time
}

func TestSessionsOfBrowsers(t *testing.T) {
	s := filledFixture(t, apitest.Guarded(t))
	s.get("/session").refused(t, http.StatusUnauthorized, "unauthorized")
	r := s.do("POST", "/session", `{"token":"`+apitest.DeployToken+`"}`)
	var got who
	r.wants(t, 200, &got)
	if got.Name != "deployer" || got.Role != "deploy" || !got.Authentication || time.Until(got.Expires) < time.Hour {
		t.Errorf("got %+v", got)
	}
	set := r.header.Get("Set-Cookie")
	for _, want := range []string{"thalassa_session=", "Path=/", "HttpOnly", "SameSite=Strict", "Expires="} {
		if !strings.Contains(set, want) {
			t.Errorf("%s is not in the cookie %s", want, set)
		}
	}
	if strings.Contains(set, "Secure") || strings.Contains(set, apitest.DeployToken) {
		t.Errorf("the cookie is %s", set)
	}
	value, _, _ := strings.Cut(set, ";")
	cookie := "Cookie: " + value
	s.get("/session", cookie).wants(t, 200, &got)
	if got.Name != "deployer" || got.Expires.IsZero() {
		t.Errorf("GET /session: %+v", got)
	}
	s.get("/status", cookie).wants(t, 200, nil)
	s.do("POST", "/backends/live", `{"version":"2.0.0"}`, cookie).wants(t, 200, nil)
	s.do("DELETE", "/backends/files", "", cookie).refused(t, http.StatusForbidden, "forbidden")
	if last, err := s.Log.Events(t.Context(), activity.Query{Limit: 1}); err != nil || last[0].Author != "deployer" {
		t.Errorf("the author is %+v, %v", last, err)
	}
	out := s.do("DELETE", "/session", "", cookie)
	out.wants(t, 200, nil)
	if set := out.header.Get("Set-Cookie"); !strings.Contains(set, "Max-Age=0") {
		t.Errorf("the cookie stays: %s", set)
	}
	s.get("/status", cookie).refused(t, http.StatusUnauthorized, "unauthorized")
	s.do("DELETE", "/session", "").wants(t, 200, nil)
}

// A logout ends every session that it shows, one in a header too, although there is a cookie.
func TestALogoutEndsAllThatItShows(t *testing.T) {
	t.Parallel()
	s := filledFixture(t, apitest.Guarded(t))
	begin := func() string {
		var got struct{ Token string }
		s.do("POST", "/session", `{"token":"`+apitest.DeployToken+`","bearer":true}`).wants(t, 200, &got)
		return got.Token
	}
	for _, cookies := range []string{"thalassa_session=ended", "thalassa_session=OTHER", "thalassa_session=ended; thalassa_session=OTHER"} {
		inHeader, other := begin(), begin()
		cookies = strings.ReplaceAll(cookies, "OTHER", other)
		s.do("DELETE", "/session", "", "Authorization: Bearer "+inHeader, "Cookie: "+cookies).wants(t, 200, nil)
		s.get("/status", "Authorization: Bearer "+inHeader).refused(t, http.StatusUnauthorized, "unauthorized")
		if strings.Contains(cookies, other) {
			s.get("/status", "Authorization: Bearer "+other).refused(t, http.StatusUnauthorized, "unauthorized")
		}
	}
}

func TestSessionsOverTLSHaveSecureCookies(t *testing.T) {
	s := filledFixture(t, apitest.Guarded(t))
	r := s.do("POST", "/session", `{"token":"`+apitest.ReadToken+`"}`, "X-Forwarded-Proto: https")
	if set := r.header.Get("Set-Cookie"); !strings.Contains(set, "; Secure") {
		t.Errorf("the cookie is %s", set)
	}
}

// A page of another site must not use a browser's session, nor make one.
func TestSessionsAreOfThisSite(t *testing.T) {
	s := filledFixture(t, apitest.Guarded(t))
	cookie := s.login(t, apitest.AdminToken)
	const foreign = "Sec-Fetch-Site: cross-site"
	s.do("DELETE", "/backends/files", "", cookie, foreign).refused(t, http.StatusForbidden, "forbidden")
	s.do("POST", "/session", `{"token":"`+apitest.AdminToken+`"}`, foreign).refused(t, http.StatusForbidden, "forbidden")
	s.do("POST", "/session", `{"token":"`+apitest.AdminToken+`"}`, "Content-Type: text/plain").refused(t, http.StatusUnsupportedMediaType, "invalid")
}

func TestATokenWinsOverASession(t *testing.T) {
	s := filledFixture(t, apitest.Guarded(t))
	cookie := s.login(t, apitest.AdminToken)
	var got who
	s.get("/session", cookie, bearer(apitest.ReadToken)).wants(t, 200, &got)
	if got.Name != "reader" || !got.Expires.IsZero() {
		t.Errorf("got %+v", got)
	}
	s.get("/session", cookie, bearer("nonsense")).refused(t, http.StatusUnauthorized, "unauthorized")
}

func TestSessionsWithoutTokens(t *testing.T) {
	s := filledFixture(t)
	for _, method := range []string{"GET", "POST"} {
		body := ""
		if method == "POST" {
			body = `{"token":"anything"}`
		}
		var got who
		r := s.do(method, "/session", body)
		r.wants(t, 200, &got)
		if got.Name != "anonymous@127.0.0.1" || got.Role != "admin" || got.Authentication || r.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %+v, %v", method, got, r.header)
		}
	}
}

func TestSessionsRefuseWhatTheyDoNotKnow(t *testing.T) {
	s := filledFixture(t, apitest.Guarded(t))
	s.do("POST", "/session", "nonsense").refused(t, http.StatusBadRequest, "invalid")
	s.do("POST", "/session", `{"token":7}`).refused(t, http.StatusBadRequest, "invalid")
	for _, cookie := range []string{"thalassa_session=", "thalassa_session=AAAA", "thalassa_session=" + apitest.AdminToken} {
		s.get("/status", "Cookie: "+cookie).refused(t, http.StatusUnauthorized, "unauthorized")
	}
}

// wrongTokens are the ways to show a wrong token.
func wrongTokens(s *fixture) map[string]func() reply {
	return map[string]func() reply{
		"session": func() reply { return s.do("POST", "/session", `{"token":"not-a-token-of-this-file"}`) },
		"header":  func() reply { return s.get("/status", bearer("not-a-token-of-this-file")) },
	}
}

// Ten wrong tokens are free, then it takes time, and which is right is not told
// meanwhile.
func TestTryingTokensTakesTime(t *testing.T) {
	for _, way := range []string{"session", "header"} {
		t.Run(way, func(t *testing.T) {
			now := at0()
			s := filledFixture(t, apitest.Guarded(t), func(c *api.Config) { c.Now = func() time.Time { return now } })
			wrong := wrongTokens(s)[way]
			for range 10 {
				wrong().refused(t, http.StatusUnauthorized, "unauthorized")
			}
			r := wrong()
			r.refused(t, http.StatusTooManyRequests, "too_many")
			if wait := r.header.Get("Retry-After"); wait != "7" {
				t.Errorf("Retry-After is %s", wait)
			}
			s.do("POST", "/session", `{"token":"`+apitest.ReadToken+`"}`).refused(t, http.StatusTooManyRequests, "too_many")
			s.get("/status", bearer(apitest.ReadToken)).refused(t, http.StatusTooManyRequests, "too_many")
			now = now.Add(7 * time.Second)
			wrong().refused(t, http.StatusUnauthorized, "unauthorized")
			wrong().refused(t, http.StatusTooManyRequests, "too_many")
			now = now.Add(time.Hour)
			s.login(t, apitest.ReadToken)
			s.get("/status", bearer(apitest.ReadToken)).wants(t, 200, nil)
		})
	}
}

// A program that asks with a wrong token again and again keeps nobody out for
// longer than a person who has tried ten, and never a token that has been right
// from its address before.
func TestWrongTokensDoNotAddUp(t *testing.T) {
	now := at0()
	s := filledFixture(t, apitest.Guarded(t), func(c *api.Config) { c.Now = func() time.Time { return now } })
	s.get("/status", bearer(apitest.DeployToken)).wants(t, 200, nil)
	for i := range 100 {
		for _, wrong := range wrongTokens(s) {
			if r := wrong(); i > 10 {
				r.refused(t, http.StatusTooManyRequests, "too_many")
			}
		}
		s.get("/status", bearer(apitest.DeployToken)).wants(t, 200, nil)
		s.login(t, apitest.DeployToken)
	}
	s.do("POST", "/session", `{"token":"`+apitest.ReadToken+`"}`).refused(t, http.StatusTooManyRequests, "too_many")
	now = now.Add(7 * time.Second)
	s.login(t, apitest.ReadToken)
}

// Who logs in again leaves no session behind.
func TestANewSessionEndsTheFormerOne(t *testing.T) {
	s := filledFixture(t, apitest.Guarded(t))
	former := s.login(t, apitest.AdminToken)
	s.do("POST", "/session", `{"token":"not-a-token-of-this-file"}`, former).refused(t, http.StatusUnauthorized, "unauthorized")
	s.get("/status", former).wants(t, 200, nil)
	s.do("POST", "/session", `{"token":"`+apitest.ReadToken+`"}`, former).wants(t, 200, nil)
	s.get("/status", former).refused(t, http.StatusUnauthorized, "unauthorized")
}

// Everybody sees and ends their own sessions, an admin those of all.
func TestListOfSessions(t *testing.T) {
	s := filledFixture(t, apitest.Guarded(t))
	viewer, boss := s.login(t, apitest.ReadToken), s.login(t, apitest.AdminToken)
	type listed struct {
		ID, Name, Role, Kind, From string
		Own                        bool
	}
	var own, all []listed
	s.get("/sessions", viewer).wants(t, 200, &own)
	s.get("/sessions", boss).wants(t, 200, &all)
	if len(own) != 1 || !own[0].Own || own[0].Name != "reader" || own[0].Kind != "token" || own[0].From != "127.0.0.1" || len(all) != 2 {
		t.Fatalf("%+v, %+v", own, all)
	}
	for _, l := range all {
		if strings.Contains(viewer+boss, l.ID) {
			t.Errorf("%s is a part of a cookie", l.ID)
		}
		if l.Name == "boss" {
			s.do("DELETE", "/sessions/"+l.ID, "", viewer).refused(t, 404, "not_found")
		}
	}
	s.get("/sessions").refused(t, 401, "unauthorized")
	s.do("DELETE", "/sessions/"+own[0].ID, "").refused(t, 401, "unauthorized")
	s.do("DELETE", "/sessions/"+own[0].ID, "", boss).wants(t, 200, nil)
	s.get("/frontends", viewer).refused(t, 401, "unauthorized")
	s.get("/frontends", boss).wants(t, 200, nil)
}

// The server ends sessions whose token has gone, although nobody uses them.
func TestUnusedSessionsEnd(t *testing.T) {
	dir := t.TempDir()
	tokens, kept := filepath.Join(dir, "tokens"), filepath.Join(dir, "sessions.json")
	write := func(line string) {
		t.Helper()
		if err := os.WriteFile(tokens, []byte(line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("admin boss " + apitest.AdminToken)
	opened, err := auth.Open(tokens, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(c *api.Config) {
		c.Authority, c.RecheckEvery, c.SessionFile = auth.NewAuthority(opened, nil), 50*time.Millisecond, kept
	})
	run(t, f.server.Follow)
	cookie := f.login(t, apitest.AdminToken)
	write("admin other " + apitest.ReadToken)
	testkit.Eventually(t, 10*time.Second, func() error {
		data, err := os.ReadFile(kept)
		if err == nil && string(data) != "[]" {
			err = errors.New("it is still there")
		}
		return err
	})
	write("admin boss " + apitest.AdminToken)
	testkit.Eventually(t, 10*time.Second, func() error {
		if r := f.get("/status", bearer(apitest.AdminToken)); r.status != http.StatusOK {
			return fmt.Errorf("%d", r.status)
		}
		return nil
	})
	f.get("/status", cookie).refused(t, 401, "unauthorized")
}
