package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// orderBody is the JSON that orders a certificate of Pebble.
func orderBody(p *testkit.Pebble, domains ...string) string {
	return fmt.Sprintf(`{"acme":{"domains":["%s"],"directory":%q,"directoryCA":%q}}`, strings.Join(domains, `","`), p.Directory, p.CA)
}

// order is how an order of a node stands.
func (n *node) order(name string) map[string]any {
	n.tb.Helper()
	order, _ := n.call(http.StatusOK, http.MethodGet, "/certificates/"+name, "")["acme"].(map[string]any)
	return order
}

// awaitIssued waits until a certificate is issued, and returns its serial number.
func (n *node) awaitIssued(name, before string) (serial string) {
	n.tb.Helper()
	testkit.Eventually(n.tb, 2*patience, func() error {
		cert := n.call(http.StatusOK, http.MethodGet, "/certificates/"+name, "")
		order, _ := cert["acme"].(map[string]any)
		serial, _ = cert["serial"].(string)
		if order["state"] != "issued" || serial == before {
			return fmt.Errorf("the order stands at %v", order)
		}
		return nil
	})
	return serial
}

// HAProxy answers challenges at a frontend that redirects everything else, with one reload
// for the first order and none for the others. What it answers is over with the order.
func TestOrdersAreAnsweredByHAProxy(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			p := testkit.StartPebble(t, testkit.PebbleConfig{})
			n := newNode(t, "127.0.0.1:1", "--acme-allow-local", "--acme-http-port", strconv.Itoa(p.HTTPPort))
			n.haproxy, n.web = binary.Path, p.HTTPPort
			n.start()
			n.call(http.StatusOK, http.MethodPut, "/certificates/early", orderBody(p, "early.example"))
			testkit.Eventually(t, patience, func() error {
				if order := n.order("early"); order["state"] != "waiting" || !strings.Contains(fmt.Sprint(order["error"]), "no frontend binds port") {
					return fmt.Errorf("the order stands at %v", order)
				}
				return nil
			})
			n.call(http.StatusOK, http.MethodPut, "/frontends/www", fmt.Sprintf(`{"bind":"127.0.0.1:%d","natives":["http-request redirect scheme https"]}`, n.web))
			n.call(http.StatusAccepted, http.MethodPost, "/certificates/early/renew", "")
			n.awaitIssued("early", "")
			before := n.reloads()
			n.call(http.StatusOK, http.MethodPut, "/certificates/shop", orderBody(p, "shop.example", "www.shop.example"))
			serial := n.awaitIssued("shop", "")
			n.call(http.StatusAccepted, http.MethodPost, "/certificates/shop/renew", "")
			if again := n.awaitIssued("shop", serial); again == serial {
				t.Error("it is not ordered again")
			}
			if now := n.reloads(); now != before {
				t.Errorf("%d reloads, were %d", now, before)
			}
			if text, err := os.ReadFile(n.path("haproxy.cfg.challenges")); err != nil || len(text) > 0 {
				t.Errorf("the map still has %q, %v", text, err)
			}
		})
	}
}
