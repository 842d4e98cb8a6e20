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

// Config says how to reach one Consul.
type Config struct {
	// Address of Consul's HTTP API: host:port, http://host:port,
	// https://host:port (a path in front of /v1 may follow) or
	// unix:///path/of/socket. Default: 127.0.0.1:8500. Without a scheme it is
	// https when TLS says anything, else http.
	Address string
	// Token is the ACL token; empty: anonymous.
	Token string
	// TokenFile holds the token instead, read again whenever it changes.
	TokenFile string
	// Datacenter, Namespace and Partition to use; empty: those of the agent
	// asked and of the token.
	Datacenter, Namespace, Partition string
	// TLS has the settings for https.
	TLS TLSConfig
	// MaxConns is the maximum number of connections; 0: no limit.
	MaxConns int
}

const defaultAddress = "127.0.0.1:8500"

// TLSConfig says how to verify Consul and how to be verified by it.
type TLSConfig struct {
	CAFile     string // PEM; default: the system's authorities
	CertFile   string // PEM, with KeyFile; both are read again for each connection
	KeyFile    string
	ServerName string // expected in Consul's certificate; default: the address's host
	// InsecureSkipVerify accepts any certificate, and so any Consul.
	InsecureSkipVerify bool
}

// endpoint is an address taken apart.
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
		return endpoint{}, fmt.Errorf("address %q is not https, and there are TLS settings", s)
	}
	u, err := url.Parse(scheme + "://" + rest)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		// The error itself might repeat a password.
		return endpoint{}, errors.New("the address is not of the form host:port, http://host:port, https://host:port or unix:///path")
	}
	if u.Port() == "" && !found {
		u.Host = net.JoinHostPort(u.Hostname(), "8500")
	}
	return endpoint{base: url.URL{Scheme: scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/")}}, nil
}

// transport makes connections to the endpoint: never more than MaxConns, never
// through a proxy that the environment names.
func (s Config) transport(e endpoint) (*http.Transport, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		MaxConnsPerHost:        s.MaxConns,
		MaxIdleConnsPerHost:    s.MaxConns,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// Consul is a local agent as a rule: compressing costs both of us more
		// than the loopback does.
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
		t.ForceAttemptHTTP2 = true // one connection carries many queries then
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

// A keyPair is a certificate and its key in files that are replaced before the
// certificate ends.
type keyPair struct {
	certFile, keyFile string
	last              atomic.Pointer[tls.Certificate]
}

// current reads the files for a new connection, of which there are few. While they
// do not fit each other, as in the middle of being replaced, the last pair that did
// stays in use.
func (k *keyPair) current(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	if pair, err := tls.LoadX509KeyPair(k.certFile, k.keyFile); err == nil {
		k.last.Store(&pair)
	}
	return k.last.Load(), nil
}
