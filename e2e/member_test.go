package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

// stands waits until HAProxy has the server at an address as expected: "drain", "maint",
// or "ready" with the weight.
func (n *node) stands(backend, address, expected string) {
	n.tb.Helper()
	testkit.Eventually(n.tb, patience, func() error {
		servers, err := statsock.New(n.path("h.sock")).ShowServers(n.tb.Context(), backend)
		if err != nil {
			return err
		}
		for _, s := range servers {
			if fmt.Sprintf("%s:%d", s.Address, s.Port) != address {
				continue
			}
			got := fmt.Sprintf("ready %d", s.Weight)
			switch {
			case s.Maintenance:
				got = "maint"
			case s.Weight == 0:
				got = "drain"
			}
			if got != expected {
				return fmt.Errorf("%s is %s, expected %s", address, got, expected)
			}
			return nil
		}
		return fmt.Errorf("%s is not there: %+v", address, servers)
	})
}

// TestMemberStates: what an operator asks for one member is in effect with the answer,
// stays over a reload, a restart of HAProxy and one of the agent, is not repaired, and
// ends by itself.
func TestMemberStates(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			n, f := sailingOn(t, binary.Path, "1-a", "1-b")
			a := f.address["1-a"]
			_, port, _ := strings.Cut(a, ":")
			_, other, _ := strings.Cut(f.address["1-b"], ":")
			n.call(200, http.MethodPut, "/backends/fixed", `{"type":"static","members":[{"host":"127.0.0.1","port":`+port+`},{"host":"127.0.0.1","port":`+other+`}]}`)
			set := func(backend, member, body string) map[string]any {
				t.Helper()
				got := n.call(200, http.MethodPost, "/backends/"+backend+"/members/"+url.PathEscape(member), body)
				if got["applied"] != true {
					t.Fatalf("%s: %v", body, got)
				}
				return got
			}
			for _, backend := range []string{"live", "fixed"} {
				set(backend, a, `{"state":"drain"}`)
				n.stands(backend, a, "drain")
			}
			n.answers("1-b")
			reload := func() { n.call(200, http.MethodPut, "/backends/other", `{"type":"static","members":[]}`) }
			reload()
			n.stands("live", a, "drain")
			n.stands("fixed", a, "drain")
			n.signal(syscall.SIGKILL)
			n.start()
			n.answers("1-b")
			n.withoutReload(func() {
				got := set("live", "/shop/1/127.0.0.1/"+port, `{"state":"maint"}`)
				if got["path"] != "runtime" || fmt.Sprint(got["override"]) == "<nil>" {
					t.Errorf("maint: %v", got)
				}
				n.stands("live", a, "maint")
				set("live", a, `{"state":"ready","weight":"50%"}`)
				n.stands("live", a, "ready 50")
				n.stands("live", f.address["1-b"], "ready 100")
				set("live", a, `{"weight":7}`)
				n.stands("live", a, "ready 7")
				set("live", a, `{"state":"maint"}`)
			})
			set("fixed", a, `{"state":"maint"}`)
			n.restartHAProxy()
			n.stands("live", a, "maint")
			n.stands("fixed", a, "maint")
			shows := func(members int, text string) {
				t.Helper()
				testkit.Eventually(t, patience, func() error {
					_, body := n.try(http.MethodGet, "/backends/live", "")
					if got := strings.Count(body, `"lastKnown"`); got != members || !strings.Contains(body, text) {
						return fmt.Errorf("expected %d members and %s: %s", members, text, body)
					}
					return nil
				})
			}
			f.leave("1-a")
			shows(1, `"overrides":[{"state":"maint"`)
			f.come(1, "1-a")
			shows(2, `"override":{"state":"maint"`)
			n.stands("live", a, "maint")
			set("fixed", a, `{"state":"ready"}`)
			n.stands("fixed", a, "ready 1")
			set("live", a, `{"state":"drain","for":"2s","reason":"new disk"}`)
			begin := time.Now()
			n.stands("live", a, "ready 1")
			t.Logf("a drain for 2 s ended after %s", time.Since(begin).Round(time.Millisecond))
			n.answers("1-a", "1-b")
			if _, events := n.try(http.MethodGet, "/activity?filter=serversRepaired", ""); strings.Contains(events, "serversRepaired") {
				t.Errorf("what the operator asked for was repaired: %s", events)
			}
			if _, events := n.try(http.MethodGet, "/activity?filter=memberSet", ""); !strings.Contains(events, a+" maint → drain") || !strings.Contains(events, "new disk") {
				t.Errorf("the activity has %s", events)
			}
		})
	}
}
