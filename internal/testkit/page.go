package testkit

import (
	"bytes"
	"os"
	"testing"
)

// ComparePage compares a generated page with what it should be; source says what it is generated
// from, in the plural. With update it writes the page.
func ComparePage(tb testing.TB, path, source string, want []byte, update bool) {
	tb.Helper()
	if update {
		if err := os.WriteFile(path, want, 0o644); err != nil { //nolint:gosec // documentation is for everybody
			tb.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		tb.Errorf("%s differs from the %s: run make docs", path, source)
	}
}
