package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"thalassa/listen"
)

// handshakeTime bounds a TLS handshake.
const handshakeTime = 10 * time.Second

// tls is the TLS side of a client: the certificate must be signed by one of RootCAs for
// the host of the address, or have a pinned key.
func (cfg Config) tls() *tls.Config {
	out := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs}
	if cfg.Certificate != nil {
		out.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cfg.Certificate() }
	}
	if len(cfg.Pins) > 0 {
		out.InsecureSkipVerify = true // VerifyConnection does it instead
		out.VerifyConnection = func(s tls.ConnectionState) error {
			shown := listen.DescribeCertificate(s.PeerCertificates[0])
			if !slices.Contains(cfg.Pins, shown.PublicKey) && !slices.Contains(cfg.Pins, shown.Fingerprint) {
				return &PinError{Want: strings.Join(cfg.Pins, " or "), Got: shown.PublicKey}
			}
			return nil
		}
	}
	return out
}

// A PinError says that a server has another key than the pinned ones.
type PinError struct {
	Want, Got string // in the form of listen.Fingerprint
}

// Error says what this may mean.
func (e *PinError) Error() string {
	return "the agent shows another key (SHA-256 " + e.Got + ") than before (" + e.Want + "): it was installed anew, or another server answers in its place"
}

// A Certificate is the certificate of a server.
type Certificate struct {
	listen.Info
	// Doubt is why the certificate is not trusted; nil: it is.
	Doubt error
}

// Inspect asks the server at an https address for its certificate, and sends nothing
// else. The error is about the connection.
func Inspect(ctx context.Context, cfg Config) (Certificate, error) {
	u, err := url.Parse(cfg.Address)
	if err != nil {
		return Certificate{}, fmt.Errorf("%q is not the address of an agent", cfg.Address)
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	trusted := cfg.tls()
	trusted.InsecureSkipVerify = true // what it shows is verified below
	trusted.VerifyConnection = nil
	conn, err := (&tls.Dialer{Config: trusted}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return Certificate{}, &unreachableError{err}
	}
	defer conn.Close()
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return Certificate{}, errors.New("the connection has no TLS")
	}
	chain := secure.ConnectionState().PeerCertificates
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, doubt := chain[0].Verify(x509.VerifyOptions{DNSName: u.Hostname(), Roots: cfg.RootCAs, Intermediates: between})
	return Certificate{Info: listen.DescribeCertificate(chain[0]), Doubt: doubt}, nil
}

// MovesToTLS reports whether an agent at an http address is served with TLS at the same
// address. It sends no token.
func MovesToTLS(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, address+"/session", http.NoBody)
	if err != nil {
		return false
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := (&http.Client{CheckRedirect: stay, Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	to, err := res.Location()
	return err == nil && to.Scheme == "https" && to.Host == req.URL.Host
}

// An Identity is the caller as the agent has identified it.
type Identity struct {
	Name           string     `json:"name"`
	Role           string     `json:"role"`
	On             []string   `json:"on"`             // patterns that the role is limited to; nil: all objects
	Authentication bool       `json:"authentication"` // the agent needs tokens
	Expires        *time.Time `json:"expires"`        // of a session; nil: none
}

// LogIn begins a session with a name and a password. The token is that of the session.
func LogIn(ctx context.Context, cfg Config, user, password string) (token string, who Identity, err error) {
	return begin(ctx, cfg, map[string]any{"user": user, "password": password, "bearer": true})
}

// An Attempt is a login that has begun at the agent's identity provider.
type Attempt struct {
	URL    string // that the user's browser has to open
	cookie string // without which nobody can complete it
}

// BeginLogin begins a login at the agent's identity provider.
func BeginLogin(ctx context.Context, cfg Config) (Attempt, error) {
	c, err := New(cfg)
	if err != nil {
		return Attempt{}, err
	}
	a, err := c.transport.do(ctx, call{method: http.MethodPost, path: "/session/sso", body: map[string]any{"terminal": true}})
	if err != nil {
		return Attempt{}, err
	}
	var out Attempt
	if err := json.Unmarshal(a.body, &out); err != nil || out.URL == "" {
		return Attempt{}, a.unexpected("no address")
	}
	for _, cookie := range (&http.Response{Header: a.header}).Cookies() {
		out.cookie = cookie.Name + "=" + cookie.Value
	}
	return out, nil
}

// CompleteLogin begins a session with what the identity provider has sent through the browser: the
// query of the address of the page, such as "code=…&state=…", or the address. The token is that of
// the session.
func CompleteLogin(ctx context.Context, cfg Config, attempt Attempt, sent string) (token string, who Identity, err error) {
	if _, query, found := strings.Cut(sent, "?"); found {
		sent = query
	}
	values, err := url.ParseQuery(strings.TrimSpace(sent))
	if err != nil || !values.Has("state") {
		return "", Identity{}, errors.New("this is not what the page shows, expected a text such as code=…&state=…")
	}
	body := map[string]any{"bearer": true}
	for _, name := range []string{"code", "state", "iss", "error", "error_description"} {
		if values.Has(name) {
			body[name] = values.Get(name)
		}
	}
	return begin(ctx, cfg, body, func(h http.Header) { h.Set("Cookie", attempt.cookie) })
}

// begin begins a session.
func begin(ctx context.Context, cfg Config, body map[string]any, conditions ...Condition) (token string, who Identity, err error) {
	c, err := New(cfg)
	if err != nil {
		return "", Identity{}, err
	}
	a, err := c.transport.do(ctx, call{method: http.MethodPost, path: "/session", body: body, conditions: conditions})
	if err != nil {
		return "", Identity{}, err
	}
	var out struct {
		Identity
		Token string `json:"token"`
	}
	if err := json.Unmarshal(a.body, &out); err != nil || out.Token == "" {
		return "", Identity{}, a.unexpected("no session")
	}
	return out.Token, out.Identity, nil
}

// WhoAmI asks an agent who the caller is.
func WhoAmI(ctx context.Context, cfg Config) (Identity, error) {
	c, err := New(cfg)
	if err != nil {
		return Identity{}, err
	}
	a, err := c.transport.do(ctx, call{method: http.MethodGet, path: "/session"})
	if err != nil {
		return Identity{}, err
	}
	var who Identity
	if err := json.Unmarshal(a.body, &who); err != nil || who.Name == "" {
		return Identity{}, a.unexpected("no identity")
	}
	return who, nil
}
