package testkit

import "testing"

// Needs says what a test needs besides Go, such as HAProxy, root or a browser. With
// -short, as in make quick, such a test is skipped.
func Needs(tb testing.TB, what string) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs " + what)
	}
}
