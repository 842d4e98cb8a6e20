package settings

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestOpenSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := &Agent{}
	s.consulToken, s.consulKey = filepath.Join(dir, "token"), filepath.Join(dir, "key")
	if names, _ := s.OpenSecrets(); len(names) > 0 {
		t.Errorf("files that are not there: %v", names)
	}
	for path, mode := range map[string]os.FileMode{s.consulToken: 0o644, s.consulKey: 0o640} {
		if err := os.WriteFile(path, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if names, files := s.OpenSecrets(); !slices.Equal(names, []string{"consul-token-file"}) || !slices.Equal(files, []string{s.consulToken}) {
		t.Errorf("got %v %v", names, files)
	}
}
