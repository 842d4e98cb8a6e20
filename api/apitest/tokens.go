package apitest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/auth"
)

// The tokens of Guarded, by role; their names are reader, deployer, operator and boss.
const (
	ReadToken    = "r-0123456789abcdef"
	DeployToken  = "d-0123456789abcdef"
	OperateToken = "o-0123456789abcdef"
	AdminToken   = "a-0123456789abcdef"
)

// Guarded makes an API ask for a token of its role.
func Guarded(tb testing.TB) func(*api.Config) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "tokens")
	content := "read reader " + ReadToken + "\ndeploy deployer " + DeployToken + "\noperate operator " + OperateToken + "\nadmin boss " + AdminToken + "\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	tokens, err := auth.Open(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return func(c *api.Config) { c.Authority = auth.NewAuthority(tokens, nil) }
}

// The tokens of Limited. Those of a Shop are limited to ShopObjects, and those of a Blind
// do not see anything else.
const (
	ShopDeployToken  = "sd-0123456789abcdef"
	ShopAdminToken   = "sa-0123456789abcdef"
	BlindReadToken   = "br-0123456789abcdef"
	BlindDeployToken = "bd-0123456789abcdef"
	BlindAdminToken  = "ba-0123456789abcdef"
)

// ShopObjects are the patterns of the limited tokens of Limited.
const ShopObjects = "backend/shop-*, frontend/www, certificate/shop-*, cluster/shop-*"

// AccessFile writes an access file with the tokens of Guarded and those that are limited to
// patterns.
func AccessFile(tb testing.TB, patterns string) (path string) {
	tb.Helper()
	on := ", on: [" + patterns + "]"
	path = filepath.Join(tb.TempDir(), "access.yaml")
	text := "tokens:\n"
	add := func(name, role, token, limits string) {
		sum := sha256.Sum256([]byte(token))
		text += fmt.Sprintf("  - {name: %s, role: %s, sha256: %x%s}\n", name, role, sum, limits)
	}
	add("reader", "read", ReadToken, "")
	add("deployer", "deploy", DeployToken, "")
	add("operator", "operate", OperateToken, "")
	add("boss", "admin", AdminToken, "")
	add("shop-deployer", "deploy", ShopDeployToken, on)
	add("shop-boss", "admin", ShopAdminToken, on)
	add("blind-reader", "read", BlindReadToken, ", see: false"+on)
	add("blind-deployer", "deploy", BlindDeployToken, ", see: false"+on)
	add("blind-boss", "admin", BlindAdminToken, ", see: false"+on)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// Limited makes an API ask for a token of AccessFile.
func Limited(tb testing.TB) func(*api.Config) {
	tb.Helper()
	access, err := auth.OpenAccess(AccessFile(tb, ShopObjects), time.Now, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return func(c *api.Config) { c.Authority = auth.NewAuthority(nil, access) }
}

// Password is that of ann, the user of the authority of User.
const Password = "correct horse"

// passwordHash is the hash of Password, with parameters that cost a test little.
const passwordHash = "$argon2id$v=19$m=64,t=1,p=1$c2FsdCBvZiB0aGUgdGVzdHM$JOpPo/8cXYNjUd9bTIOSDT9YlzoJxczwMXshShmEEUk"

// User is an authority that knows one user: ann, of role operate.
func User(tb testing.TB) *auth.Authority {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "access.yaml")
	if err := os.WriteFile(path, []byte("users: [{name: ann, role: operate, password: '"+passwordHash+"'}]\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	access, err := auth.OpenAccess(path, time.Now, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return auth.NewAuthority(nil, access)
}
