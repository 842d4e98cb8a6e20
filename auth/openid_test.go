package auth_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/auth"
)

// openID is the section oidc of an access file with these groups.
func openID(groups string) string {
	return "oidc: {issuer: 'https://id.example.com', client-id: thalassa, groups: " + groups + "}\n"
}

func TestOpenIDSection(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, says string }{
		{openID("{ops: admin, shop: {role: deploy, on: [backend/shop-*], see: false}}"), ""},
		{"oidc: {issuer: 'http://127.0.0.1:8080/realm', client-id: x, ca-file: /ca, redirect: 'https://lb/login', scopes: [openid, groups], groups: {a: read}}", ""},
		{"oidc: {}", "oidc.issuer:"},
		{"oidc: {issuer: 'http://id.example.com', client-id: x, groups: {a: read}}", "oidc.issuer:"},
		{"oidc: {issuer: 'https://id.example.com?x=1', client-id: x, groups: {a: read}}", "oidc.issuer:"},
		{"oidc: {issuer: 'https://u:p@id.example.com', client-id: x, groups: {a: read}}", "oidc.issuer:"},
		{"oidc: {issuer: 'https://id.example.com', groups: {a: read}}", "oidc.client-id:"},
		{"oidc: {issuer: 'https://id.example.com', client-id: x, client-secret-file: secret, groups: {a: read}}", "oidc.client-secret-file:"},
		{"oidc: {issuer: 'https://id.example.com', client-id: x, client-secret: s3cret, groups: {a: read}}", "field client-secret not found"},
		{"oidc: {issuer: 'https://id.example.com', client-id: x, redirect: 'https://lb/elsewhere', groups: {a: read}}", "oidc.redirect:"},
		{"oidc: {issuer: 'https://id.example.com', client-id: x, scopes: [groups], groups: {a: read}}", "oidc.scopes:"},
		{"oidc: {issuer: 'https://id.example.com', client-id: x}", "oidc.groups:"},
		{openID("[ops]"), "oidc.groups:"},
		{openID("{}"), "oidc.groups:"},
		{openID("{ops: root}"), "oidc.groups.ops: the role is not one of"},
		{openID("{ops: [admin]}"), "oidc.groups.ops: is neither"},
		{openID("{ops: {role: admin, level: 3}}"), "unknown field"},
		{openID("{ops: {role: admin, on: []}}"), "on: is empty"},
		{openID("{ops: {on: [backend/x]}}"), "the role is not one of"},
		{openID("{ops: admin, ops: read}"), "ops: is set twice"},
		{openID("{'': admin}"), "the name is not valid"},
	} {
		_, err := auth.OpenAccess(accessFile(t, tt.text), time.Now, nil)
		if tt.says == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s\ngives %v, want %q", tt.text, err, tt.says)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error has the secret: %v", err)
		}
	}
}

// login logs a user of the provider in.
func login(t *testing.T, a *auth.Authority, u auth.OpenIDUser) (auth.Identity, auth.Proof, error) {
	t.Helper()
	if u.Until.IsZero() {
		u.Until = time.Now().Add(time.Hour)
	}
	return a.OpenIDUser(a.OpenID(), u)
}

// The strongest role counts, and groups of the same role add up.
func TestRolesOfGroups(t *testing.T) {
	t.Parallel()
	a, _ := authority(t, openID(`{ops: admin, shop: {role: deploy, on: [backend/shop-*], see: false}, pay: {role: deploy, on: [backend/pay]}, all: deploy, staff: read}`))
	for groups, want := range map[string]string{
		"ops shop":       "admin",
		"shop":           "deploy on backend/shop-*",
		"shop pay":       "deploy on backend/pay, backend/shop-*",
		"shop all other": "deploy",
		"staff shop":     "deploy on backend/shop-*",
		"staff":          "read",
	} {
		who, _, err := login(t, a, auth.OpenIDUser{Subject: "1", Name: "ann", Groups: strings.Fields(groups)})
		if err != nil || who.String() != want || who.Name != "oidc:ann" {
			t.Errorf("%s: %s %s, %v, want %s", groups, who.Name, who, err, want)
		}
	}
	if who, _, _ := login(t, a, auth.OpenIDUser{Subject: "1", Name: "ann", Groups: []string{"shop", "pay"}}); who.HidesRest() {
		t.Error("what one group shows, the other one hides")
	}
	if !a.HidesSome() {
		t.Error("the group shop sees everything")
	}
	if who, _, err := login(t, a, auth.OpenIDUser{Subject: "1", Name: "eve", Groups: []string{"other"}}); err == nil || who.Role != 0 || who.Name != "oidc:eve" {
		t.Errorf("no group: %+v, %v", who, err)
	}
	many := []string{"ops"}
	for i := range 10_000 {
		many = append(many, "a"+strconv.Itoa(i))
	}
	who, p, err := login(t, a, auth.OpenIDUser{Subject: "1", Name: "ann", Groups: many})
	if err != nil || who.Role != auth.Admin || len(p.Groups) > 50 {
		t.Errorf("of many groups %d are kept, role %s, %v", len(p.Groups), who.Role, err)
	}
}

