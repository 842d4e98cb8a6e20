package auth_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/auth"
	"thalassa/internal/testkit"
)

func sessions(t *testing.T, content string) (*auth.Sessions, string) {
	t.Helper()
	path := tokenFile(t, content)
	tokens, err := auth.Open(path, nil)
	must(t, err)
	return auth.NewSessions(auth.NewAuthority(tokens, nil), time.Now), path
}

// proof is what is kept of a token.
func proof(token string) auth.Proof {
	return auth.Proof{Kind: auth.ByToken, Hash: sha256.Sum256([]byte(token))}
}

func begin(t *testing.T, s *auth.Sessions, token string) string {
	t.Helper()
	id, session, ok := s.Begin(proof(token), "127.0.0.1")
	if !ok || len(id) != 43 || session.Role == 0 {
		t.Fatalf("Begin gave %q, %+v, %v", id, session, ok)
	}
	return id
}

func TestSessionsStandForTheirToken(t *testing.T) {
	s, _ := sessions(t, "deploy ci "+deployToken+"\nadmin ops "+adminToken)
	one, two := begin(t, s, deployToken), begin(t, s, adminToken)
	if one == two {
		t.Error("two sessions share an id")
	}
	if got, ok := s.Find(one); !ok || got.Identity != (auth.Identity{Name: "ci", Grant: auth.Grant{Role: auth.Deploy}}) {
		t.Errorf("Find: %+v, %v", got, ok)
	}
	must(t, s.End(one))
	if got, ok := s.Find(one); ok {
		t.Errorf("an ended session is %+v", got)
	}
	if _, ok := s.Find(two); !ok {
		t.Error("the other session ended, too")
	}
	for _, id := range []string{"", "x", one + "x", deployToken} {
		if _, ok := s.Find(id); ok {
			t.Errorf("%q is a session", id)
		}
		must(t, s.End(id))
	}
	for _, token := range []string{"", readToken, deployToken + "x"} {
		if id, _, ok := s.Begin(proof(token), "127.0.0.1"); ok {
			t.Errorf("%q begins %q", token, id)
		}
	}
}

func TestSessionsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sessions(t, "admin ops "+adminToken)
		id, session, _ := s.Begin(proof(adminToken), "")
		if got := time.Until(session.Expires); got != auth.SessionLifetime {
			t.Errorf("expires in %v", got)
		}
		for range int(auth.SessionLifetime/auth.IdleLifetime)*2 - 1 { // in use
			time.Sleep(auth.IdleLifetime / 2)
			if _, ok := s.Find(id); !ok {
				t.Error("over too early")
			}
		}
		time.Sleep(auth.IdleLifetime/2 - time.Second)
		if _, ok := s.Find(id); !ok {
			t.Error("over too early")
		}
		time.Sleep(time.Second)
		if _, ok := s.Find(id); ok {
			t.Error("not over in time")
		}
	})
}

func TestSessionsEndWithoutUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sessions(t, "admin ops "+adminToken)
		id, _, _ := s.Begin(proof(adminToken), "")
		time.Sleep(auth.IdleLifetime)
		if list := s.List(""); len(list) > 0 {
			t.Errorf("listed: %+v", list)
		}
		if _, ok := s.Find(id); ok {
			t.Error("not over in time")
		}
	})
}

// ownerOf is the owner of a token's sessions.
func ownerOf(token string) string { return auth.Identity{Name: token}.Owner(auth.ByToken) }

// A list names no id that lets anybody in, and ends sessions of their owner only.
func TestListedSessions(t *testing.T) {
	t.Parallel()
	s, _ := sessions(t, "deploy ci "+deployToken+"\nadmin ops "+adminToken)
	one, two := begin(t, s, deployToken), begin(t, s, adminToken)
	all := s.List("")
	if len(all) != 2 || len(s.List(ownerOf("ci"))) != 1 || len(s.List(ownerOf("eve"))) != 0 {
		t.Fatalf("%+v", all)
	}
	for _, listed := range all {
		if _, ok := s.Find(listed.ID); ok || listed.From != "127.0.0.1" || listed.Kind != auth.ByToken {
			t.Errorf("%+v", listed)
		}
	}
	id := auth.SessionID(one)
	endListed := func(id, name string) bool {
		ended, err := s.EndListed(id, name)
		must(t, err)
		return ended
	}
	if endListed(id, ownerOf("ops")) || !endListed(id, ownerOf("ci")) || endListed(id, ownerOf("ci")) {
		t.Error("the owner does not count")
	}
	if _, ok := s.Find(one); ok {
		t.Error("it has not ended")
	}
	if !endListed(auth.SessionID(two), "") {
		t.Error("an admin cannot end it")
	}
}

func TestSessionsFollowTheTokenFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, path := sessions(t, "admin ops "+adminToken)
		id := begin(t, s, adminToken)
		replace(t, path, "read viewer "+adminToken)
		time.Sleep(2 * time.Second)
		if got, ok := s.Find(id); !ok || got.Identity != (auth.Identity{Name: "viewer", Grant: auth.Grant{Role: auth.Read}}) {
			t.Errorf("after a change of the role: %+v, %v", got, ok)
		}
		replace(t, path, "read other "+readToken)
		time.Sleep(2 * time.Second)
		if got, ok := s.Find(id); ok {
			t.Errorf("without its token: %+v", got)
		}
		replace(t, path, "admin ops "+adminToken)
		time.Sleep(2 * time.Second)
		if _, ok := s.Find(id); ok {
			t.Error("a session came back with its token")
		}
	})
}

func TestSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, ofEach = 500, 50
		var lines strings.Builder
		tokens := make([]string, most/ofEach)
		for i := range tokens {
			tokens[i] = fmt.Sprintf("token-0123456789-%d", i)
			fmt.Fprintf(&lines, "read ci%d %s\n", i, tokens[i])
		}
		s, _ := sessions(t, lines.String())
		s.SetMost(most)
		first := begin(t, s, tokens[0])
		time.Sleep(time.Second)
		second := begin(t, s, tokens[1])
		for i := range most - 2 {
			begin(t, s, tokens[(i+2)%len(tokens)])
		}
		if _, ok := s.Find(first); !ok {
			t.Error("a session ended before there were too many")
		}
		begin(t, s, tokens[2])
		if _, ok := s.Find(first); ok {
			t.Error("the oldest session goes on")
		}
		if _, ok := s.Find(second); !ok {
			t.Error("a session ended that was not the oldest")
		}
	})
}

