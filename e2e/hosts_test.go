package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestLocalhostIsAMember: HAProxy asks name servers alone, which do not know this name.
func TestLocalhostIsAMember(t *testing.T) {
	n := newNode(t, "127.0.0.1:1")
	n.start()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "here") }))
	t.Cleanup(server.Close)
	port := server.URL[strings.LastIndexByte(server.URL, ':')+1:]
	n.call(200, http.MethodPut, "/backends/live", fmt.Sprintf(`{"type":"static","members":[{"host":"localhost","port":%s}]}`, port))
	n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
	n.answers("here")
	if config := readFile(t, n.path("haproxy.cfg")); !strings.Contains(config, "server localhost:"+port+" 127.0.0.1:"+port) {
		t.Errorf("haproxy.cfg is\n%s", config)
	}
}
