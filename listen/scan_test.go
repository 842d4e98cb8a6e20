package listen_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/listen"
)

// scan is what openssl says of one connection to a port; input is what it sends.
func scan(t *testing.T, address, input string, options ...string) string {
	t.Helper()
	args := append([]string{"s_client", "-connect", address}, options...)
	cmd := exec.CommandContext(t.Context(), "openssl", args...) //nolint:gosec // a test's words
	cmd.Stdin = strings.NewReader(input)
	out, _ := cmd.CombinedOutput() // it fails where the server refuses
	return string(out)
}

// A scan of the port with OpenSSL, as an auditor does it: what is offered, and that
// everything else is refused.
func TestScan(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		testkit.Missing(t, "openssl")
	}
	s, err := listen.NewSelfSigned(listen.SelfSignedConfig{Dir: t.TempDir(), Names: func() []string { return []string{"127.0.0.1"} }})
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t, s, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.Proto) })
	const (
		all    = "ALL:COMPLEMENTOFALL"
		weak   = ":@SECLEVEL=0" // or OpenSSL itself would refuse
		others = all + ":!ECDHE+AESGCM:!ECDHE+CHACHA20" + weak
	)
	session := filepath.Join(t.TempDir(), "session")
	for _, c := range []struct {
		what, input string
		options     string
		says        string
	}{
		{"TLS 1.3", "", "-tls1_3", "New, TLSv1.3, Cipher is TLS_"},
		{"TLS 1.2", "", "-tls1_2", "Protocol  : TLSv1.2"},
		{"TLS 1.1", "", "-tls1_1 -cipher " + all + weak, "alert protocol version"},
		{"TLS 1.0", "", "-tls1 -cipher " + all + weak, "alert protocol version"},
		{"downgrade", "", "-tls1_2 -fallback_scsv", "alert inappropriate fallback"},
		{"AES 128", "", "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"},
		{"AES 256", "", "-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384", "Cipher is ECDHE-ECDSA-AES256-GCM-SHA384"},
		{"ChaCha20", "", "-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305", "Cipher is ECDHE-ECDSA-CHACHA20-POLY1305"},
		{"every other suite", "", "-tls1_2 -cipher " + others, "alert handshake failure"},
		{"no encryption", "", "-tls1_2 -cipher eNULL" + weak, "alert handshake failure"},
		{"X25519", "", "-groups X25519", "Server Temp Key: X25519"},
		{"P-256", "", "-groups P-256", "Server Temp Key: ECDH, prime256v1"},
		{"P-384", "", "-groups P-384", "Server Temp Key: ECDH, secp384r1"},
		{"finite fields", "", "-tls1_3 -groups ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192", "alert handshake failure"},
		{"X448", "", "-tls1_3 -groups X448", "alert handshake failure"},
		{"compression", "", "-tls1_2 -comp", "Compression: NONE"},
		{"secure renegotiation", "", "-tls1_2", "Secure Renegotiation IS supported"},
		{"renegotiation", "R\n", "-tls1_2", "alert unexpected message"},
		{"resumption", "", "-tls1_2 -reconnect", "Reused, TLSv1.2"},
		{"session", "GET / HTTP/1.0\r\n\r\n", "-tls1_3 -ign_eof -sess_out " + session, "HTTP/1.0"},
		{"resumption", "", "-tls1_3 -sess_in " + session, "Reused, TLSv1.3"},
		{"early data", "GET / HTTP/1.0\r\n\r\n", "-tls1_3 -ign_eof", "Max Early Data: 0"},
		{"HTTP/2", "", "-alpn h2,http/1.1", "ALPN protocol: h2"},
		{"HTTP/1.1", "", "-alpn http/1.1", "ALPN protocol: http/1.1"},
		{"another protocol", "", "-alpn spdy/3", "alert no application protocol"},
		{"without ALPN", "GET / HTTP/1.0\r\n\r\n", "-ign_eof", "HTTP/1.0 200 OK"},
	} {
		if got := scan(t, address, c.input, strings.Fields(c.options)...); !strings.Contains(got, c.says) {
			t.Errorf("%s (%s): expected %q\n%s", c.what, c.options, c.says, got)
		}
	}
}