// A session follows the groups of the file, and ends with the token, with the provider, and
// with the user.
func TestSessionsOfAProvider(t *testing.T) {
	t.Parallel()
	clock := time.Now()
	path := accessFile(t, openID("{ops: admin}"))
	access, err := auth.OpenAccess(path, func() time.Time { return clock }, nil)
	must(t, err)
	a := auth.NewAuthority(nil, access)
	file := filepath.Join(t.TempDir(), "sessions.json")
	begin := func() (*auth.Sessions, string) {
		s := auth.NewSessions(a, func() time.Time { return clock })
		s.Keep(file, nil)
		_, p, err := login(t, a, auth.OpenIDUser{Subject: "1", Name: "ann", Groups: []string{"ops", "dev"}, Until: clock.Add(time.Hour)})
		must(t, err)
		id, session, ok := s.Begin(p, "192.0.2.1")
		if !ok || !session.Expires.Equal(clock.Add(time.Hour)) {
			t.Fatalf("%+v, %t", session, ok)
		}
		return s, id
	}
	role := func(s *auth.Sessions, id string) auth.Role {
		session, _ := s.FindNow(id)
		return session.Role
	}
	s, id := begin()
	replace(t, path, openID("{ops: read, dev: deploy}"))
	if got := role(s, id); got != auth.Deploy {
		t.Errorf("after a change of the groups: role %s", got)
	}
	again := auth.NewSessions(a, func() time.Time { return clock })
	again.Keep(file, nil)
	if got := role(again, id); got != auth.Deploy {
		t.Errorf("after a restart: role %s", got)
	}
	if data, err := os.ReadFile(file); err != nil || strings.Contains(string(data), id) {
		t.Errorf("the file has the session itself: %v", err)
	}
	if !a.AllowsNow("oidc:ann", auth.Deploy, "backend/x") || a.AllowsNow("oidc:ann", auth.Admin, auth.TheNode) || a.AllowsNow("oidc:bob", auth.Read, auth.TheNode) {
		t.Error("what ann has begun has other rights than ann")
	}
	clock = clock.Add(time.Hour)
	if got := role(s, id); got != 0 {
		t.Errorf("after the token has expired: role %s", got)
	}
	if !a.AllowsNow("oidc:ann", auth.Deploy, "backend/x") {
		t.Error("what ann has begun ends with the session")
	}
	s, id = begin()
	replace(t, path, strings.ReplaceAll(openID("{ops: admin}"), "id.example.com", "other.example.com"))
	if got := role(s, id); got != 0 || a.AllowsNow("oidc:ann", auth.Read, auth.TheNode) {
		t.Errorf("with another provider: role %s", got)
	}
	replace(t, path, "")
	a.Look()
	if a.OpenID() != nil {
		t.Error("the provider is still there")
	}
}

