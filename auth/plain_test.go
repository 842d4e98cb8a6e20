package auth_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/auth"
)

func TestPlainToken(t *testing.T) {
	t.Parallel()
	const hash = "sha256:f7427558c415b90991cda4680025abb161b74047a0db2dc1556317f2707ba8dd"
	for _, tt := range []struct {
		text, want string
		mode       os.FileMode
	}{
		{"admin node 0123456789abcdef0123\n", "0123456789abcdef0123", 0o640},
		{"# comment\n\nread a aaaaaaaaaaaaaaaaaaaa\nadmin b bbbbbbbbbbbbbbbbbbbb\nadmin c cccccccccccccccccccc\ndeploy d dddddddddddddddddddd", "bbbbbbbbbbbbbbbbbbbb", 0o600},
		{"admin a " + hash + "\nread b bbbbbbbbbbbbbbbbbbbb\n", "bbbbbbbbbbbbbbbbbbbb", 0o600},
		{"admin a " + hash + "\n", "", 0o600},
		{"admin a aaaaaaaaaaaaaaaaaaaa\n", "", 0o644}, // everybody may read it, and no agent takes it
		{"admin a aaaaaaaaaaaaaaaaaaaa\nadmin b short\n", "", 0o600},
		{"", "", 0o600},
	} {
		path := filepath.Join(t.TempDir(), "tokens")
		if err := os.WriteFile(path, []byte(tt.text), tt.mode); err != nil {
			t.Fatal(err)
		}
		got, err := auth.PlainToken(path)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q gives %q, %v", tt.text, got, err)
		}
		if err != nil && (strings.Contains(err.Error(), "aaaaaaaa") || !strings.Contains(err.Error(), path)) {
			t.Errorf("the error is %v", err)
		}
	}
	if _, err := auth.PlainToken(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there gives a token")
	}
}
