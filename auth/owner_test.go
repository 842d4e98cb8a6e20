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
	a := auth.NewAuthority(tokens, nil)
	for name, want := range map[string]bool{"ann": false, "devon": true, "nobody": false, "": false} {
		if got := a.AllowsNow(name, auth.Deploy, "backend/live"); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
	replace(t, path, "deploy ann "+readToken+"\nread devon "+adminToken+"\nadmin devon "+adminToken+"2")
	if !a.AllowsNow("ann", auth.Deploy, "backend/live") || !a.AllowsNow("devon", auth.Admin, "backend/live") {
		t.Error("the new file does not count at once")
	}
	replace(t, path, "deploy ann "+readToken)
	if a.AllowsNow("devon", auth.Read, "backend/live") || (*auth.Authority)(nil).AllowsNow("ann", auth.Read, "backend/live") {
		t.Error("a revoked name has a right")
	}
}

func TestAllowsNowByAccessFile(t *testing.T) {
	t.Parallel()
	a, path := authority(t, "users: [{name: ann, role: deploy, password: PASSWORD}, {name: off, role: admin}]\n"+
		"tokens: [{name: old, role: admin, sha256: "+ciHash+", expires: 2020-01-01T00:00:00Z}]\ncertificates: [{name: ci, role: admin, dns: ci.example}]\n")
	for name, want := range map[string]bool{"ann": true, "off": false, "old": false, "ci": true} {
		if got := a.AllowsNow(name, auth.Deploy, "backend/live"); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
	replace(t, path, "users: []")
	if a.AllowsNow("ann", auth.Read, "backend/live") {
		t.Error("a removed user has a right")
	}
}
