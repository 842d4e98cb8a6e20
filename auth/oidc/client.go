package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// A Config describes the provider, and this client's registration there.
type Config struct {
	Issuer   string // URL
	ClientID string
	// Secret returns the client's secret; it is called for each use. An empty result: the client
	// has none.
	Secret func() (string, error)
	CAFile string // PEM; empty: the CAs of the system
	// Scopes are the requested scopes; nil: openid, and those of profile, email and groups that the
	// provider supports.
	Scopes      []string
	GroupsClaim string // a dot leads into an object
	NameClaim   string // empty: preferred_username, a verified email, or sub
	Now         func() time.Time
}

const (
	// AttemptLifetime is how long a user may take at the provider.
	AttemptLifetime = 10 * time.Minute
	// refreshEvery is how often the provider's description is read again.
	refreshEvery = time.Hour
	// refreshAgain is when it is, after it could not be read: each attempt may take seconds.
	refreshAgain = time.Minute
	// maxLogins bounds the logins that wait for the provider at the same time.
	maxLogins = 16
)

// A Client logs users in at one provider. Create it with New; all methods may be called
// concurrently.
type Client struct {
	cfg   Config
	http  *http.Client
	slots chan struct{} // filled by each login that asks the provider

	turn     chan struct{} // held by whoever reads or replaces the following
	provider *provider     // nil: not read yet
	tried    time.Time     // last attempt to read it again
}

// A provider is the provider's own description (discovery document).
type provider struct {
	*oidc.Provider
	read     time.Time
	scopes   []string // that it knows; nil: it does not say
	style    oauth2.AuthStyle
	verifier *oidc.IDTokenVerifier
}

// New makes a Client. It sends no request. The error is about the CA file.
func New(cfg Config) (*Client, error) {
	client, err := newHTTPClient(cfg.CAFile, strings.HasPrefix(cfg.Issuer, "https:"))
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, http: client, slots: make(chan struct{}, maxLogins), turn: make(chan struct{}, 1)}, nil
}

// ErrBusy says that too many logins wait for the provider.
var ErrBusy = errors.New("too many logins wait for the identity provider")

// An AwayError says that the provider cannot be used now: it does not answer, its answer is
// invalid, or it is not set up correctly. The user cannot change that.
type AwayError struct{ Err error }

// Error names the reason.
func (e *AwayError) Error() string {
	return "the identity provider cannot be used: " + short(e.Err.Error())
}

// Unwrap is the reason.
func (e *AwayError) Unwrap() error { return e.Err }

// A RefusedError says that a login is not valid.
type RefusedError struct{ Reason string }

// Error is one sentence.
func (e *RefusedError) Error() string { return "the login was refused: " + short(e.Reason) }

func refused(format string, args ...any) error {
	return &RefusedError{Reason: fmt.Sprintf(format, args...)}
}

// short bounds a text that may come from the provider, and leaves out what could forge
// lines.
func short(text string) string {
	const most = 300
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + " …"
	}
	return text
}

// withClient is ctx with the client for the library.
func (c *Client) withClient(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, c.http)
}

// describe is what the provider says of itself, read again when it is old. While the
// provider is away the former description stays.
func (c *Client) describe(ctx context.Context) (*provider, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, &AwayError{ctx.Err()}
	}
	if now := c.cfg.Now(); c.provider != nil {
		if now.Sub(c.provider.read) < refreshEvery || now.Sub(c.tried) < refreshAgain {
			return c.provider, nil
		}
		c.tried = now
	}
	found, err := oidc.NewProvider(c.withClient(ctx), c.cfg.Issuer)
	if err == nil {
		var p *provider
		if p, err = c.understand(found); err == nil {
			c.provider = p
			return p, nil
		}
	}
	if c.provider != nil {
		return c.provider, nil
	}
	return nil, &AwayError{err}
}

// understand checks the description of a provider.
func (c *Client) understand(found *oidc.Provider) (*provider, error) {
	var extra struct {
		Scopes  []string `json:"scopes_supported"`
		Methods []string `json:"token_endpoint_auth_methods_supported"`
		Keys    string   `json:"jwks_uri"`
	}
	if err := found.Claims(&extra); err != nil {
		return nil, fmt.Errorf("its description is not valid: %w", err)
	}
	endpoint := found.Endpoint()
	for name, address := range map[string]string{"authorization_endpoint": endpoint.AuthURL, "token_endpoint": endpoint.TokenURL, "jwks_uri": extra.Keys} {
		if !strings.HasPrefix(address, "https://") && (strings.HasPrefix(c.cfg.Issuer, "https:") || !strings.HasPrefix(address, "http://")) {
			return nil, fmt.Errorf("its description has no valid %s", name)
		}
	}
	return &provider{
		Provider: found, read: c.cfg.Now(), scopes: extra.Scopes, style: styleOf(extra.Methods),
		verifier: found.Verifier(&oidc.Config{ClientID: c.cfg.ClientID, Now: c.cfg.Now}),
	}, nil
}

// styleOf is how the client's secret is sent: as HTTP Basic unless the provider takes only
// the other way.
func styleOf(methods []string) oauth2.AuthStyle {
	for _, m := range methods {
		switch m {
		case "client_secret_basic":
			return oauth2.AuthStyleInHeader
		case "client_secret_post":
			return oauth2.AuthStyleInParams
		}
	}
	return oauth2.AuthStyleInHeader
}

// scopes are what a login asks for.
func (c *Client) scopes(p *provider) []string {
	if c.cfg.Scopes != nil {
		return c.cfg.Scopes
	}
	out := []string{oidc.ScopeOpenID}
	for _, scope := range []string{"profile", "email", "groups"} {
		for _, known := range p.scopes {
			if known == scope {
				out = append(out, scope)
			}
		}
	}
	if p.scopes == nil {
		out = append(out, "profile", "email")
	}
	return out
}

// flow is the library's configuration of one login.
func (c *Client) flow(p *provider, redirect string) (*oauth2.Config, error) {
	secret := ""
	if c.cfg.Secret != nil {
		var err error
		if secret, err = c.cfg.Secret(); err != nil {
			return nil, &AwayError{err}
		}
	}
	endpoint := p.Endpoint()
	if endpoint.AuthStyle = p.style; secret == "" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{ClientID: c.cfg.ClientID, ClientSecret: secret, Endpoint: endpoint, RedirectURL: redirect, Scopes: c.scopes(p)}, nil
}
