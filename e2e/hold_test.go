package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// uses waits until HAProxy sends the service's requests to exactly these ports.
func (f *fault) uses(tb testing.TB, ports ...int) {
	tb.Helper()
	ports = slices.Sorted(slices.Values(ports))
	testkit.Eventually(tb, patience, func() error {
		used, err := f.used()
		slices.Sort(used)
		if err == nil && !slices.Equal(used, ports) {
			err = fmt.Errorf("HAProxy uses %v, want %v", used, ports)
		}
		return err
	})
}

// What is held leaves when that is confirmed: by a second look at a Consul that
// can be read, by HAProxy's checks, by an operator.
func TestWhatIsHeldLeaves(t *testing.T) {
	consul := testkit.Consul(t)
	l := newLiar(t, consul.Address())
	n := newNode(t, l.address())
	f := &fault{node: n, consul: consul, service: "shop"}
	m := &matrix{tb: t}
	var webs []*testkit.Web
	for i := range 6 {
		webs = append(webs, testkit.StartWeb(t, fmt.Sprint("web-", i)))
		m.ports = append(m.ports, webs[i].Port)
		m.member(consul, "shop", i, "")
	}
	n.start()
	n.call(200, http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0","health":{"uri":"/","interval":300}}`)
	f.backend = "live"
	f.uses(t, m.ports...)

	begin := time.Now()
	for i := 2; i < 6; i++ { // really, and at once
		consul.Deregister(fmt.Sprint("shop-", i))
	}
	f.uses(t, m.ports[:2]...)
	t.Logf("four of six left %v after they were deregistered", time.Since(begin).Round(time.Millisecond))
	for i := 2; i < 6; i++ {
		m.member(consul, "shop", i, "")
	}
	f.uses(t, m.ports...)

	l.tell("*", says("[]", "X-Consul-Index", "1")) // about Consul itself, too
	testkit.Eventually(t, patience, func() error {
		s, err := f.state()
		if err == nil && (s.Hold == nil || s.Hold.Lost != 6) {
			err = fmt.Errorf("hold %+v", s.Hold)
		}
		return err
	})
	f.uses(t, m.ports...)
	webs[0].Close()
	f.uses(t, m.ports[1:]...)
	n.call(200, http.MethodPost, "/services/shop/accept", "")
	f.uses(t)
	n.call(409, http.MethodPost, "/services/shop/accept", "")
	_, events := n.try(http.MethodGet, "/activity?filter=members&limit=1000", "")
	for _, want := range []string{"membersHeld", "membersReleased", "6 of 6 instances disappeared at once", "POST /services/shop/accept"} {
		if !strings.Contains(events, want) {
			t.Errorf("no %q in the activity: %s", want, events)
		}
	}

	l.tell("*", nil)
	f.uses(t, m.ports...) // the first one, too: HAProxy keeps requests from it
}
