package api_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/audit"
	"thalassa/auth"
	"thalassa/internal/testkit"
)

// accounts are those of a system in memory, as name:password; the group is ops, for bob
// staff.
type accounts struct{ asked atomic.Int32 }

func (a *accounts) Login(_ context.Context, service, user, password string) (auth.Account, error) {
	a.asked.Add(1)
	switch service + ":" + user + ":" + password {
	case "thalassa:ann:right":
		return auth.Account{Name: "ann", Groups: []string{"ops"}}, nil
	case "thalassa:bob:right":
		return auth.Account{Name: "bob", Groups: []string{"staff"}}, nil
	case "thalassa:old:right":
		return auth.Account{}, &auth.AccountError{User: "old", Words: "User account has expired"}
	case "thalassa:away:right":
		return auth.Account{}, errors.New("asking PAM: no such file or directory")
	}
	return auth.Account{}, auth.ErrWrong
}

func (a *accounts) Account(context.Context, string, string) (auth.Account, error) {
	return auth.Account{Groups: []string{"ops"}}, nil
}

// ofSystem is an API that users of the system may log in to.
func ofSystem(t *testing.T) (*fixture, *accounts, *apitest.Auditor) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.yaml")
	if err := os.WriteFile(path, []byte("pam: {groups: {ops: operate}}\nusers: [{name: local, role: read}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	access, err := auth.OpenAccess(path, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	system, audited := &accounts{}, &apitest.Auditor{}
	authority := auth.NewAuthority(nil, access)
	authority.UseAccounts(system)
	return newFixture(t, func(c *api.Config) { c.Authority, c.Audit = authority, audited }), system, audited
}

func loginBody(user, password string) string {
	return `{"user":"` + user + `","password":"` + password + `"}`
}

// Accounts of the system log in with the role of their groups; the others are refused in
// words, and all of it is audited.
func TestAccountsOfTheSystem(t *testing.T) {
	t.Parallel()
	f, system, audited := ofSystem(t)
	last := func() audit.Record {
		t.Helper()
		list, err := audited.Records(t.Context(), audit.Query{Limit: 1})
		if err != nil || len(list) == 0 {
			t.Fatalf("%v, %v", list, err)
		}
		return list[0]
	}
	same(t, f.get("/session/ways").body, `{"ways":["token","password"]}`)
	var who struct{ Name, Role, How string }
	f.do("POST", "/session", loginBody("ann", "right")).wants(t, 200, &who)
	if who.Name != "pam:ann" || who.Role != "operate" || who.How != "pam" {
		t.Errorf("%+v", who)
	}
	if got := last(); got.Name != "pam:ann" || got.How != "pam" || got.Action != audit.Login {
		t.Errorf("audited %+v", got)
	}
	before := system.asked.Load()
	f.do("POST", "/session", loginBody("ann", "right")).wants(t, 200, nil)
	if system.asked.Load() != before {
		t.Error("the system is asked about a password that was right a moment ago")
	}
	f.do("POST", "/session", loginBody("ann", "wrong")).refused(t, 401, "unauthorized")
	if got := last(); got.Name != "" || got.Refusal != "unauthorized" || got.How != "password" {
		t.Errorf("audited %+v", got)
	}
	for user, says := range map[string]string{"old": "User account has expired", "bob": "pam:bob has no role here"} {
		if e := f.do("POST", "/session", loginBody(user, "right")).refused(t, 403, "forbidden"); !strings.Contains(e.Error, says) {
			t.Errorf("%s: error %q", user, e.Error)
		}
		if got := last(); got.Name != "pam:"+user || got.Refusal != "forbidden" {
			t.Errorf("audited %+v", got)
		}
	}
	if e := f.do("POST", "/session", loginBody("away", "right")).refused(t, 503, "unavailable"); strings.Contains(e.Error, "directory") {
		t.Errorf("error %q", e.Error)
	}
	before = system.asked.Load()
	for _, user := range []string{"local", "../etc", "-x", "a b", strings.Repeat("x", 200)} {
		f.do("POST", "/session", loginBody(user, "right")).refused(t, 401, "unauthorized")
	}
	if system.asked.Load() != before {
		t.Error("the system is asked about users of the access file, or about what is no name")
	}
}

// Wrong passwords of the system are limited as the others are, and end no other's login.
func TestGuessesForAccountsOfTheSystem(t *testing.T) {
	t.Parallel()
	f, system, _ := ofSystem(t)
	f.do("POST", "/session", loginBody("ann", "right")).wants(t, 200, nil)
	for range 10 {
		f.do("POST", "/session", loginBody("bob", "guess")).refused(t, 401, "unauthorized")
	}
	before := system.asked.Load()
	f.do("POST", "/session", loginBody("bob", "guess")).refused(t, 429, "too_many")
	if system.asked.Load() != before {
		t.Error("the system is asked all the same")
	}
	f.do("POST", "/session", loginBody("ann", "right")).wants(t, 200, nil)
}

// A request with the password of an account of the system does not go on for long: nobody asks the
// system about the account meanwhile.
func TestRequestsWithThePasswordOfAnAccountEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.yaml")
	if err := os.WriteFile(path, []byte("pam: {groups: {ops: operate}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	access, err := auth.OpenAccess(path, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	authority := auth.NewAuthority(nil, access)
	authority.UseAccounts(&accounts{})
	_, cfg := apitest.Prepare(t, func(c *api.Config) { c.Authority, c.Now = authority, now })
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/activity?filter=nothing&wait=10m", http.NoBody)
	r.TLS = &tls.ConnectionState{}
	r.SetBasicAuth("ann", "right")
	answered := make(chan int, 1)
	go func() {
		w := httptest.NewRecorder()
		api.New(cfg).ServeHTTP(w, r)
		answered <- w.Code
	}()
	select {
	case status := <-answered:
		t.Fatalf("%d at once", status)
	case <-time.After(time.Second):
	}
	testkit.Eventually(t, 10*time.Second, func() error {
		select {
		case status := <-answered:
			if status != http.StatusUnauthorized {
				t.Errorf("status %d", status)
			}
			return nil
		default:
			ahead.Add(int64(auth.MaxUnanswered))
			return errors.New("it goes on")
		}
	})
}
