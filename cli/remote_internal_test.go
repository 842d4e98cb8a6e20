package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// Who may read the token file of the installed agent need not name a token, and shows
// it to no other node.
func TestNodeToken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte("read r 0123456789abcdef-read\nadmin node 0123456789abcdef-admin\n"), 0o640); err != nil { //nolint:gosec // as the package makes it
		t.Fatal(err)
	}
	const admin = "0123456789abcdef-admin"
	for _, tt := range []struct {
		address, environment, tokens, want string
	}{
		{"http://127.0.0.1:10000", "", path, admin},
		{"http://localhost:10000", "", path, admin},
		{"http://[::1]:10000/", "", path, admin},
		{"http://127.0.0.1:10000", "from-the-environment", path, "from-the-environment"},
		{"http://127.0.0.1:10000", "", path + "-none", ""},
		{"http://127.0.0.1:10000", "", "", ""},
		{"http://192.0.2.1:10000", "", path, ""},
		{"http://localhost.example:10000", "", path, ""},
		{"http://127.0.0.1.example:10000", "", path, ""},
		{"http://127.0.0.1@192.0.2.1/", "", path, ""},
	} {
		r := remote{env: environment{Environment: Environment{TokenFile: tt.tokens, Getenv: func(name string) string {
			return map[string]string{"THALASSA_TOKEN": tt.environment}[name]
		}}}}
		if got, err := r.token("", tt.address); err != nil || got != tt.want {
			t.Errorf("%s: token %q, %v; want %q", tt.address, got, err, tt.want)
		}
	}
}
