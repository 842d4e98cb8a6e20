package lb_test

import (
	"strings"
	"testing"

	"thalassa/lb"
)

// Browsers and other programs would take such a key for a directory, and ask for another
// address than that of the object.
func TestNewObjectsHaveNamesThatAddressesKeep(t *testing.T) {
	t.Parallel()
	for _, name := range []lb.Name{".", ".."} {
		for _, o := range []interface{ CheckNew() error }{
			lb.Frontend{Key: name, Mode: "http"}, lb.Backend{Key: name, Mode: "http", Type: "static"}, lb.Section{Kind: "userlist", Name: name},
		} {
			if err := o.CheckNew(); err == nil || !strings.Contains(err.Error(), "directory in an address") {
				t.Errorf("%T %s: %v", o, name, err)
			}
		}
	}
	for _, name := range []lb.Name{"...", ".a", "a..b", "a."} {
		if err := name.CheckNew(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
