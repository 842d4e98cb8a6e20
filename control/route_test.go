package control_test

import (
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"thalassa/control"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

func TestRoutes(t *testing.T) {
	var routes control.Routes
	for _, h := range []lb.Host{"127.0.0.1", "127.1.2.3", "::ffff:127.0.0.1", "app.example"} {
		if !routes.Lead(h) {
			t.Errorf("no route to %s", h)
		}
	}
}

// A machine whose only interface is loopback has a route to loopback alone.
func TestRoutesOfAMachineWithoutANetwork(t *testing.T) {
	if os.Getenv("THALASSA_TEST_ROUTES") != "" {
		var routes control.Routes
		for h, want := range map[lb.Host]bool{
			"127.0.0.1": true, "192.0.2.1": false, "2001:db8::1": false, "::ffff:192.0.2.1": false, "fe80::1": false, "app.example": true,
		} {
			for range 2 { // the second is what is kept
				if routes.Lead(h) != want {
					t.Errorf("%s: %t", h, !want)
				}
			}
		}
		return
	}
	testkit.NeedsRoot(t)
	cmd := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-c", "ip link set lo up && exec "+os.Args[0]+" -test.run '^TestRoutesOfAMachineWithoutANetwork$' -test.v")
	cmd.Env = append(os.Environ(), "THALASSA_TEST_ROUTES=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestHas(t *testing.T) {
	for want, uses := range map[bool][]lb.LocalUse{
		true:  {{Interface: "lo"}, {Source: netip.MustParseAddr("127.0.0.1")}},
		false: {{Interface: "nosuch0"}, {Source: netip.MustParseAddr("198.51.100.9")}},
	} {
		for _, use := range uses {
			if control.Has(use) != want {
				t.Errorf("%+v: %t", use, !want)
			}
		}
	}
}
