package apitest

import (
	"os"
	"path/filepath"
	"testing"

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
