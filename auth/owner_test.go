package auth_test

import (
	"testing"

	"thalassa/auth"
)

func TestAllowsNow(t *testing.T) {
	t.Parallel()
	path := tokenFile(t, "read ann "+readToken+"\ndeploy devon "+adminToken)
	tokens, err := auth.Open(path, nil)
	must(t, err)
	for name, want := range map[string]bool{"ann": false, "devon": true, "nobody": false, "": false} {
		if got := tokens.AllowsNow(name, auth.Deploy); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
	replace(t, path, "deploy ann "+readToken+"\nread devon "+adminToken+"\nadmin devon "+adminToken+"2")
	if !tokens.AllowsNow("ann", auth.Deploy) || !tokens.AllowsNow("devon", auth.Admin) {
		t.Error("the new file does not count at once")
	}
	replace(t, path, "deploy ann "+readToken)
	if tokens.AllowsNow("devon", auth.Read) || (*auth.Tokens)(nil).AllowsNow("ann", auth.Read) {
		t.Error("a revoked name has a right")
	}
}
