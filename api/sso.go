package api

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
	"thalassa/auth/oidc"
	"thalassa/lb"
)

// attemptCookie is where a browser keeps a login that has begun at a provider of OpenID
// Connect; over TLS it is secureAttemptCookie.
const (
	attemptCookie       = "thalassa_login"
	secureAttemptCookie = "__Host-thalassa_login"
)

// ownCookies are the names of cookies that no application gets, or can set.
func ownCookies() []string {
	return []string{cookieName, secureCookieName, attemptCookie, secureAttemptCookie}
}

// terminalMark begins the state of a login for a command line; page /login knows it.
const terminalMark = "terminal."

// ssoTimeout bounds what a login asks of the provider.
const ssoTimeout = 20 * time.Second

// A ssoLogin logs users in at the provider of the access file. It does not store logins in
// progress: the browser does, in a cookie that only this process can make.
type ssoLogin struct {
	authority *auth.Authority
	now       func() time.Time
	isOwnHost func(r *http.Request) bool
	key       []byte // of the cookies; ends with the process

	mu       sync.Mutex
	settings *auth.OpenID // that client was made of
	client   *oidc.Client
}

func newSSOLogin(cfg Config) *ssoLogin {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails
	return &ssoLogin{authority: cfg.Authority, now: cfg.Now, isOwnHost: func(r *http.Request) bool { return isOwnHost(cfg, r) }, key: key}
}

