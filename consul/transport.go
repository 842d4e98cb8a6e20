package consul

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
)

// Config is how to reach a Consul.
type Config struct {
	// Address of Consul's HTTP API: host:port, http://host:port,
	// https://host:port (a path in front of /v1 may follow) or
	// unix:///path/of/socket. Default: 127.0.0.1:8500. Without a scheme it is
	// https with TLS settings, else http.
	Address string
	// Token is the ACL token; empty: anonymous.
	Token string
	// TokenFile contains the token instead. It is read again when it changes.
	TokenFile string
	// Datacenter, Namespace and Partition to use; empty: those of the agent and of
	// the token.
	Datacenter, Namespace, Partition string
	// TLS has the settings for https.
	TLS TLSConfig
	// MaxConns is the maximum number of connections; 0: no limit.
	MaxConns int
}

const defaultAddress = "127.0.0.1:8500"

// TLSConfig is how to verify Consul, and the client certificate.
type TLSConfig struct {
	CAFile     string // PEM; default: the system's authorities
	CertFile   string // PEM, with KeyFile; both are read again for each connection
	KeyFile    string
	ServerName string // expected in Consul's certificate; default: the address's host
	// InsecureSkipVerify accepts any certificate, and therefore any server.
	InsecureSkipVerify bool
}

// endpoint is a parsed address.
type endpoint struct {
	base   url.URL // scheme, host and path prefix
	socket string  // path of a unix socket; empty: TCP
}

func parseAddress(s string, wantsTLS bool) (endpoint, error) {
	if s == "" {
		s = defaultAddress
	}
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		scheme, rest = "http", s
		if wantsTLS {
			scheme = "https"
		}
	}
	switch {
	case scheme == "unix":
		if !strings.HasPrefix(rest, "/") {
			return endpoint{}, fmt.Errorf("address %q has no absolute path, expected unix:///path", s)
		}
		return endpoint{base: url.URL{Scheme: "http", Host: "localhost"}, socket: rest}, nil
	case scheme != "http" && scheme != "https":
		return endpoint{}, fmt.Errorf("address %q has an unknown scheme, expected http, https or unix", s)
	case scheme == "http" && wantsTLS:
		return endpoint{}, fmt.Errorf("address %q is not https, but TLS is configured", s)
	}
	u, err := url.Parse(scheme + "://" + rest)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		// The error might contain a password.
		return endpoint{}, errors.New("the address is not of the form host:port, http://host:port, https://host:port or unix:///path")
	}
	if u.Port() == "" && !found {
		u.Host = net.JoinHostPort(u.Hostname(), "8500")
	}
	return endpoint{base: url.URL{Scheme: scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/")}}, nil
}

// transport returns an http.Transport for the endpoint, with at most MaxConns
// connections and without a proxy from the environment.
func (s Config) transport(e endpoint) (*http.Transport, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		MaxConnsPerHost:        s.MaxConns,
		MaxIdleConnsPerHost:    s.MaxConns,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// Consul is usually a local agent: compression would cost more CPU time than the
		// loopback.
		DisableCompression: true,
	}
	if e.socket != "" {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", e.socket)
		}
	}
	if e.base.Scheme == "https" {
		var err error
		if t.TLSClientConfig, err = s.TLS.config(); err != nil {
			return nil, err
		}
		t.ForceAttemptHTTP2 = true // many queries then share a connection
	}
	return t, nil
}

func (c TLSConfig) config() (*tls.Config, error) {
	t, err := api.SetupTLSConfig(&api.TLSConfig{
		Address: c.ServerName, CAFile: c.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile,
		InsecureSkipVerify: c.InsecureSkipVerify,
	})
	if err != nil {
		return nil, fmt.Errorf("reading TLS settings: %w", err)
	}
	t.MinVersion = tls.VersionTLS12
	if len(t.Certificates) > 0 {
		pair := &keyPair{certFile: c.CertFile, keyFile: c.KeyFile}
		pair.last.Store(&t.Certificates[0])
		t.GetClientCertificate = pair.current
	}
	return t, nil
}

// A keyPair is a certificate and its key in files, which are replaced before the
// certificate expires.
type keyPair struct {
	certFile, keyFile string
	last              atomic.Pointer[tls.Certificate]
}

// current reads the files for each new connection, of which there are few. While the
// two do not match, because they are being replaced, the previous pair stays in use.
func (k *keyPair) current(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	if pair, err := tls.LoadX509KeyPair(k.certFile, k.keyFile); err == nil {
		k.last.Store(&pair)
	}
	return k.last.Load(), nil
}
