package apitest

import (
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
