package auth_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/auth"
	"thalassa/internal/testkit"
)

// Files are judged by the user that is to read them, not by the one who asks.
func TestVerifyJudgesByTheReader(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	const agent, group, other = 990, 991, 992
	as := auth.Reader{UID: agent, GIDs: []int{group}}
	for name, c := range map[string]struct {
		uid, gid int
		mode     os.FileMode
		want     string
	}{
		"the agent's":             {agent, 0, 0o600, ""},
		"the agent's, unreadable": {agent, group, 0o040, "does not let user 990"},
		"root's with its group":   {0, group, 0o640, ""},
		"root's":                  {0, 0, 0o600, "does not let user 990"},
		"root's, another group":   {0, other, 0o640, "does not let user 990"},
		"another's":               {other, group, 0o640, "belongs to user 992"},
		"everybody's":             {agent, group, 0o644, "readable by other users"},
	} {
		for kind, verify := range map[string]func(string, auth.Reader) error{"tokens": auth.VerifyTokens, "access": auth.VerifyAccess} {
			path := filepath.Join(t.TempDir(), kind)
			text := "admin ops a-long-enough-token-of-somebody-else\n"
			if kind == "access" {
				text = "users: []\n"
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(path, c.uid, c.gid); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			if err := verify(path, as); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s %s: %v, expected %q", name, kind, err, c.want)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(path, []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if auth.VerifyTokens(path, auth.Reader{}) == nil || auth.VerifyAccess(path, auth.Reader{}) == nil {
		t.Error("a file that cannot be parsed passes")
	}
}
