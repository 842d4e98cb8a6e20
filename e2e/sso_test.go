package e2e_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// A user of an identity provider logs in on the page, gets the role of a group, and comes
// back to the page that was asked for.
func TestLoginAtAProvider(t *testing.T) {
	testkit.Tool(t, "chromium")
	port := testkit.Port(t)
	dir := t.TempDir()
	file, secret := filepath.Join(dir, "access.yaml"), filepath.Join(dir, "secret")
	text := fmt.Sprintf(`tokens: [{name: boss, role: admin, sha256: %x}]
oidc:
  issuer: http://127.0.0.1:%d
  client-id: thalassa
  client-secret-file: %s
  groups: {ops: admin, shop: {role: deploy, on: [backend/shop-*]}}
pam: {groups: {haclient: operate}}
`, sha256.Sum256([]byte("boss-boss-boss-boss")), port, secret)
	for path, data := range map[string]string{file: text, secret: "secret of the tests"} {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := newNode(t, testkit.Consul(t).Address(), "--access-file", file)
	n.start()
	own := fmt.Sprintf("http://127.0.0.1:%d", n.api)
	provider := testkit.StartProvider(t, testkit.ProviderOptions{Port: port, Redirect: own + "/login"})
	provider.SetAccounts(t, map[string]testkit.Account{"ann": {"groups": []string{"ops"}}, "eve": {"groups": []string{"staff"}}})
	p := openPage(t, n, "/access", look{})
	p.excuse("401", "403", provider.Issuer, "googleapis")
	p.sees(`location.pathname === "/login"`)
	p.reads(".login .primary", fmt.Sprintf("Log in with 127.0.0.1:%d", port))
	p.shot("login")
	p.look(look{dark: true})
	p.shot("login-dark")
	p.look(look{})
	p.barriers(axe(t), "the login", allRules)
	back := func(name string) {
		t.Helper()
		var address string
		p.ask(`fetch("/session/sso", {method: "POST"}).then((r) => r.json()).then((d) => d.url)`, &address)
		p.visit(strings.TrimPrefix(provider.LogIn(t, address, name).String(), own))
	}
	back("eve")
	p.reads(".login .problem", "oidc:eve has no role here", "staff")
	p.sees(`location.search === "" && !document.querySelector(".who")`)
	p.sees(`!document.querySelector(".field.bad")`)
	p.shot("refused")
	var stored bool
	p.ask(`(sessionStorage.setItem("thalassa.next", "/access"), true)`, &stored)
	back("ann")
	p.sees(`location.pathname === "/access"`)
	p.reads(".who", "oidc:ann", "admin")
	p.reads("table", "ops", "group of the identity provider", "haclient", "group of the system", provider.Issuer)
	p.shot("access")
	p.click(".who a")
	p.reads("main", "Logged in with the identity provider")
	p.shot("account")
	p.click(`[aria-label="Log out"]`)
	p.sees(`location.pathname === "/login"`)
	p.click(".login .primary")
	p.sees(fmt.Sprintf(`location.port === "%d"`, port))
}
