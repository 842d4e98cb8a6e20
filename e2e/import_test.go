package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// TestImportLeavesOutWhatHAProxyRefuses: a file of an earlier installation has lines that
// cannot work here. The rest serves, and what is left out is named.
func TestImportLeavesOutWhatHAProxyRefuses(t *testing.T) {
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address())
	file := n.path("persist.json")
	n.flags = append(n.flags, "--persistence", file)
	service(t, consul, "1.0.0", 1)
	imported := fmt.Sprintf(`{"version":1,"frontends":[
		{"key":"web","bind":"127.0.0.1:%d maxconn 500","backend":"live"},
		{"key":"secret","bind":"127.0.0.1:%d ssl crt /nowhere/x.pem","backend":"live"},
		{"key":"odd","bind":"127.0.0.1:%d","backend":"strange"},
		{"key":"wrong","bind":"nonsense","backend":"live"}],
		"backends":[
		{"key":"live","type":"dynamic","name":"shop","version":"1.0.0"},
		{"key":"strange","type":"static","natives":["no-such-keyword x"]}]}`, n.web, testkit.Port(t), testkit.Port(t))
	if err := os.WriteFile(file, []byte(imported), 0o600); err != nil {
		t.Fatal(err)
	}
	n.start()
	n.answers("1.0.0-0")
	if got := n.call(200, http.MethodGet, "/frontends/web", ""); !strings.Contains(fmt.Sprint(got["bind"]), "maxconn 500") {
		t.Errorf("the frontend is %s", got)
	}
	status := fmt.Sprint(n.call(200, http.MethodGet, "/status", "")["warnings"])
	for _, name := range []string{"frontend/secret", "backend/strange", "frontend/odd", `frontends["wrong"].bind`} {
		if !strings.Contains(status, name) {
			t.Errorf("the status does not name %s: %s", name, status)
		}
	}
	if data, err := os.ReadFile(file + ".imported"); err != nil || string(data) != imported {
		t.Errorf("the copy is %q, %v", data, err)
	}
}
