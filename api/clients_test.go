package api_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/auth"
	"thalassa/internal/testkit"
	"thalassa/listen"
)

// Who has shown a certificate of an authority that is removed is not known any more, on the
// connection that was open before, by either version of HTTP.
func TestRemovedAuthoritiesOfClientsEndOnOpenConnections(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"http/1.1", "h2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "access.yaml")
			if err := os.WriteFile(path, []byte("certificates: [{name: ci, role: admin, dns: ci.example}]\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			access, err := auth.OpenAccess(path, time.Now, nil)
			if err != nil {
				t.Fatal(err)
			}
			authority, former := auth.NewAuthority(nil, access), testkit.NewAuthority(t)
			authority.TrustClients(former.Pool())
			get := certified(t, authority, former, version)
			for range 2 {
				if status := get(); status != http.StatusOK {
					t.Fatalf("status %d at first", status)
				}
			}
			authority.TrustClients(testkit.NewAuthority(t).Pool())
			if status := get(); status != http.StatusUnauthorized {
				t.Errorf("status %d after the authority was removed, want 401", status)
			}
		})
	}
}

// certified serves the API to a client with a certificate that clients has issued. Requests share
// one connection.
func certified(t *testing.T, authority *auth.Authority, clients testkit.Authority, version string) (get func() (status int)) {
	t.Helper()
	own, err := listen.NewSelfSigned(listen.SelfSignedConfig{Dir: t.TempDir(), Names: func() []string { return []string{"127.0.0.1"} }})
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := filledFixture(t, func(c *api.Config) { c.Authority = authority }).Config()
	cfg.Authority, cfg.Certificate = authority, func() listen.Info { return listen.Describe(own) }
	server := &http.Server{Handler: api.New(cfg), ReadHeaderTimeout: patience}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listen.NewPort(l, listen.NewTLSConfig(own, clients.Pool()))) }()
	issued := clients.Issue(t, "ci.example")
	pair, err := tls.X509KeyPair([]byte(issued.Chain), []byte(issued.Key))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(own.Certificate().Leaf)
	dials := 0
	dial := &tls.Dialer{Config: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, NextProtos: []string{version}, MinVersion: tls.VersionTLS12}}
	transport := &http.Transport{
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials++
			return dial.DialContext(ctx, network, addr)
		},
		ForceAttemptHTTP2: version == "h2",
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if dials != 1 {
			t.Errorf("%d connections, want one", dials)
		}
	})
	return func() int {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+l.Addr().String()+"/frontends", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode
	}
}
