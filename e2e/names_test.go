package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/template"
)

// TestNamesThatDoNotResolve are told with the answer to a change, in the status, by
// /readyz where a backend has nobody because of them, and beside other reasons. A name that
// resolves later comes into service by itself.
func TestNamesThatDoNotResolve(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			names, consul := testkit.StartNameServer(t), testkit.Consul(t)
			n := newNode(t, consul.Address(), "--hold-min", "100")
			n.haproxy = binary.Path
			source := strings.Replace(template.DefaultSource(), "    parse-resolv-conf\n",
				fmt.Sprintf("    nameserver test 127.0.0.1:%d\n    hold nx 1s\n    hold other 1s\n", names.Port), 1)
			if err := os.WriteFile(n.path("template"), []byte(source), 0o600); err != nil {
				t.Fatal(err)
			}
			n.flags = append(n.flags, "--template-file", n.path("template"))
			n.start()
			port := testkit.StartWeb(t, "here").Port
			names.Set("known.test", "127.0.0.1")
			consul.Register(testkit.Instance{ID: "a", Service: "shop", Port: port, Address: "later.test", Meta: map[string]string{"version": "1"}})

			begin := time.Now()
			got := n.call(200, http.MethodPut, "/backends/known", fmt.Sprintf(`{"type":"static","members":[{"host":"known.test","port":%d}]}`, port))
			if got["warnings"] != nil {
				t.Errorf("a name that resolves: %v", got["warnings"])
			}
			t.Logf("known after %s", time.Since(begin))
			warns := func(got map[string]any, expected ...string) {
				t.Helper()
				for _, part := range expected {
					if text := fmt.Sprint(got["warnings"]); !strings.Contains(text, part) {
						t.Errorf("the answer warns %s, expected %q", text, part)
					}
				}
			}
			warns(n.call(200, http.MethodPut, "/backends/some", fmt.Sprintf(`{"type":"static","members":[{"host":"known.test","port":%d},{"host":"later.test","port":%d}]}`, port, port)),
				"backend/some: HAProxy cannot resolve later.test, so these members get no requests")
			warns(n.call(200, http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1"}`),
				"backend/live has no member: HAProxy cannot resolve the host names of its members: later.test")
			n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
			n.tells("/readyz", true, "backend/live has no member: HAProxy cannot resolve")
			n.tells("/status", true, `"id":"backend/live"`, "backend/some: HAProxy cannot resolve later.test")
			n.tells("/backends/live?unused=true", true, "HAProxy cannot resolve its host name")
			n.tells("/services/shop", true, "HAProxy cannot resolve its host name")

			names.Set("later.test", "127.0.0.1")
			n.answers("here")
			n.tells("/readyz", false, "cannot resolve")
			n.tells("/status", false, "cannot resolve")
			n.tells("/services/shop", false, "cannot resolve")
		})
	}
}

// tells waits until an answer has these parts, or has none of them.
func (n *node) tells(path string, has bool, parts ...string) {
	n.tb.Helper()
	testkit.Eventually(n.tb, patience, func() error {
		_, body := n.try(http.MethodGet, path, "")
		for _, part := range parts {
			if strings.Contains(body, part) != has {
				return fmt.Errorf("%s is %s, expected %q to be there: %t", path, body, part, has)
			}
		}
		return nil
	})
}
