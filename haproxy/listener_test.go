package haproxy_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// accepting listens and counts connections.
func accepting(t *testing.T, network, address string) (*net.Listener, *atomic.Int64) {
	t.Helper()
	fx, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fx.Close() })
	n := new(atomic.Int64)
	go func() { // ends with Close
		for {
			conn, err := fx.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			_ = conn.Close()
		}
	}()
	return &fx, n
}

// TestBindsAreTried: what nobody serves, or serves otherwise than the file says, is
// found, and nothing is sent to who is behind a bind.
func TestBindsAreTried(t *testing.T) {
	t.Parallel()
	web, secure := httptest.NewServer(http.NotFoundHandler()), httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	t.Cleanup(secure.Close)
	plain, encrypted := web.Listener.Addr().String(), secure.Listener.Addr().String()
	closed := fmt.Sprintf("127.0.0.77:%d", testkit.Port(t))
	dir := testkit.SocketDir(t)
	raw, connections := accepting(t, "tcp", "127.0.0.1:0")
	tcp := (*raw).Addr().String()
	six, _ := accepting(t, "tcp", "[::]:0")
	anySix := (*six).Addr().String()
	_, _ = accepting(t, "unix", filepath.Join(dir, "served"))
	_, port, _ := net.SplitHostPort(plain)
	config := strings.NewReplacer("PLAIN", plain, "ENCRYPTED", encrypted, "CLOSED", closed, "RAW", tcp, "SIX", anySix, "DIR", dir, "PORT", port).Replace(`
frontend web
    mode http
    bind PLAIN
    bind ENCRYPTED ssl crt /x.pem alpn h2
    bind ipv4@PLAIN ssl crt /x.pem
    bind CLOSED
    bind unix@DIR/served,unix@DIR/missing mode 600
    bind 127.0.0.2:1 interface eth0
    bind 127.0.0.2:2 namespace x
    bind 192.0.2.1:80 transparent
    bind 192.0.2.1:81
    bind localhost:1,quic4@127.0.0.2:3,127.0.0.2:4-5,fd@3,abns@x
    bind "127.0.0.2:$PORT_OF_MINE"
    bind *:PORT name ssl
frontend raw
    mode tcp
    bind RAW
    bind SIX
    bind ipv4@CLOSED
listen off
    disabled
    bind 127.0.0.2:6
`)
	got := haproxy.TryBinds(t.Context(), []byte(config), os.Getpid())
	wrong := map[string]string{
		"ipv4@" + plain: "does not speak TLS", closed: "nothing listens there", "ipv4@" + closed: "nothing listens there",
		"unix@" + filepath.Join(dir, "missing"): "nothing listens there",
	}
	right := []string{plain, encrypted, "unix@" + filepath.Join(dir, "served"), tcp, anySix, "*:" + port}
	for text, err := range got {
		want, isWrong := wrong[text]
		if isWrong != (err != nil) || isWrong && !strings.Contains(err.Error(), want) || !isWrong && !slices.Contains(right, text) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if len(got) != len(wrong)+len(right) {
		t.Errorf("tried %v", got)
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections to a bind of mode tcp", n)
	}
}

// TestBindsOfAllKindsAreApplied: no kind of bind that HAProxy serves is taken for one
// that it does not.
func TestBindsOfAllKindsAreApplied(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate := filepath.Join(t.TempDir(), "web.pem")
	content := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := os.WriteFile(certificate, content, 0o600); err != nil {
		t.Fatal(err)
	}
	each(t, func(fx *fixture) {
		s := fx.raise(pool("live", well(fx.t, "a")))
		next, _ := s.next(pool("live", well(fx.t, "a")))
		options := []string{
			"", "ssl crt CRT", "ssl crt CRT verify required ca-file CRT", "ssl crt CRT strict-sni", "ssl crt CRT accept-proxy",
			"accept-proxy", "ssl crt CRT ssl-min-ver TLSv1.3 alpn h2,http/1.1", "defer-accept", "maxconn 1", "name ssl", "ssl crt CRT npn h2 name x",
		}
		for i, o := range options {
			line := strings.TrimSpace(fmt.Sprintf("bind 127.0.0.1:%d %s", testkit.Port(fx.t), strings.ReplaceAll(o, "CRT", certificate)))
			if i == 0 {
				line += fmt.Sprintf(",unix@%s,:::%d", filepath.Join(fx.dir, "web"), testkit.Port(fx.t))
			}
			next.Frontends[0].Natives = append(next.Frontends[0].Natives, lb.RawLine(line))
		}
		reload := func(mode string) {
			begin := time.Now()
			next.Frontends[0].Mode, next.Backends[0].Mode = mode, mode
			s.reload(next)
			fx.t.Logf("mode %s took %s", mode, time.Since(begin))
		}
		reload("http")
		reload("tcp")
		if got := fx.answered(); got["a"] != 20 {
			fx.t.Errorf("%v answered", got)
		}
	})
}
