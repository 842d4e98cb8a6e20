package e2e_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// TestAppliedMeansInEffect changes options of servers in raw lines, again and again. As
// soon as an answer says applied, requests get what was asked for, and nothing of the
// options before.
func TestAppliedMeansInEffect(t *testing.T) {
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "over TLS") }))
	defer secure.Close()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in clear text") }))
	defer plain.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(authority, block, 0o600); err != nil {
		t.Fatal(err)
	}
	n, _ := serving(t, 1, "--natives-dirs", filepath.Dir(authority))

	put := func(member *httptest.Server, natives ...string) {
		t.Helper()
		host, port, _ := strings.Cut(member.Listener.Addr().String(), ":")
		body := map[string]any{"type": "static", "natives": natives, "members": []any{map[string]any{"host": host, "port": json.Number(port)}}}
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		answer := n.call(200, http.MethodPut, "/backends/options", string(text))
		if answer["applied"] != true {
			t.Fatalf("%v: %v", natives, answer)
		}
	}
	wants := func(what, want string) {
		t.Helper()
		testkit.Eventually(t, patience, func() error {
			got, err := n.get()
			if err != nil || got != want {
				return fmt.Errorf("%s: %q, %w", what, got, err)
			}
			return nil
		})
	}
	verified := "default-server ssl verify required ca-file " + authority + " verifyhost example.com"

	put(secure)
	n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"options"}`, n.web))
	if got, err := n.get(); err == nil && got == "over TLS" {
		t.Fatalf("a TLS server answers in clear text: %q", got)
	}
	put(secure, "default-server ssl verify none")
	wants("TLS turned on", "over TLS")
	put(plain)
	wants("TLS turned off, another member", "in clear text")

	// A member in clear text must get nothing once TLS is required.
	put(plain, verified)
	if got, _ := n.get(); got == "in clear text" {
		t.Errorf("requests go on in clear text")
	}
	put(secure, verified)
	wants("TLS with an authority", "over TLS")

	// A wrong check port, corrected and removed.
	for _, mended := range [][]string{{"default-server ssl verify none port " + portOf(secure)}, {"default-server ssl verify none"}} {
		put(secure, "default-server ssl verify none port 1")
		put(secure, mended...)
		wants(mended[0]+" after a wrong port", "over TLS")
	}
}

func portOf(s *httptest.Server) string {
	_, port, _ := strings.Cut(s.Listener.Addr().String(), ":")
	return port
}