// Sessions that are used are asked about; an answer that is missing changes nothing.
func TestRecheck(t *testing.T) {
	t.Parallel()
	a, _ := authority(t, openID("{ops: admin, dev: deploy}"))
	s := auth.NewSessions(a, time.Now)
	var groups []string
	var known bool
	var failure error
	_, p, err := login(t, a, auth.OpenIDUser{Subject: "1", Name: "ann", Groups: []string{"ops"}, Ask: func(context.Context) ([]string, bool, error) {
		return groups, known, failure
	}})
	must(t, err)
	id, _, _ := s.Begin(p, "")
	var gone []string
	for _, step := range []struct {
		groups []string
		known  bool
		err    error
		want   auth.Role
	}{
		{nil, true, nil, auth.Admin},
		{[]string{"dev"}, true, nil, auth.Deploy},
		{nil, true, errors.New("away"), auth.Deploy},
		{[]string{"ops", "dev"}, true, nil, auth.Admin},
		{nil, false, nil, 0},
	} {
		groups, known, failure = step.groups, step.known, step.err
		s.Recheck(t.Context(), auth.ByOpenID, func(one auth.Session, _ string) { gone = append(gone, one.Name) })
		if session, _ := s.Find(id); session.Role != step.want {
			t.Errorf("%+v: role %s", step, session.Role)
		}
	}
	if !slices.Equal(gone, []string{"oidc:ann"}) || a.AllowsNow("oidc:ann", auth.Read, auth.TheNode) {
		t.Errorf("ended: %v", gone)
	}
}

// The check of the settings finds a secret that the agent cannot use.
func TestVerifyTheSecretOfTheClient(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	path := accessFile(t, "oidc: {issuer: 'https://id.example.com', client-id: x, client-secret-file: '"+secret+"', groups: {a: read}}\n")
	own := auth.Reader{UID: os.Geteuid(), GIDs: []int{os.Getegid()}}
	if err := auth.VerifyAccess(path, own); err == nil || !strings.Contains(err.Error(), "client-secret-file") {
		t.Errorf("without the file: %v", err)
	}
	replace(t, secret, "s3cret")
	if err := auth.VerifyAccess(path, own); err != nil {
		t.Error(err)
	}
	must(t, os.Chmod(secret, 0o644)) //nolint:gosec // which is the mistake
	if err := auth.VerifyAccess(path, own); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("for everybody: %v", err)
	}
}

// Users of the provider are told apart by their subjects, whatever they are called: sessions, the
// bound of sessions, and what ends with a user who is gone.
func TestUsersOfOneName(t *testing.T) {
	t.Parallel()
	a, _ := authority(t, openID("{dev: deploy}"))
	file := filepath.Join(t.TempDir(), "sessions")
	s := auth.NewSessions(a, time.Now)
	s.Keep(file, slog.New(slog.DiscardHandler))
	known := map[string]bool{"1": true, "2": true}
	begin := func(subject, name string) (string, auth.Session) {
		t.Helper()
		_, p, err := login(t, a, auth.OpenIDUser{Subject: subject, Name: name, Groups: []string{"dev"}, Ask: func(context.Context) ([]string, bool, error) {
			return nil, known[subject], nil
		}})
		must(t, err)
		id, session, ok := s.Begin(p, "")
		if !ok {
			t.Fatal("no session")
		}
		return id, session
	}
	_, one := begin("1", "ann")
	other, two := begin("2", "ann")
	_, renamed := begin("1", "anne")
	check := func(s *auth.Sessions, when string) {
		t.Helper()
		if list := s.List(one.Owner()); len(list) != 2 || list[0].Subject != "1" || list[1].Subject != "1" {
			t.Errorf("%s: %+v", when, list)
		}
		if list := s.List(two.Owner()); len(list) != 1 || list[0].Subject != "2" {
			t.Errorf("%s: %+v", when, list)
		}
		if ended, err := s.EndListed(two.ID, one.Owner()); ended || err != nil {
			t.Errorf("%s: the session of another user was ended: %v", when, err)
		}
	}
	check(s, "at first")
	again := auth.NewSessions(a, time.Now)
	again.Keep(file, slog.New(slog.DiscardHandler))
	check(again, "after a restart")
	if one.Owner() != renamed.Owner() || two.Owner() == one.Owner() || len(s.List("oidc:ann")) != 0 {
		t.Error("a name tells who owns a session")
	}
	for range 100 {
		begin("1", "ann")
	}
	if _, ok := s.Find(other); !ok {
		t.Error("pushed out by a user of the same name")
	}
	begin("2", "ann") // who has logged in last
	known["1"] = false
	s.Recheck(t.Context(), auth.ByOpenID, func(auth.Session, string) {})
	if _, ok := s.Find(other); !ok || !a.AllowsNow("oidc:ann", auth.Deploy, auth.TheNode) || len(s.List(one.Owner())) != 0 {
		t.Error("gone with a user of the same name")
	}
}
