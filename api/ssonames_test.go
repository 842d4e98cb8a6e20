package api_test

import (
	"testing"

	"thalassa/internal/testkit"
)

// Two users of a provider with the same name see and end their own sessions alone, and the audit
// log tells them apart.
func TestUsersOfOneName(t *testing.T) {
	t.Parallel()
	s := newSSO(t)
	s.provider.SetAccounts(t, map[string]testkit.Account{
		"one": {"groups": []string{"dev"}, "preferred_username": "ann"}, "two": {"groups": []string{"dev"}, "preferred_username": "ann"},
	})
	type session struct {
		ID, Name, Subject, Session string
		Own                        bool
	}
	sessions := map[string]string{}
	cookies := map[string]string{}
	for _, subject := range []string{"one", "two"} {
		r, cookie := s.logIn(t, subject)
		var who session
		r.wants(t, 200, &who)
		if record := s.last(t); who.Name != "oidc:ann" || who.Subject != subject || record.Name != who.Name || record.Subject != subject {
			t.Errorf("%s: %+v, recorded %+v", subject, who, record)
		}
		s.get("/session", cookie).wants(t, 200, &who)
		if who.Subject != subject {
			t.Errorf("GET /session of %s: %+v", subject, who)
		}
		sessions[subject], cookies[subject] = who.Session, cookie
	}
	var list []session
	s.get("/sessions", cookies["one"]).wants(t, 200, &list)
	if len(list) != 1 || list[0].ID != sessions["one"] || list[0].Subject != "one" || !list[0].Own {
		t.Errorf("one sees %+v", list)
	}
	s.do("DELETE", "/sessions/"+sessions["two"], "", cookies["one"]).refused(t, 404, "not_found")
	s.get("/session", cookies["two"]).wants(t, 200, nil)
	s.do("DELETE", "/sessions/"+sessions["two"], "", cookies["two"]).wants(t, 200, nil)
}