func TestSessionsAreUsedConcurrently(t *testing.T) {
	s, _ := sessions(t, "admin ops "+adminToken)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				id, _, _ := s.Begin(proof(adminToken), "")
				if _, ok := s.Find(id); !ok {
					t.Error("a session is not found")
				}
				if err := s.End(id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// A session outlives the process; one that was ended, or whose token is gone, does not.
func TestSessionsOutliveTheProcess(t *testing.T) {
	s, tokens := sessions(t, "deploy ci "+deployToken+"\nadmin ops "+adminToken)
	path := filepath.Join(t.TempDir(), "sessions.json")
	s.Keep(path, testkit.Logger(t))
	kept, ended, revoked := begin(t, s, adminToken), begin(t, s, adminToken), begin(t, s, deployToken)
	must(t, s.End(ended))
	data, err := os.ReadFile(path)
	must(t, err)
	for _, secret := range []string{kept, ended, revoked, adminToken, deployToken} {
		if strings.Contains(string(data), secret) {
			t.Errorf("the file has the secret %s", secret)
		}
	}
	again := func(content string) *auth.Sessions {
		replace(t, tokens, content)
		opened, err := auth.Open(tokens, nil)
		must(t, err)
		next := auth.NewSessions(auth.NewAuthority(opened, nil), time.Now)
		next.Keep(path, testkit.Logger(t))
		return next
	}
	next := again("admin boss " + adminToken)
	if got, ok := next.Find(kept); !ok || got.Identity != (auth.Identity{Name: "boss", Grant: auth.Grant{Role: auth.Admin}}) {
		t.Errorf("after a restart: %+v, %v", got, ok)
	}
	next = again("deploy ci " + deployToken + "\nadmin ops " + adminToken)
	for name, id := range map[string]string{"ended": ended, "revoked": revoked} {
		if _, ok := next.Find(id); ok {
			t.Errorf("the %s session came back", name)
		}
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

// A session file that is damaged, or that others may read or write, costs the sessions
// and nothing else.
func TestBadSessionFileCostsTheSessions(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"damaged":  func(path string) error { return os.WriteFile(path, []byte(`[{"id":"`), 0o600) },
		"odd":      func(path string) error { return os.WriteFile(path, []byte(`[{"id":"00","token":"zz"},{}]`), 0o600) },
		"readable": func(path string) error { return os.Chmod(path, 0o644) },
		"gone":     os.Remove,
	} {
		s, tokens := sessions(t, "admin ops "+adminToken)
		path := filepath.Join(t.TempDir(), "sessions.json")
		s.Keep(path, testkit.Logger(t))
		id := begin(t, s, adminToken)
		must(t, spoil(path))
		opened, err := auth.Open(tokens, nil)
		must(t, err)
		next := auth.NewSessions(auth.NewAuthority(opened, nil), time.Now)
		next.Keep(path, testkit.Logger(t))
		if _, ok := next.Find(id); ok {
			t.Errorf("%s: the session is there", name)
		}
		if name == "readable" { // which somebody mends
			_ = os.Chmod(path, 0o600)
			third := auth.NewSessions(auth.NewAuthority(opened, nil), time.Now)
			third.Keep(path, testkit.Logger(t))
			if _, ok := third.Find(id); ok {
				t.Error("a session came back that had been lost")
			}
		}
		if _, ok := next.Find(begin(t, next, adminToken)); !ok {
			t.Errorf("%s: no new session", name)
		}
	}
}

// Sessions that cannot be stored are told of, and stored when they can.
func TestSessionsThatAreNotStored(t *testing.T) {
	s, _ := sessions(t, "admin ops "+adminToken)
	dir := filepath.Join(t.TempDir(), "dir")
	must(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "sessions.json")
	s.Keep(path, testkit.Logger(t))
	begin(t, s, adminToken)
	before, err := os.ReadFile(path)
	must(t, err)
	must(t, os.Rename(dir, dir+".away"))
	begin(t, s, adminToken)
	if p := s.Problem(); !strings.Contains(p, "sessions cannot be stored") {
		t.Errorf("%q", p)
	}
	must(t, os.Rename(dir+".away", dir))
	testkit.Eventually(t, 10*time.Second, func() error {
		if p := s.Problem(); p != "" {
			return errors.New(p)
		}
		return nil
	})
	if after, err := os.ReadFile(path); err != nil || len(after) <= len(before) {
		t.Errorf("the file has not the second session: %v", err)
	}
}

// A session that has ended is not valid after a restart because the file of sessions could not be
// written.
func TestEndedSessionsStayEnded(t *testing.T) {
	s, tokens := sessions(t, "admin ops "+adminToken)
	again := func(path string) *auth.Sessions {
		opened, err := auth.Open(tokens, nil)
		must(t, err)
		next := auth.NewSessions(auth.NewAuthority(opened, nil), time.Now)
		next.Keep(path, testkit.Logger(t))
		return next
	}
	path := filepath.Join(t.TempDir(), "sessions.json")
	s.Keep(path, testkit.Logger(t))
	id := begin(t, s, adminToken)
	// Its name leaves no room for that of a temporary file beside it.
	long := filepath.Join(t.TempDir(), strings.Repeat("s", 250))
	must(t, os.Rename(path, long))
	next := again(long)
	if _, ok := next.Find(id); !ok {
		t.Fatal("it is not restored")
	}
	must(t, next.End(id))
	if next.Problem() == "" {
		t.Error("the file could be written")
	}
	if _, ok := again(long).Find(id); ok {
		t.Error("it is valid again")
	}

	// Where the file can be neither written nor removed, who ends a session is told.
	dir := filepath.Join(t.TempDir(), "dir")
	must(t, os.Mkdir(dir, 0o700))
	s, _ = sessions(t, "admin ops "+adminToken)
	s.Keep(filepath.Join(dir, "sessions.json"), testkit.Logger(t))
	id = begin(t, s, adminToken)
	must(t, os.Rename(dir, dir+".away"))
	if err := s.End(id); err == nil || !strings.Contains(err.Error(), "neither written nor removed") {
		t.Error(err)
	}
	if _, ok := s.Find(id); ok {
		t.Error("it has not ended")
	}
}

// A provider may say that a login is valid for ever.
func TestLoginWithoutEndIsStored(t *testing.T) {
	s, tokens := sessions(t, "admin ops "+adminToken)
	path := filepath.Join(t.TempDir(), "sessions.json")
	s.Keep(path, testkit.Logger(t))
	endless := proof(adminToken)
	endless.Until = time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC)
	id, session, ok := s.Begin(endless, "192.0.2.1")
	if !ok || time.Until(session.Expires) > auth.SessionLifetime {
		t.Fatalf("%t, %+v", ok, session)
	}
	opened, err := auth.Open(tokens, nil)
	must(t, err)
	next := auth.NewSessions(auth.NewAuthority(opened, nil), time.Now)
	next.Keep(path, testkit.Logger(t))
	if _, ok := next.Find(id); !ok {
		t.Error("it is not stored")
	}
}

// A restored session lasts as long as it had left, whatever somebody sets the clock to.
func TestRestoredSessionsFollowNoClockThatJumps(t *testing.T) {
	s, tokens := sessions(t, "admin ops "+adminToken)
	path := filepath.Join(t.TempDir(), "sessions.json")
	s.Keep(path, testkit.Logger(t))
	id := begin(t, s, adminToken)
	opened, err := auth.Open(tokens, nil)
	must(t, err)
	clock := testkit.NewClock(t)
	next := auth.NewSessions(auth.NewAuthority(opened, nil), clock.Now)
	next.Keep(path, testkit.Logger(t))
	for _, ahead := range []time.Duration{24 * time.Hour, -24 * time.Hour, 30 * 24 * time.Hour} {
		clock.Set(ahead)
		if _, ok := next.Find(id); !ok {
			t.Fatalf("the session has ended with the clock %s ahead", ahead)
		}
	}
	clock.Set(24 * time.Hour)
	third := auth.NewSessions(auth.NewAuthority(opened, nil), clock.Now)
	third.Keep(path, testkit.Logger(t))
	if _, ok := third.Find(id); ok {
		t.Error("a session that is over by the clock came back with a restart")
	}
}

// A session that nobody uses ends with its token, and does not come back with it.
func TestUnusedSessionsEndWithTheirToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, path := sessions(t, "admin ops "+adminToken)
		id := begin(t, s, adminToken)
		if ended := s.Sweep(); len(ended) > 0 {
			t.Errorf("a valid session has ended: %+v", ended)
		}
		replace(t, path, "read other "+readToken)
		time.Sleep(2 * time.Second)
		if ended := s.Sweep(); len(ended) != 1 || ended[0].ID != auth.SessionID(id) {
			t.Errorf("ended: %+v", ended)
		}
		replace(t, path, "admin ops "+adminToken)
		time.Sleep(2 * time.Second)
		if _, ok := s.Find(id); ok {
			t.Error("it came back with its token")
		}
	})
}

// A user and a token may have one name, and see and end their own sessions alone.
func TestATokenWithTheNameOfAUser(t *testing.T) {
	t.Parallel()
	access, err := auth.OpenAccess(accessFile(t, fmt.Sprintf("%stokens: [{name: ann, role: admin, sha256: %x}]\n", annAs("read"), sha256.Sum256([]byte(adminToken)))), time.Now, nil)
	must(t, err)
	a := auth.NewAuthority(nil, access)
	s := auth.NewSessions(a, time.Now)
	_, p, ok, err := a.Password(t.Context(), "ann", passwordOfAnn)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	_, user, _ := s.Begin(p, "")
	_, token, _ := s.Begin(proof(adminToken), "")
	if list := s.List(user.Owner()); len(list) != 1 || list[0].ID != user.ID {
		t.Errorf("%+v", list)
	}
	if ended, err := s.EndListed(token.ID, user.Owner()); ended || err != nil {
		t.Errorf("the session of the token was ended: %v", err)
	}
	if ended, err := s.EndListed(token.ID, token.Owner()); !ended || err != nil {
		t.Errorf("its own: %t, %v", ended, err)
	}
}
