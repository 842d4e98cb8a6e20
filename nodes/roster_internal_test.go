package nodes

import (
	"slices"
	"testing"
)

// What a node tells of its addresses is not trusted: an agent asks nothing else than an agent's
// address on another machine.
func TestOnlyAddressesOfAgentsAreUsed(t *testing.T) {
	t.Parallel()
	right := []string{"https://192.0.2.2:10000", "http://[2001:db8::2]:7630"}
	wrong := []string{
		"http://127.0.0.1:8500", "http://[::1]:8500", "http://0.0.0.0:8500", "http://[::]:8500", "http://[::ffff:127.0.0.1]:8500", "http://169.254.169.254:80",
		"http://[fe80::1]:80", "http://224.0.0.1:80", "http://192.0.2.2:1#x", "http://192.0.2.2:1?", "http://192.0.2.2:1/", "http://192.0.2.2:1/?x", "http://u@192.0.2.2:1",
		"ftp://192.0.2.2:1", "http://lb2:10000", "http://192.0.2.2", "HTTP://192.0.2.2:1", "",
	}
	if got := usable(slices.Concat(wrong, right)); !slices.Equal(got, right) {
		t.Errorf("got %q, expected %q", got, right)
	}
}
