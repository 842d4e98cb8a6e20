package listen_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"thalassa/listen"
)

// serve serves a handler on a port with TLS, until the test ends.
func serve(t *testing.T, s listen.Source, h http.HandlerFunc) (address string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listen.NewPort(l, listen.NewTLSConfig(s, nil))) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// trusting is a client that trusts the certificate of a source.
func trusting(s listen.Source, adjust func(*tls.Config)) *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate().Leaf)
	config := &tls.Config{RootCAs: pool} //nolint:gosec // the versions are what is tested
	if adjust != nil {
		adjust(config)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}, Timeout: 10 * time.Second}
}

func get(t *testing.T, c *http.Client, url string) (resumed bool, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.TLS != nil && res.TLS.DidResume, string(text)
}

// transport says how a request came.
func transport(w http.ResponseWriter, r *http.Request) {
	if r.TLS == nil {
		_, _ = io.WriteString(w, "plain "+r.Proto)
		return
	}
	_, _ = io.WriteString(w, tls.VersionName(r.TLS.Version)+" "+r.Proto)
}

func TestTLSAndPlainShareAPort(t *testing.T) {
	t.Parallel()
	own := selfSigned(t, t.TempDir(), nil)
	address := serve(t, own, transport)
	c := trusting(own, nil)
	if _, got := get(t, c, "http://"+address+"/"); got != "plain HTTP/1.1" {
		t.Errorf("plain: %s", got)
	}
	for _, tt := range []struct {
		adjust func(*tls.Config)
		want   string
	}{
		{nil, "TLS 1.3 HTTP/2.0"},
		{func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, "TLS 1.2 HTTP/2.0"},
		{func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }, "TLS 1.3 HTTP/1.1"},
	} {
		c := trusting(own, tt.adjust)
		if tt.adjust != nil && tt.want == "TLS 1.3 HTTP/1.1" {
			c.Transport.(*http.Transport).ForceAttemptHTTP2 = false
		}
		if _, got := get(t, c, "https://"+address+"/"); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestOldVersionsAndSuitesAreRefused(t *testing.T) {
	t.Parallel()
	own := selfSigned(t, t.TempDir(), nil)
	address := serve(t, own, transport)
	var weak []uint16
	for _, s := range slices.Concat(tls.InsecureCipherSuites(), tls.CipherSuites()) {
		if slices.Contains(s.SupportedVersions, tls.VersionTLS12) && !slices.Contains(listen.NewTLSConfig(own, nil).CipherSuites, s.ID) {
			weak = append(weak, s.ID)
		}
	}
	if len(weak) < 10 {
		t.Fatalf("only %d suites are weak", len(weak))
	}
	for name, config := range map[string]*tls.Config{
		"TLS 1.1": {MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10},
		"weak":    {MaxVersion: tls.VersionTLS12, CipherSuites: weak},
	} {
		config.InsecureSkipVerify = true
		conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			t.Errorf("%s: is accepted: %s", name, tls.CipherSuiteName(conn.(*tls.Conn).ConnectionState().CipherSuite))
			_ = conn.Close()
		}
	}
}

func TestSessionsAreResumed(t *testing.T) {
	t.Parallel()
	own := selfSigned(t, t.TempDir(), nil)
	address := serve(t, own, transport)
	cache := tls.NewLRUClientSessionCache(4)
	for i, want := range []bool{false, true} {
		c := trusting(own, func(c *tls.Config) { c.ClientSessionCache = cache })
		if resumed, _ := get(t, c, "https://"+address+"/"); resumed != want {
			t.Errorf("connection %d: resumed %t", i, resumed)
		}
		c.CloseIdleConnections()
	}
}

// Connections that send nothing, or half a handshake, delay nobody.
func TestSilentConnectionsDelayNobody(t *testing.T) {
	t.Parallel()
	own := selfSigned(t, t.TempDir(), nil)
	address := serve(t, own, transport)
	const silent = 400
	for i := range silent {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%2 == 0 {
			if _, err := conn.Write([]byte{0x16, 3, 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := trusting(own, nil)
	c.Timeout = 5 * time.Second // less than any of them may be silent
	if _, got := get(t, c, "https://"+address+"/"); got != "TLS 1.3 HTTP/2.0" {
		t.Error(got)
	}
	if _, got := get(t, c, "http://"+address+"/"); got != "plain HTTP/1.1" {
		t.Error(got)
	}
}

func TestEndOfAPort(t *testing.T) {
	t.Parallel()
	own := selfSigned(t, t.TempDir(), nil)
	for _, accepts := range []bool{true, false} {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p := listen.NewPort(l, listen.NewTLSConfig(own, nil))
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		if accepts {
			go func() { _, err := p.Accept(); ended <- err }()
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if !accepts {
			_, err := p.Accept()
			ended <- err
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept says %v", err)
		}
		_ = conn.Close()
	}
}

// The first byte stays: a plain request is read from its beginning, however slowly it comes.
func TestFirstByteIsLeft(t *testing.T) {
	t.Parallel()
	own := selfSigned(t, t.TempDir(), nil)
	address := serve(t, own, transport)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, part := range []string{"G", "ET / HTTP/1.0\r\n", "\r\n"} {
		if _, err := io.WriteString(conn, part); err != nil {
			t.Fatal(err)
		}
	}
	status, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || status != "HTTP/1.0 200 OK\r\n" {
		t.Errorf("%q, %v", status, err)
	}
}

// selfSigned is an own certificate in dir at the time that now gives.
func selfSigned(t *testing.T, dir string, now func() time.Time, names ...string) *listen.SelfSigned {
	t.Helper()
	s, err := listen.NewSelfSigned(listen.SelfSignedConfig{
		Dir: dir, Now: now, Names: func() []string { return append([]string{"127.0.0.1", "localhost"}, names...) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
