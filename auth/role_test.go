package auth_test

import (
	"strings"
	"testing"

	"thalassa/auth"
)

func TestRolesIncludeTheWeakerOnes(t *testing.T) {
	roles := []auth.Role{auth.Read, auth.Deploy, auth.Admin}
	for i, have := range roles {
		for j, need := range roles {
			if got, want := have.Allows(need), i >= j; got != want {
				t.Errorf("%v.Allows(%v) = %v, want %v", have, need, got, want)
			}
			who := auth.Identity{Name: "x", Grant: auth.Grant{Role: have}}
			if who.Allows(need, auth.TheNode) != have.Allows(need) {
				t.Errorf("an identity with role %v does not allow what the role allows", have)
			}
		}
	}
}

func TestRolesOutsideTheThreeAllowNothing(t *testing.T) {
	for _, r := range []auth.Role{0, -1, auth.Admin + 1} {
		if r.Allows(auth.Read) || auth.Admin.Allows(r) {
			t.Errorf("role %d takes part in the order", int(r))
		}
		if r.String() != "none" {
			t.Errorf("role %d is called %q", int(r), r)
		}
	}
	if (auth.Identity{}).Allows(auth.Read, auth.TheNode) {
		t.Error("the zero Identity may read")
	}
}

func TestParseRole(t *testing.T) {
	for _, want := range []auth.Role{auth.Read, auth.Deploy, auth.Admin} {
		if got, err := auth.ParseRole(want.String()); err != nil || got != want {
			t.Errorf("ParseRole(%q) = %v, %v", want, got, err)
		}
	}
	for _, s := range []string{"", "Admin", "root", "read ", "none"} {
		if r, err := auth.ParseRole(s); err == nil || r != 0 {
			t.Errorf("ParseRole(%q) = %v, %v, want an error", s, r, err)
		} else if s == "root" && strings.Contains(err.Error(), s) {
			t.Errorf("the error repeats its input: %v", err)
		}
	}
}
