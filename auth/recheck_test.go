package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/auth"
)

// accountSession begins a session of an account of a system.
func accountSession(t *testing.T, at *system, user string) (s *auth.Sessions, id string) {
	t.Helper()
	access, err := auth.OpenAccess(accessFile(t, "pam: {groups: {ops: admin}}\n"), time.Now, nil)
	must(t, err)
	a := auth.NewAuthority(nil, access)
	a.UseAccounts(at)
	_, p, ok, err := a.Password(t.Context(), user, "right")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	s = auth.NewSessions(a, time.Now)
	id, _, _ = s.Begin(p, "")
	return s, id
}

// A check that got no answer is made again soon, and only for those whom it is about. So the
// session of an account that is gone ends within seconds of the answer.
func TestRecheckUnanswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := &system{groups: map[string][]string{"ann": {"ops"}}}
		s, id := accountSession(t, at, "ann")
		var gone []string
		ended := func(one auth.Session, why string) { gone = append(gone, one.Name+": "+why) }
		if s.Recheck(t.Context(), auth.ByAccount, ended) {
			t.Error("an answer counts as none")
		}
		asked := at.asked
		if s.RecheckUnanswered(t.Context(), auth.ByAccount, ended) || at.asked != asked {
			t.Error("asked again about an account that was answered about")
		}
		at.away = true
		if !s.Recheck(t.Context(), auth.ByAccount, ended) || !s.RecheckUnanswered(t.Context(), auth.ByAccount, ended) {
			t.Error("no answer counts as one")
		}
		if _, ok := s.Find(id); !ok || len(gone) > 0 {
			t.Errorf("ended without an answer: %v", gone)
		}
		at.away = false
		delete(at.groups, "ann")
		if s.RecheckUnanswered(t.Context(), auth.ByAccount, ended) {
			t.Error("an answer counts as none")
		}
		if _, ok := s.Find(id); ok || len(gone) != 1 || gone[0] != "pam:ann: its user is gone" {
			t.Errorf("the account is gone: %t, %v", ok, gone)
		}
	})
}

// A session that nobody answers about for MaxUnanswered ends, however it is used; an answer begins
// the time anew.
func TestNobodyAnswersForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := &system{groups: map[string][]string{"ann": {"ops"}}}
		s, id := accountSession(t, at, "ann")
		var gone []string
		wait := func(d time.Duration) bool {
			for until := time.Now().Add(d); time.Now().Before(until); time.Sleep(auth.RecheckAgain) {
				s.Find(id)
				s.Recheck(t.Context(), auth.ByAccount, func(one auth.Session, _ string) { gone = append(gone, one.Name) })
			}
			_, ok := s.Find(id)
			return ok
		}
		at.away = true
		if !wait(auth.MaxUnanswered) {
			t.Fatal("ended early")
		}
		at.away = false
		wait(time.Second)
		at.away = true
		if !wait(auth.MaxUnanswered) {
			t.Error("ended early after an answer")
		}
		if wait(2*auth.RecheckAgain) || len(gone) != 1 {
			t.Errorf("still there without an answer; ended %v", gone)
		}
	})
}

// A provider that does not answer does not keep the system from being asked.
func TestKindsFailByThemselves(t *testing.T) {
	t.Parallel()
	a, _ := authority(t, openID("{ops: admin}")+"pam: {groups: {ops: admin}}\n")
	at := &system{groups: map[string][]string{"ann": {"ops"}}}
	a.UseAccounts(at)
	s := auth.NewSessions(a, time.Now)
	for range 40 {
		_, p, err := login(t, a, auth.OpenIDUser{Subject: "1", Name: "ann", Groups: []string{"ops"}, Ask: func(context.Context) ([]string, bool, error) {
			return nil, true, errors.New("away")
		}})
		must(t, err)
		s.Begin(p, "")
	}
	_, p, _, err := a.Password(t.Context(), "ann", "right")
	must(t, err)
	id, _, _ := s.Begin(p, "")
	delete(at.groups, "ann")
	s.Recheck(t.Context(), auth.ByAccount, func(auth.Session, string) {})
	if _, ok := s.Find(id); ok {
		t.Error("the session of an account that is gone is still there")
	}
}

// A password with a NUL, which PAM would cut there, is no password.
func TestPasswordsWithNUL(t *testing.T) {
	t.Parallel()
	at := &system{groups: map[string][]string{"ann": {"ops"}}}
	access, err := auth.OpenAccess(accessFile(t, "pam: {groups: {ops: admin}}\n"), time.Now, nil)
	must(t, err)
	a := auth.NewAuthority(nil, access)
	a.UseAccounts(at)
	for _, password := range []string{"right\x00junk", "\x00", "right\x00"} {
		if _, _, ok, err := a.Password(t.Context(), "ann", password); ok || err != nil || at.asked > 0 {
			t.Errorf("%q: %t, %v, asked %d times", password, ok, err, at.asked)
		}
		if _, err := auth.HashPassword("long enough " + password); err == nil || !strings.Contains(err.Error(), "NUL") {
			t.Errorf("%q gets a hash: %v", password, err)
		}
	}
}

// What a user has begun goes on, also if the password came with the request and there is no session.
func TestAccountsWithoutASession(t *testing.T) {
	t.Parallel()
	access, err := auth.OpenAccess(accessFile(t, "pam: {groups: {ops: deploy}}\n"), time.Now, nil)
	must(t, err)
	a := auth.NewAuthority(nil, access)
	a.UseAccounts(&system{groups: map[string][]string{"ann": {"ops"}}})
	if a.AllowsNow("pam:ann", auth.Deploy, auth.TheNode) {
		t.Error("allowed before a login")
	}
	if _, _, ok, err := a.Password(t.Context(), "ann", "right"); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if !a.AllowsNow("pam:ann", auth.Deploy, auth.TheNode) || a.AllowsNow("pam:ann", auth.Admin, auth.TheNode) {
		t.Error("another right than that of the user")
	}
}
