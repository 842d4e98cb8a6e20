package acme

import (
	"context"
	"crypto/tls"
	cryptox509 "crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/crypto/acme"

	"thalassa/lb"
)

// maxAnswer bounds an answer of a server, in bytes.
const maxAnswer = 1 << 20

// newClient is a client of a server for one attempt.
func (c *Config) newClient(a lb.ACME) (*acme.Client, func(), error) {
	var roots *cryptox509.CertPool
	if a.DirectoryCA != "" {
		roots = cryptox509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(a.DirectoryCA)) {
			return nil, nil, errors.New("directoryCA has no certificate")
		}
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if !c.AllowLocal {
		dialer.Control = refuseLocal
	}
	transport := &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, Time: c.Now},
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2: true, IdleConnTimeout: 30 * time.Second,
	}
	client := &acme.Client{
		DirectoryURL: a.Directory, UserAgent: "thalassa", RetryBackoff: retryPause,
		HTTPClient: &http.Client{
			Transport: boundedTransport{transport}, Timeout: stepTime,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	return client, transport.CloseIdleConnections, nil
}

// refuseLocal refuses connections to addresses that only this machine or its link has, where
// an ACME server would be somebody else's service. Names have been resolved by then.
func refuseLocal(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if why := localAddress(to.Addr()); why != "" {
		return fmt.Errorf("%s is %s, which acme-allow-local would allow", to.Addr(), why)
	}
	return nil
}

func localAddress(a netip.Addr) string {
	switch a = a.Unmap(); {
	case a.IsLoopback():
		return "a loopback address"
	case a.IsLinkLocalUnicast():
		return "a link-local address"
	case a.IsUnspecified(), a.IsMulticast():
		return "the address of no machine"
	}
	return ""
}

// retryPause is the pause before a request is repeated; 0: it is not. A server that refuses
// a nonce is asked again at once, as it has sent another one with its refusal.
func retryPause(n int, _ *http.Request, res *http.Response) time.Duration {
	switch {
	case res.StatusCode == http.StatusBadRequest && n <= 40:
		return 5 * time.Millisecond
	case res.StatusCode == http.StatusTooManyRequests, res.Header.Get("Retry-After") != "", n > 4:
		return 0 // the attempt ends, and the next waits for as long as it has to
	}
	return time.Duration(n) * 500 * time.Millisecond
}

// boundedTransport sends requests to https URLs alone, and bounds the answers.
type boundedTransport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t boundedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		if req.Body != nil {
			_ = req.Body.Close() // required of a RoundTripper
		}
		return nil, &answerError{"named an address that is not https"}
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

// connect is a client with its account, which is made where there is none yet.
func (a *attempt) connect(ctx context.Context) (*acme.Client, func(), error) {
	client, closeIdle, err := a.i.cfg.newClient(a.ACME)
	if err != nil {
		return nil, nil, err
	}
	if err := a.account(ctx, client); err != nil {
		closeIdle()
		return nil, nil, err
	}
	return client, closeIdle, nil
}

// account gives a client the key and the URL of the account at its server.
func (a *attempt) account(ctx context.Context, client *acme.Client) error {
	i := a.i
	defer i.accounts.making()() // one account a server, whatever is ordered at once
	id := accountID(a.ACME)
	known := i.accounts.known(id)
	if known == nil {
		digest, err := i.keys.newKey("ecdsa")
		if err != nil {
			return err
		}
		made, err := i.accounts.put(ctx, id, account{Directory: a.Directory, Email: a.Email, Key: digest})
		if err != nil {
			return err
		}
		known = &made
	}
	key, err := i.keys.key(known.Key)
	if err != nil {
		return fmt.Errorf("reading the key of the account: %w", err)
	}
	client.Key = key
	if known.URL != "" {
		client.KID = acme.KeyID(known.URL)
		return nil
	}
	a.step("account")
	wanted := &acme.Account{}
	if a.Email != "" {
		wanted.Contact = []string{"mailto:" + a.Email}
	}
	if binding, ok := i.cfg.Bindings[a.Directory]; ok {
		mac, err := binding.Key()
		if err != nil {
			return err
		}
		wanted.ExternalAccountBinding = &acme.ExternalAccountBinding{KID: binding.KeyID, Key: mac}
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	made, err := client.Register(ctx, wanted, acme.AcceptTOS)
	switch {
	case errors.Is(err, acme.ErrAccountAlreadyExists): // the client has its URL by now
	case err != nil:
		return fmt.Errorf("making an account: %w", err)
	default:
		client.KID = acme.KeyID(made.URI)
	}
	if client.KID == "" {
		return &answerError{"has named no account"}
	}
	_, err = i.accounts.put(ctx, id, account{Directory: a.Directory, Email: a.Email, Key: known.Key, URL: string(client.KID)})
	return err
}
