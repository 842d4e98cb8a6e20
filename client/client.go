package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DefaultAddress is the address of an agent without configuration.
const DefaultAddress = "http://127.0.0.1:10000"

// Config says which agent to use, and how. The zero value is the agent at DefaultAddress, without a
// token.
type Config struct {
	// Address is the agent's URL (DefaultAddress); http:// may be left out.
	Address string
	// Token is sent with every request; empty: none is.
	Token string
	// Timeout bounds a call, in addition to the time that the agent is asked to wait
	// (1 min). A change may take long: HAProxy has to accept it.
	Timeout time.Duration
	// RootCAs sign the certificate of an https address; nil: those of the system.
	RootCAs *x509.CertPool
	// Pins are the SHA-256 of the only public keys, or certificates, that the agent at an https
	// address may have, in the form of listen.Fingerprint; nothing else of the certificate counts
	// then. Empty: RootCAs decide.
	Pins []string
	// Certificate is the client certificate for an https address, asked for at each connection;
	// nil: none.
	Certificate func() (*tls.Certificate, error)
	// Transport carries the requests; nil: one of the client's own, which uses
	// no proxy.
	Transport http.RoundTripper
}

// A Client sends requests to one agent. All methods may be called concurrently; errors
// that the agent answered with are *Error.
type Client struct{ transport transport }

// New makes a client; it does not connect yet. The error is about the address
// or the token.
func New(cfg Config) (*Client, error) {
	address := cfg.Address
	switch {
	case address == "":
		address = DefaultAddress
	case !strings.Contains(address, "://"):
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%q is not the address of an agent, expected a URL such as %s", cfg.Address, DefaultAddress)
	}
	if strings.ContainsFunc(cfg.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the token holds a character that an Authorization header cannot carry")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{
			DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAliveConfig: keepAlive()}).DialContext,
			TLSHandshakeTimeout:    handshakeTime,
			TLSClientConfig:        cfg.tls(),
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxHeader,
		}
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{transport{
		base: strings.TrimSuffix(address, "/"), token: cfg.Token, timeout: cfg.Timeout,
		http: &http.Client{Transport: cfg.Transport, CheckRedirect: stay},
	}}, nil
}

// keepAlive asks often whether the other side is still there. When a floating IP has moved, its new
// node ends the connections of the former one as soon as it is asked. An outage of a minute ends
// none.
func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 3 * time.Second, Interval: 3 * time.Second, Count: 20}
}

// A Condition must hold for a change to be made; otherwise the error's code
// is "precondition_failed".
type Condition func(http.Header)

// IfMatch demands that the object still has the entity tag it was read with.
func IfMatch(etag string) Condition {
	return func(h http.Header) { h.Set("If-Match", etag) }
}

// IfNew demands that the object does not exist yet.
func IfNew() Condition {
	return func(h http.Header) { h.Set("If-None-Match", "*") }
}
