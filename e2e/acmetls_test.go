package e2e_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"thalassa/internal/testkit"
)

// A frontend serves a stand-in until its certificate is issued, and then the newest without
// another reload.
func TestFrontendServesWhatIsIssued(t *testing.T) {
	p := testkit.StartPebble(t, testkit.PebbleConfig{})
	n := newNode(t, "127.0.0.1:1", "--acme-allow-local", "--acme-http-port", strconv.Itoa(p.HTTPPort))
	n.start()
	secure := fmt.Sprintf("127.0.0.1:%d", testkit.Port(t))
	n.call(http.StatusOK, http.MethodPut, "/certificates/shop", orderBody(p, "shop.example"))
	n.call(http.StatusOK, http.MethodPut, "/frontends/tls", fmt.Sprintf(`{"natives":["http-request return status 200"],"tls":{"bind":%q,"certificates":["shop"]}}`, secure))
	shown := func() string {
		raw, err := shownCertificate(secure)
		if err != nil {
			return err.Error()
		}
		leaf, err := x509.ParseCertificate(raw)
		if err != nil {
			return err.Error()
		}
		return leaf.SerialNumber.Text(16)
	}
	standIn, _ := n.call(http.StatusOK, http.MethodGet, "/certificates/shop", "")["serial"].(string)
	if got := shown(); got != standIn {
		t.Errorf("served %s, the stand-in is %s", got, standIn)
	}
	n.call(http.StatusOK, http.MethodPut, "/frontends/www", fmt.Sprintf(`{"bind":"127.0.0.1:%d","natives":["http-request redirect scheme https"]}`, p.HTTPPort))
	before := n.reloads()
	n.call(http.StatusAccepted, http.MethodPost, "/certificates/shop/renew", "")
	serial := n.awaitIssued("shop", standIn)
	for range 2 {
		testkit.Eventually(t, patience, func() error {
			if got := shown(); got != serial {
				return errors.New("served " + got + ", issued is " + serial)
			}
			return nil
		})
		n.call(http.StatusAccepted, http.MethodPost, "/certificates/shop/renew", "")
		serial = n.awaitIssued("shop", serial)
	}
	if now := n.reloads(); now != before {
		t.Errorf("%d reloads, were %d", now, before)
	}
}