// current is the provider of the access file and a client of it.
func (s *ssoLogin) current() (*auth.OpenID, *oidc.Client, error) {
	settings := s.authority.OpenID()
	if settings == nil {
		return nil, nil, &lb.NotFoundError{ID: "an identity provider of this agent"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settings == settings {
		return settings, s.client, nil
	}
	client, err := oidc.New(oidc.Config{
		Issuer: settings.Issuer, ClientID: settings.ClientID, Secret: settings.Secret, CAFile: settings.CAFile, Scopes: settings.Scopes,
		GroupsClaim: settings.GroupsClaim, NameClaim: settings.NameClaim, Now: s.now,
	})
	if err != nil {
		return nil, nil, unavailableFailure("the identity provider cannot be used: " + err.Error())
	}
	s.settings, s.client = settings, client
	return settings, client, nil
}

// redirect is the address of this agent's login page, where the provider sends browsers to.
func (s *ssoLogin) redirect(r *http.Request, settings *auth.OpenID) (string, error) {
	if settings.Redirect != "" {
		return settings.Redirect, nil
	}
	scheme, port := "http", "80"
	if r.TLS != nil {
		scheme, port = "https", "443"
	}
	host := hostOnly(r.Host)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if _, named, err := net.SplitHostPort(r.Host); err == nil {
		host, port = host+":"+named, named
	}
	if to, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); !ok || strconv.Itoa(to.Port) != port || !s.isOwnHost(r) {
		return "", &ResponseError{
			Status: http.StatusMisdirectedRequest, Code: "misdirected",
			Message: "the Host header names " + shown(r.Host) + ", which is no address of this agent; tls-names or redirect of oidc adds one",
		}
	}
	return scheme + "://" + host + "/login", nil
}

// begin begins a login: the answer has the address that the browser has to open.
func (h sessionHandlers) begin(c echo.Context) error {
	r := c.Request()
	settings, client, err := h.sso.current()
	if err != nil {
		return err
	}
	redirect, err := h.sso.redirect(r, settings)
	if err != nil {
		return err
	}
	data, err := body(c)
	if err != nil {
		return err
	}
	var in struct {
		// Terminal: a command line keeps the cookie. The page shows what the provider sends, and
		// the user copies it.
		Terminal bool `json:"terminal"`
	}
	if err := json.Unmarshal(data, &in); len(data) > 0 && err != nil {
		return invalidField("body", "is not a JSON object with terminal", `{"terminal":true}, or no body`)
	}
	mark := ""
	if in.Terminal {
		mark = terminalMark
	}
	ctx, cancel := context.WithTimeout(r.Context(), ssoTimeout)
	defer cancel()
	attempt, url, err := client.Begin(ctx, redirect, mark)
	if err != nil {
		return h.ssoFailure(r, err)
	}
	c.SetCookie(attemptCookieOf(r, h.sso.seal(attempt), attempt.Until, 0))
	return respond(c, http.StatusOK, struct {
		URL string `json:"url"`
	}{url})
}

// finish completes a login with what the provider has sent with the browser. Logins that
// are refused count for the source.
func (h sessionHandlers) finish(c echo.Context, in credentials) (auth.Identity, auth.Proof, error) {
	r := c.Request()
	try := &guess{source: source(r)}
	switch wait, err := h.guard.limiter.begin(r.Context(), try, h.guard.now); {
	case err != nil:
		return auth.Identity{}, auth.Proof{}, tooManyChecks()
	case wait > 0:
		return auth.Identity{}, auth.Proof{}, tooManyAttempts(wait, "logins")
	}
	result := undecided
	defer func() { h.guard.limiter.settle(try, result, h.guard.now()) }()
	who, proof, err := h.askProvider(r, in)
	if f, ok := errors.AsType[*ResponseError](err); ok && isRefusal(f.Status) && f.Status != http.StatusTooManyRequests {
		result = isWrong
	}
	c.SetCookie(attemptCookieOf(r, "", time.Time{}, -1))
	return who, proof, err
}

func (h sessionHandlers) askProvider(r *http.Request, in credentials) (auth.Identity, auth.Proof, error) {
	settings, client, err := h.sso.current()
	if err != nil {
		return auth.Identity{}, auth.Proof{}, err
	}
	attempt, ok := h.sso.open(r)
	if !ok {
		return auth.Identity{}, auth.Proof{}, unauthorized("", "this browser has not begun a login here, or the agent has been restarted since; log in again")
	}
	// It goes on when the browser goes away: otherwise wrong codes would not count.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), ssoTimeout)
	defer cancel()
	user, err := client.Finish(ctx, attempt, oidc.Answer{Code: in.Code, State: in.State, Issuer: in.Issuer, Error: in.Error, Description: in.ErrorDescription})
	if err != nil {
		return auth.Identity{}, auth.Proof{}, h.ssoFailure(r, err)
	}
	who, proof, err := h.guard.authority.OpenIDUser(settings, auth.OpenIDUser{
		Subject: user.Subject, Name: user.Name, Groups: user.Groups, Until: user.Until,
		Ask: func(ctx context.Context) ([]string, bool, error) { return client.Ask(ctx, user.Ticket) },
	})
	if err != nil {
		return who, proof, forbidden(err.Error())
	}
	return who, proof, nil
}

// ssoFailure is the answer to an error of the client of the provider.
func (h sessionHandlers) ssoFailure(r *http.Request, err error) error {
	if errors.Is(err, oidc.ErrBusy) {
		return &ResponseError{
			Status: http.StatusTooManyRequests, Code: "too_many", Message: err.Error() + "; try again later",
			Header: http.Header{echo.HeaderRetryAfter: {"1"}},
		}
	}
	if away, ok := errors.AsType[*oidc.AwayError](err); ok {
		h.guard.logger.WarnContext(r.Context(), "login at the identity provider failed", "error", away.Err)
		return unavailableFailure(away.Error())
	}
	return unauthorized("", err.Error())
}

// seal makes the value of the cookie with a login that has begun.
func (s *ssoLogin) seal(a oidc.Attempt) string {
	data, _ := json.Marshal(a) // texts and a time: it never fails
	return base64.RawURLEncoding.EncodeToString(append(s.mac(data), data...))
}

// open reads the login that the browser of a request has begun; false: it has none that
// this process has made.
func (s *ssoLogin) open(r *http.Request) (oidc.Attempt, bool) {
	var a oidc.Attempt
	cookie, err := r.Cookie(attemptCookieOf(r, "", time.Time{}, 0).Name)
	if err != nil {
		return a, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(sealed) < sha256.Size || !hmac.Equal(sealed[:sha256.Size], s.mac(sealed[sha256.Size:])) {
		return a, false
	}
	return a, json.Unmarshal(sealed[sha256.Size:], &a) == nil
}

func (s *ssoLogin) mac(data []byte) []byte {
	m := hmac.New(sha256.New, s.key)
	m.Write(data)
	return m.Sum(nil)
}

// attemptCookieOf is a cookie like that of a session.
func attemptCookieOf(r *http.Request, value string, expires time.Time, maxAge int) *http.Cookie {
	c := sessionCookie(r, value, expires, maxAge)
	if c.Name = attemptCookie; c.Secure {
		c.Name = secureAttemptCookie
	}
	return c
}

// waysDocument says how one can log in, as JSON.
type waysDocument struct {
	Ways []string `json:"ways"` // token, password, sso
	// Provider is the URL of the identity provider of sso.
	Provider string `json:"provider,omitempty"`
}

// ways says how to log in; it needs no login.
func (h sessionHandlers) ways(c echo.Context) error {
	out := waysDocument{Ways: []string{}}
	if h.guard.authority != nil {
		out.Ways = append(out.Ways, "token")
	}
	if h.guard.authority.HasPasswords() {
		out.Ways = append(out.Ways, "password")
	}
	if o := h.guard.authority.OpenID(); o != nil {
		out.Ways, out.Provider = append(out.Ways, "sso"), o.Issuer
	}
	return respond(c, http.StatusOK, out)
}
