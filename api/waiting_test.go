package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/activity"
	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/auth"
	"thalassa/lb"
)

// revocable guards an API with a token file that the test may write again.
func revocable(t *testing.T, lines string) (adjust func(*api.Config), rewrite func(lines string)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	rewrite = func(lines string) {
		t.Helper()
		next := path + ".new"
		if err := os.WriteFile(next, []byte("admin keeper k-0123456789abcdef\n"+lines), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(lines)
	tokens, err := auth.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *api.Config) { c.Authority = auth.NewAuthority(tokens, nil) }, rewrite
}

const (
	deployLine = "deploy deployer " + apitest.DeployToken + "\n"
	readLine   = "read deployer " + apitest.DeployToken + "\n"
)

// waitingAPI is a fixture whose deployer waits with a request until it is answered.
func waitingAPI(t *testing.T, method, path, body string, asSession bool) (s *fixture, rewrite func(string), answer <-chan reply) {
	t.Helper()
	adjust, rewrite := revocable(t, deployLine)
	s = filledFixture(t, adjust)
	header := bearer(apitest.DeployToken)
	if asSession {
		header = s.login(t, apitest.DeployToken)
	}
	done := make(chan reply, 1)
	go func() { done <- s.do(method, path, body, header) }()
	select {
	case r := <-done:
		t.Fatalf("answered at once: %d %s", r.status, r.body)
	case <-time.After(100 * time.Millisecond): // it waits
	}
	return s, rewrite, done
}

// answered is the answer, which must come long before the request's own wait is over.
func answered(t *testing.T, answer <-chan reply) reply {
	t.Helper()
	select {
	case r := <-answer:
		return r
	case <-time.After(patience):
		t.Fatal("no answer")
		return reply{}
	}
}

func TestARevokedTokenEndsWhatWaits(t *testing.T) {
	for name, c := range map[string]struct {
		method, path, body, left string
		asSession                bool
		want                     int
	}{
		"deploy":                          {"POST", "/backends/live", `{"version":"9.0.0","wait":"10m"}`, "", false, http.StatusUnauthorized},
		"deploy of a reader":              {"POST", "/backends/live", `{"version":"9.0.0","wait":"10m"}`, readLine, false, http.StatusForbidden},
		"deploy of a session":             {"POST", "/backends/live", `{"version":"9.0.0","wait":"10m"}`, "", true, http.StatusUnauthorized},
		"long poll":                       {"GET", "/activity?filter=nothing&wait=10m", "", "", false, http.StatusUnauthorized},
		"long poll of a session":          {"GET", "/activity?filter=nothing&wait=10m", "", "", true, http.StatusUnauthorized},
		"deploy of a session of a reader": {"POST", "/backends/live", `{"version":"9.0.0","wait":"10m"}`, readLine, true, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, rewrite, answer := waitingAPI(t, c.method, c.path, c.body, c.asSession)
			rewrite(c.left)
			if r := answered(t, answer); r.status != c.want {
				t.Errorf("answered with %d %s, expected %d", r.status, r.body, c.want)
			}
			s.Discover("shop", "10.1.0.9:8080 9.0.0")
			in, err := s.Intent(t.Context())
			if err != nil || in.Backends["live"].Version != "1.0.0" {
				t.Errorf("the backend is %+v, %v", in.Backends["live"], err)
			}
		})
	}
}

// A reader may go on to wait when the token's role has become less.
func TestALesserRoleMayGoOnReading(t *testing.T) {
	t.Parallel()
	s, rewrite, answer := waitingAPI(t, "GET", "/activity?filter=online&wait=10m", "", false)
	rewrite(readLine)
	<-time.After(1500 * time.Millisecond)
	s.Log.Record(t.Context(), activity.Event{Verb: activity.Online})
	if r := answered(t, answer); r.status != http.StatusOK {
		t.Errorf("answered with %d %s", r.status, r.body)
	}
}

func TestARevokedTokenClosesItsWebsocket(t *testing.T) {
	t.Parallel()
	adjust, rewrite := revocable(t, readLine)
	s := streamingFixture(t, adjust)
	p := s.subscriber(t, bearer(apitest.DeployToken))
	p.next()
	p.say(`{"type":"subscribe","topics":["status"]}`)
	p.until(func(m message) bool { return m.Topic == "status" })
	begin := time.Now()
	rewrite("")
	if code := p.closed(); code != 4004 || time.Since(begin) > 5*time.Second {
		t.Errorf("closed with %d after %s", code, time.Since(begin))
	}
}

// late is a Changer that revokes the token of the change that it has just carried out.
type late struct {
	api.Changer
	revoke func()
}

func (l late) Edit(ctx context.Context, e lb.Edit) (lb.Applied, error) {
	applied, err := l.Changer.Edit(ctx, e)
	l.revoke()
	return applied, err
}

// A change that has been made is told to who asked for it.
func TestARevokedTokenIsToldWhatItHasDone(t *testing.T) {
	t.Parallel()
	adjust, rewrite := revocable(t, "admin deployer "+apitest.DeployToken+"\n")
	s := filledFixture(t, adjust, func(c *api.Config) {
		c.Changes = late{c.Changes, func() { rewrite("") }}
	})
	s.do("PUT", "/backends/x", `{"type":"static"}`, bearer(apitest.DeployToken)).wants(t, http.StatusOK, nil)
	s.get("/backends/x", bearer(apitest.DeployToken)).refused(t, http.StatusUnauthorized, "unauthorized")
}

// The body of a change may take long.
func TestATokenIsRevokedDuringTheBody(t *testing.T) {
	t.Parallel()
	adjust, rewrite := revocable(t, "admin deployer "+apitest.DeployToken+"\n")
	s := newFixture(t, adjust)
	r := httptest.NewRequestWithContext(t.Context(), "PUT", "/backends/x", &slowBody{revoke: func() { rewrite("") }, rest: strings.NewReader(`{"type":"static"}`)})
	r.Header.Set("Authorization", "Bearer "+apitest.DeployToken)
	cfg := s.Config()
	adjust(&cfg)
	w := httptest.NewRecorder()
	api.New(cfg).ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("answered with %d %s", w.Code, w.Body)
	}
	if in, err := s.Intent(t.Context()); err != nil || len(in.Backends) != 0 {
		t.Errorf("the backends are %v, %v", in.Backends, err)
	}
}

// A slowBody revokes the caller's token when it is read.
type slowBody struct {
	revoke func()
	rest   *strings.Reader
}

func (b *slowBody) Read(p []byte) (int, error) {
	b.revoke()
	return b.rest.Read(p)
}
