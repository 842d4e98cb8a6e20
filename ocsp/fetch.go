package ocsp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	// fetchTime bounds one request, and maxAnswer its answer in bytes. Responses have some
	// kilobytes.
	fetchTime = 10 * time.Second
	maxAnswer = 64 << 10
)

// newClient makes the client for responders. It follows no redirect: these would lead to
// addresses that nobody has looked at.
func newClient(allowLocal bool) *http.Client {
	dialer := &net.Dialer{Timeout: fetchTime / 2}
	if !allowLocal {
		dialer.Control = refuseLocal
	}
	return &http.Client{
		Timeout: fetchTime,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: fetchTime / 2, ResponseHeaderTimeout: fetchTime,
			MaxResponseHeaderBytes: 16 << 10, IdleConnTimeout: 10 * time.Second, MaxConnsPerHost: atOnce,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// refuseLocal refuses connections to addresses that only this machine or its link has, where a
// responder would be somebody else's service. Names have been resolved by then.
func refuseLocal(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if a := to.Addr().Unmap(); a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsMulticast() {
		return fmt.Errorf("%s is an address of this machine or its link, which ocsp-allow-local would allow", a)
	}
	return nil
}

// responder is the address that a certificate names for requests; empty: none.
func (p pair) responder() string {
	for _, text := range p.leaf.OCSPServer {
		if u, err := url.Parse(text); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && len(text) <= 1000 {
			return text
		}
	}
	return ""
}

// fetch asks the responder of a certificate (RFC 6960, appendix A). What it answers is not
// repeated in errors.
func fetch(ctx context.Context, client *http.Client, p pair, now time.Time) (response, error) {
	request, err := ocsp.CreateRequest(p.leaf, p.issuer, nil)
	if err != nil {
		return response{}, fmt.Errorf("making the request: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.responder(), bytes.NewReader(request))
	if err != nil {
		return response{}, fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	req.Header.Set("Accept", "application/ocsp-response")
	req.Header.Set("User-Agent", "thalassa")
	resp, err := client.Do(req)
	if err != nil {
		return response{}, fmt.Errorf("asking the responder: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return response{}, fmt.Errorf("the responder answered with status %d", resp.StatusCode)
	}
	der, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return response{}, fmt.Errorf("reading the response: %w", err)
	case len(der) > maxAnswer:
		return response{}, errors.New("the response has more than 64 KiB")
	}
	return p.check(der, now)
}
