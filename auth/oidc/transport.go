package oidc

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"thalassa/internal/safefile"
)

// Bounds of one request to the provider.
const (
	requestTimeout = 8 * time.Second
	maxAnswer      = 1 << 20 // bytes, decompressed
	maxHeader      = 64 << 10
	maxCA          = 1 << 20
)

var errTooLarge = errors.New("the answer is larger than 1 MiB")

// newHTTPClient makes the client for a provider: with deadlines, bounded answers and
// without redirects, which would carry secrets elsewhere. caFile is a PEM file; empty: the
// CAs of the system.
func newHTTPClient(caFile string, isSecure bool) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := safefile.Read(caFile, maxCA)
		if err != nil {
			return nil, fmt.Errorf("ca-file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca-file: %s has no certificate in PEM", caFile)
		}
	}
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: requestTimeout / 2}).DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    requestTimeout / 2,
		ResponseHeaderTimeout:  requestTimeout,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        30 * time.Second,
		ForceAttemptHTTP2:      true,
	}
	return &http.Client{
		Timeout:   requestTimeout,
		Transport: bounded{transport, isSecure},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("it answers with a redirect")
		},
	}, nil
}

// bounded is a transport whose answers end with an error at maxAnswer bytes. A secure one
// makes requests over TLS only, whatever addresses the provider names.
type bounded struct {
	next     http.RoundTripper
	isSecure bool
}

// RoundTrip makes one request.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.isSecure && r.URL.Scheme != "https" {
		return nil, errors.New("the provider names an address without https")
	}
	answer, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = &boundedBody{ReadCloser: answer.Body, left: maxAnswer}
	return answer, nil
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

// Read reads until more than the allowed bytes have come.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, errTooLarge
	}
	return n, err
}
