package ocf

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Where the node has the address, the agent is asked at it, over a connection from it.
func TestEndpointAtItsAddress(t *testing.T) {
	t.Parallel()
	var from string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _, _ = net.SplitHostPort(r.RemoteAddr)
		_, _ = w.Write([]byte(`{"healthy":true}`))
	}))
	t.Cleanup(s.Close)
	at := netip.MustParseAddrPort(s.Listener.Addr().String())
	e := endpoint{ip: at.Addr(), port: at.Port()}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := e.ask(ctx); err != nil || from != at.Addr().String() {
		t.Errorf("asked from %q: %v", from, err)
	}
	// An address of another node is no answer of this one.
	_, err := e.get(ctx, netip.MustParseAddr("192.0.2.20"), "http://"+at.String())
	if err == nil || !strings.Contains(err.Error(), "assign") && !strings.Contains(err.Error(), "network") && !strings.Contains(err.Error(), "invalid") {
		t.Errorf("from an address that the node does not have: %v", err)
	}
}
