package testkit_test

import (
	"os"
	"path/filepath"
	"testing"

	"thalassa/internal/testkit"
)

// What a test leaves is below one folder, by the name of the test, and outlives it.
func TestArtifactsOutliveTheTest(t *testing.T) {
	all := t.TempDir()
	t.Setenv("THALASSA_ARTIFACTS", all)
	t.Run("inner", func(t *testing.T) {
		if err := os.WriteFile(filepath.Join(testkit.Artifacts(t), "log"), []byte("a line"), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	if data, err := os.ReadFile(filepath.Join(all, "TestArtifactsOutliveTheTest-inner", "log")); err != nil || string(data) != "a line" {
		t.Errorf("got %q, %v", data, err)
	}
}
