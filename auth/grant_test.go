package auth_test

import (
	"strings"
	"testing"
	"time"

	"thalassa/auth"
)

func TestGrant(t *testing.T) {
	t.Parallel()
	grant := func(role auth.Role, sees bool, on ...string) auth.Grant {
		g, err := auth.NewGrant(role, on, sees)
		must(t, err)
		return g
	}
	all := grant(auth.Deploy, true)
	shop := grant(auth.Deploy, true, "backend/shop-*", "frontend/www")
	blind := grant(auth.Deploy, false, "backend/shop-*", "frontend/www")
	reader := grant(auth.Read, false, "service/*")
	for _, tt := range []struct {
		g             auth.Grant
		object        string
		deploys, sees bool
	}{
		{all, "backend/pay", true, true},
		{all, auth.TheNode, true, true},
		{shop, "backend/shop-a", true, true},
		{shop, "backend/shop-", true, true},
		{shop, "frontend/www", true, true},
		{shop, "frontend/shop-a", false, true},
		{shop, "backend/shop", false, true},
		{shop, "backend/pay", false, true},
		{shop, "backend/www", false, true},
		{shop, "service/shop-a", false, true},
		{shop, auth.TheNode, false, true},
		{blind, "backend/shop-a", true, true},
		{blind, "backend/shop-a/b", false, false},
		{blind, "backend/pay", false, false},
		{blind, "frontend/www2", false, false},
		{blind, auth.TheNode, false, false},
		{reader, "service/pay", false, true},
		{reader, "backend/pay", false, false},
		{auth.Grant{}, "backend/pay", false, false},
		{auth.Grant{}, auth.TheNode, false, false},
	} {
		if got := tt.g.Allows(auth.Deploy, tt.object); got != tt.deploys {
			t.Errorf("%s deploys %q: %t", tt.g, tt.object, got)
		}
		if got := tt.g.Sees(tt.object); got != tt.sees {
			t.Errorf("%s sees %q: %t", tt.g, tt.object, got)
		}
		if tt.g.Allows(auth.Operate, tt.object) || tt.g.Allows(0, tt.object) {
			t.Errorf("%s allows more than its role on %q", tt.g, tt.object)
		}
	}
	if again := grant(auth.Deploy, false, "frontend/www", "backend/shop-*", "frontend/www"); !again.Same(blind) || again.Same(shop) || !shop.SeesSame(all) || shop.Same(all) {
		t.Error("grants are compared by what they allow")
	}
}

func TestBadGrants(t *testing.T) {
	t.Parallel()
	for field, on := range map[string][]string{
		"on:":    {},
		"on[0]:": {"shop"},
		"on[1]:": {"backend/a", "member/a"},
		"on[2]:": {"backend/a", "backend/b", "backend/a[b]"},
		"on[3]:": {"backend/a", "backend/b", "backend/c", "backend/"},
	} {
		if _, err := auth.NewGrant(auth.Deploy, on, true); err == nil || !strings.HasPrefix(err.Error(), field) {
			t.Errorf("%v: %v", on, err)
		}
	}
	for _, bad := range []string{"*", "*/*", "/a", "backend", "backend/a/b", "backend/a?", "backend/a b", "backend/\n", "backend/" + strings.Repeat("a", 200)} {
		if _, err := auth.NewGrant(auth.Deploy, []string{bad}, true); err == nil || strings.Contains(err.Error(), bad+"\"") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := auth.NewGrant(auth.Read, []string{"backend/a"}, true); err == nil {
		t.Error("a reader who is limited, and sees everything")
	}
	if _, err := auth.NewGrant(auth.Read, nil, false); err == nil {
		t.Error("see: false without on")
	}
}

// A limit that is empty or of the wrong type never counts as none.
func TestLimitsOfAnAccessFile(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef"
	entry := "tokens:\n  - {name: ci, role: deploy, sha256: " + strings.TrimPrefix(hashed(token), "sha256:") + "%s}\n"
	path := accessFile(t, strings.ReplaceAll(entry, "%s", ", on: [backend/shop-*], see: false"))
	a, err := auth.OpenAccess(path, time.Now, nil)
	must(t, err)
	who, _, ok := auth.NewAuthority(nil, a).Token(token)
	if !ok || who.Allows(auth.Deploy, "backend/pay") || who.Sees("backend/pay") || !who.Allows(auth.Deploy, "backend/shop-a") {
		t.Errorf("%+v, %t", who, ok)
	}
	for _, limits := range []string{
		", on: ", ", on: []", ", on: backend/a", ", on: {a: b}", ", on: [1, 2]", ", on: [~]", ", on: [[backend/a]]",
		", see: false", ", on: [backend/a], see: ", ", on: [backend/a], see: 0", ", on: [backend/a], see: 'no'", ", on: [pay]", ", On: [backend/a]",
	} {
		path := accessFile(t, strings.ReplaceAll(entry, "%s", limits))
		if _, err := auth.OpenAccess(path, time.Now, nil); err == nil {
			t.Errorf("%s is taken", limits)
		}
	}
}

func TestLimitsAreWritten(t *testing.T) {
	t.Parallel()
	path := accessFile(t, "")
	g, err := auth.NewGrant(auth.Admin, []string{"backend/shop-*", "service/shop"}, false)
	must(t, err)
	must(t, auth.EditAccess(path, func(e *auth.AccessEdit) error {
		e.AddToken("ci", "0123456789abcdef", g, time.Time{})
		return e.AddUser("ann", correctHorse, g)
	}))
	users, tokens, err := auth.ListAccess(path)
	must(t, err)
	for _, e := range append(users, tokens...) {
		if e.Role != "admin" || strings.Join(e.On, " ") != "backend/shop-* service/shop" || !e.Hides {
			t.Errorf("%+v", e)
		}
	}
	a, err := auth.OpenAccess(path, time.Now, nil)
	must(t, err)
	if who, _, ok := auth.NewAuthority(nil, a).Token("0123456789abcdef"); !ok || !who.Same(g) {
		t.Errorf("%+v", who)
	}
}
