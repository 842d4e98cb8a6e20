package api_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/auth"
)

// shares has an API share its sessions, by the key of a file.
func shares(t *testing.T, node, key string) func(*api.Config) {
	t.Helper()
	secret, err := auth.ReadClusterKey(key, "x")
	if err != nil {
		t.Fatal(err)
	}
	guarded := apitest.Guarded(t)
	return func(c *api.Config) {
		guarded(c)
		c.Share = &auth.ShareConfig{Node: node, Key: secret, Path: filepath.Join(t.TempDir(), "nodes.json")}
	}
}

// Logins and logouts say whether they count on all nodes.
func TestSessionsOfACluster(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("a random text of more than 32 characters: 8fj2Lq0z"), 0o600); err != nil {
		t.Fatal(err)
	}
	one, two := filledFixture(t, shares(t, "one", key)), filledFixture(t, shares(t, "two", key))
	tell := func(from, to *fixture, name string) {
		t.Helper()
		sealed, version, err := from.server.Shared().Document()
		if err != nil {
			t.Fatal(err)
		}
		from.server.Shared().Published(sealed, version, nil)
		for _, gone := range to.server.Shared().Merge(map[string][]byte{name: sealed}).Ended {
			to.server.SessionEnded(gone)
		}
	}
	var got struct{ Nodes, Session string }
	r := one.do("POST", "/session", `{"token":"`+apitest.DeployToken+`"}`) // nobody carries it
	r.wants(t, http.StatusOK, &got)
	if got.Nodes != "this" {
		t.Errorf("nodes %q", got.Nodes)
	}
	cookie, _, _ := strings.Cut(r.header.Get("Set-Cookie"), ";")
	cookie = "Cookie: " + cookie
	two.get("/status", cookie).refused(t, http.StatusUnauthorized, "unauthorized")
	tell(one, two, "one")
	two.get("/status", cookie).wants(t, http.StatusOK, nil)
	var listed []struct{ ID, Node string }
	two.get("/sessions", cookie).wants(t, http.StatusOK, &listed)
	if len(listed) != 1 || listed[0].Node != "one" || listed[0].ID != got.Session {
		t.Errorf("listed: %+v", listed)
	}

	ended := two.do("DELETE", "/sessions/"+got.Session, "", cookie)
	ended.wants(t, http.StatusOK, &got)
	if got.Nodes != "this" {
		t.Errorf("nodes %q", got.Nodes)
	}
	two.get("/status", cookie).refused(t, http.StatusUnauthorized, "unauthorized")
	one.get("/status", cookie).wants(t, http.StatusOK, nil) // not told yet
	tell(two, one, "two")
	one.get("/status", cookie).refused(t, http.StatusUnauthorized, "unauthorized")

	one.server.Shared().Published(nil, 0, os.ErrDeadlineExceeded)
	one.do("DELETE", "/session", "", cookie).wants(t, http.StatusOK, &got)
}
