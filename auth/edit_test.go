package auth_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/auth"
	"thalassa/lb"
)

func TestEditAccess(t *testing.T) {
	t.Parallel()
	path := accessFile(t, "# people\nusers:\n  # the boss\n  - name: ann\n    role: admin\n    password: PASSWORD\n")
	must(t, os.Chmod(path, 0o640)) //nolint:gosec // as the package makes it
	token := auth.NewToken()
	must(t, auth.EditAccess(path, func(e *auth.AccessEdit) error {
		e.AddToken("ci", token, auth.Grant{Role: auth.Deploy}, time.Now().Add(time.Hour))
		return errors.Join(e.AddUser("bob", correctHorse, auth.Grant{Role: auth.Read}), e.SetPassword("ann", correctHorse))
	}))
	data, err := os.ReadFile(path)
	must(t, err)
	if text := string(data); !strings.Contains(text, "# people") || !strings.Contains(text, "# the boss") || strings.Contains(text, token) {
		t.Errorf("the file is\n%s", text)
	}
	if at, err := os.Stat(path); err != nil || at.Mode() != 0o640 {
		t.Errorf("%v, %v", at, err)
	}
	access, err := auth.OpenAccess(path, time.Now, nil)
	must(t, err)
	a := auth.NewAuthority(nil, access)
	if who, _, ok := a.Token(token); !ok || who.Name != "ci" {
		t.Errorf("the token is %+v, %t", who, ok)
	}
	if who, _, ok, err := a.Password(t.Context(), "bob", "correct horse"); !ok || err != nil {
		t.Errorf("bob is %+v, %v", who, err)
	}
	for name, change := range map[string]func(*auth.AccessEdit) error{
		"twice":      func(e *auth.AccessEdit) error { return e.AddUser("ann", correctHorse, auth.Grant{Role: auth.Read}) },
		"unknown":    func(e *auth.AccessEdit) error { return e.SetPassword("eve", correctHorse) },
		"gone":       func(e *auth.AccessEdit) error { return e.RemoveUser("eve") },
		"no token":   func(e *auth.AccessEdit) error { return e.RemoveToken("eve") },
		"a bad role": func(e *auth.AccessEdit) error { return e.AddUser("eve", correctHorse, auth.Grant{}) },
		"a bad name": func(e *auth.AccessEdit) error { return e.AddUser("e ve", correctHorse, auth.Grant{Role: auth.Read}) },
		"no hash":    func(e *auth.AccessEdit) error { return e.AddUser("eve", "secret", auth.Grant{Role: auth.Read}) },
	} {
		if err := auth.EditAccess(path, change); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(data) {
		t.Errorf("a refused edit has changed the file: %v\n%s", err, after)
	}
	must(t, auth.EditAccess(path, func(e *auth.AccessEdit) error {
		return errors.Join(e.RemoveUser("ann"), e.RemoveUser("bob"), e.RemoveToken("ci"))
	}))
	if users, tokens, err := auth.ListAccess(path); err != nil || len(users)+len(tokens) > 0 {
		t.Errorf("%v, %v, %v", users, tokens, err)
	}
}

func TestEditMakesTheFile(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", "users:\n", "users: []\ntokens: []\n", "# nothing\n"} {
		path := filepath.Join(t.TempDir(), "access.yaml")
		if before != "" {
			must(t, os.WriteFile(path, []byte(before), 0o600))
		}
		must(t, auth.EditAccess(path, func(e *auth.AccessEdit) error { return e.AddUser("ann", correctHorse, auth.Grant{Role: auth.Admin}) }))
		if at, err := os.Stat(path); err != nil || at.Mode() != 0o600 {
			t.Errorf("%v, %v", at, err)
		}
		if users, _, err := auth.ListAccess(path); err != nil || len(users) != 1 || !reflect.DeepEqual(users[0], auth.Entry{Kind: auth.ByPassword, File: "access", Name: "ann", Role: "admin"}) {
			t.Errorf("%q: %+v, %v", before, users, err)
		}
	}
	missing := filepath.Join(t.TempDir(), "none", "access.yaml")
	if err := auth.EditAccess(missing, func(*auth.AccessEdit) error { return nil }); err == nil {
		t.Error("a folder is made")
	}
}

// Edits at the same time do not lose each other's changes.
func TestEditsAtTheSameTime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.yaml")
	const edits = 20
	var wg sync.WaitGroup
	for i := range edits {
		wg.Go(func() {
			err := auth.EditAccess(path, func(e *auth.AccessEdit) error {
				e.AddToken(fmt.Sprintf("t%d", i), auth.NewToken(), auth.Grant{Role: auth.Read}, time.Time{})
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, tokens, err := auth.ListAccess(path); err != nil || len(tokens) != edits {
		t.Errorf("%d tokens, %v", len(tokens), err)
	}
	var conflict *lb.ConflictError
	add := func(e *auth.AccessEdit) error { return e.AddUser("ann", correctHorse, auth.Grant{Role: auth.Read}) }
	must(t, auth.EditAccess(path, add))
	if err := auth.EditAccess(path, add); !errors.As(err, &conflict) {
		t.Errorf("a second ann: %v", err)
	}
}
