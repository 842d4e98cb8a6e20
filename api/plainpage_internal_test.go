package api

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A page over plain HTTP changes nothing over TLS, and opens no websocket there, though its
// host is that of the agent.
func TestPagesOverPlainHTTP(t *testing.T) {
	for _, row := range []struct {
		method, origin string
		overTLS, may   bool
	}{
		{http.MethodPost, "http://node:10000", true, false},
		{http.MethodPost, "HTTP://node:10000", true, false},
		{http.MethodPost, "https://node:10000", true, true},
		{http.MethodPost, "", true, true},
		{http.MethodPost, "http://node:10000", false, true},
		{http.MethodGet, "http://node:10000", true, true}, // which the page cannot read
	} {
		r := httptest.NewRequest(row.method, "http://node:10000/frontends", nil)
		if row.overTLS {
			r.TLS = &tls.ConnectionState{}
		}
		if row.origin != "" {
			r.Header.Set("Origin", row.origin)
		}
		var g guard
		if err := g.checkOrigin(r); (err == nil) != row.may {
			t.Errorf("%+v: %v", row, err)
		}
		if row.method == http.MethodGet {
			for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Protocol": "thalassa.v1"} {
				r.Header.Set(name, value)
			}
			if err := checkUpgrade(r); err == nil {
				t.Error("a plain page may open a websocket over TLS")
			}
		}
	}
}
