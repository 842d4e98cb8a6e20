package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/auth"
	"thalassa/cli"
)

func TestUserAndToken(t *testing.T) {
	t.Parallel()
	s := open(t)
	file := filepath.Join(t.TempDir(), "access.yaml")
	in := func(args ...string) []string { return append(args, "--access-file", file) }
	if r := s.runWith("correct horse\n", in("user", "add", "ann", "--role", "admin")...); r.code != cli.ExitOK || r.out != "" {
		t.Fatalf("%+v", r)
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("battery staple\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		stdin string
		args  []string
		code  int
	}{
		{"", in("user", "add", "bob", "--role", "read", "--password-file", password), cli.ExitOK},
		{"correct horse\n", in("user", "add", "ann", "--role", "read"), cli.ExitConflict},
		{"correct horse\n", in("user", "add", "eve", "--role", "root"), cli.ExitUsage},
		{"correct horse\n", in("user", "add", "eve"), cli.ExitUsage},
		{"short\n", in("user", "add", "eve", "--role", "read"), cli.ExitUsage},
		{strings.Repeat("x", 5000), in("user", "add", "eve", "--role", "read"), cli.ExitUsage},
		{"correct horse\n", in("user", "passwd", "eve"), cli.ExitNotFound},
		{"another horse\n", in("user", "passwd", "ann"), cli.ExitOK},
		{"", in("user", "remove", "eve"), cli.ExitNotFound},
		{"", in("token", "new", "ci", "--role", "deploy", "--expires", "soon"), cli.ExitUsage},
		{"", in("token", "new", "ci", "--role", "deploy", "--expires", "-1h"), cli.ExitUsage},
		{"", in("token", "new", "ci", "--role", "deploy", "--expires", "99999999d"), cli.ExitUsage},
		{"", in("token", "remove", "ci"), cli.ExitNotFound},
		{"", in("token", "new", "ci", "--role", "deploy", "--on", "shop"), cli.ExitUsage},
		{"", in("token", "new", "ci", "--role", "deploy", "--on", ""), cli.ExitUsage},
		{"", in("token", "new", "ci", "--role", "deploy", "--hide-others"), cli.ExitUsage},
		{"", in("token", "new", "ci", "--role", "read", "--on", "backend/shop"), cli.ExitUsage},
		{"", []string{"user", "--access-file", file + "-none"}, cli.ExitUsage},
	} {
		if r := s.runWith(tt.stdin, tt.args...); r.code != tt.code {
			t.Errorf("%v: %+v, want %d", tt.args, r, tt.code)
		}
	}
	made := s.run(in("token", "new", "ci", "--role", "deploy", "--expires", "90d")...)
	token := strings.TrimSpace(made.out)
	if made.code != cli.ExitOK || len(token) != 43 {
		t.Fatalf("%+v", made)
	}
	access, err := auth.OpenAccess(file, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := auth.NewAuthority(nil, access)
	if who, _, ok := a.Token(token); !ok || who != (auth.Identity{Name: "ci", Grant: auth.Grant{Role: auth.Deploy}}) {
		t.Errorf("the token is %+v, %t", who, ok)
	}
	for name, password := range map[string]string{"ann": "another horse", "bob": "battery staple"} {
		if _, _, ok, err := a.Password(t.Context(), name, password); !ok || err != nil {
			t.Errorf("%s cannot log in: %v", name, err)
		}
	}
	if r := s.run(in("user")...); !strings.Contains(r.out, "bob   read   password") || strings.Contains(r.out, "argon2") {
		t.Errorf("%+v", r)
	}
	if r := s.run(in("token")...); !strings.Contains(r.out, "ci    deploy  20") || strings.Contains(r.out, token) {
		t.Errorf("%+v", r)
	}
	if r := s.run(in("token", "new", "shop", "--role", "deploy", "--on", "backend/shop-*,frontend/www", "--hide-others")...); r.code != cli.ExitOK {
		t.Errorf("%+v", r)
	}
	if r := s.run(in("token")...); !strings.Contains(r.out, "backend/shop-* frontend/www (hides the rest)") {
		t.Errorf("%+v", r)
	}
	if r := s.run(in("token", "remove", "ci")...); r.code != cli.ExitOK {
		t.Errorf("%+v", r)
	}
}
