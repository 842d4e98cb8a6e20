package testkit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Artifacts is the folder of what a test leaves for people, such as logs and screenshots: one of the
// test's below THALASSA_ARTIFACTS, if that is set. Otherwise it is that of go test, which keeps it with
// -artifacts; gotestsum 1.13 takes the event of that flag for the end of the test, and drops what the
// test has said before.
func Artifacts(tb testing.TB) string {
	tb.Helper()
	all := os.Getenv("THALASSA_ARTIFACTS")
	if all == "" {
		return tb.ArtifactDir()
	}
	dir := filepath.Join(all, strings.ReplaceAll(tb.Name(), "/", "-"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		tb.Fatal(err)
	}
	return dir
}
