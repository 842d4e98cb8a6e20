package api_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/auth"
	"thalassa/internal/testkit"
)

// Whoever empties or removes the token file learns that this revokes nothing.
func TestAnUnusableTokenFileIsTold(t *testing.T) {
	t.Parallel()
	const token = "a-0123456789abcdef"
	for name, spoil := range map[string]func(path string) error{
		"gone":  os.Remove,
		"empty": func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "tokens")
			write := func() error { return os.WriteFile(path, []byte("admin ops "+token+"\n"), 0o600) }
			if err := write(); err != nil {
				t.Fatal(err)
			}
			tokens, err := auth.Open(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			s := newFixture(t, func(c *api.Config) { c.Authority = auth.NewAuthority(tokens, nil) })
			if warned(t, s, "/readyz", "", 0) || warned(t, s, "/status", token, 0) {
				t.Error("warned of a good file")
			}
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			if !warned(t, s, "/readyz", "", patience) || !warned(t, s, "/status", token, patience) {
				t.Error("not warned")
			}
			if r := s.get("/readyz"); strings.Contains(string(r.body), path) {
				t.Errorf("everybody learns of a file: %s", r.body)
			}
			if err := write(); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, patience, func() error {
				if warned(t, s, "/readyz", "", 0) || warned(t, s, "/status", token, 0) {
					return errors.New("warned of a good file again")
				}
				return nil
			})
		})
	}
}

// warned reports whether a document comes to warn of the token file in time.
func warned(t *testing.T, s *fixture, path, token string, within time.Duration) bool {
	t.Helper()
	for end := time.Now().Add(within); ; <-time.After(50 * time.Millisecond) {
		var out struct{ Warnings []string }
		s.get(path, bearer(token)).wants(t, 200, &out)
		if strings.Contains(strings.Join(out.Warnings, "\n"), "nothing is revoked") {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}
