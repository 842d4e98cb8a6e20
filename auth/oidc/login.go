package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// An Attempt is a login that has begun. The caller must give it only to the browser that began it,
// protected against changes.
type Attempt struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"` // PKCE's
	Redirect string    `json:"redirect"`
	Until    time.Time `json:"until"`
}

// An Answer is what the provider has sent back with the browser.
type Answer struct {
	Code, State string
	Issuer      string // empty: the provider does not send it
	// Error and Description say why the provider refuses the login; empty: it does not.
	Error, Description string
}

// A User is who has logged in.
type User struct {
	Subject, Name string
	Groups        []string
	Until         time.Time // when the ID token expires
	// Ticket asks the provider about the user again.
	Ticket *Ticket
}

// Begin begins a login. The browser has to open the address; the provider sends it back to
// redirect. The state parameter begins with mark, so that the page there knows what to do. The
// error is an AwayError.
func (c *Client) Begin(ctx context.Context, redirect, mark string) (Attempt, string, error) {
	p, err := c.describe(ctx)
	if err != nil {
		return Attempt{}, "", err
	}
	flow, err := c.flow(p, redirect)
	if err != nil {
		return Attempt{}, "", err
	}
	a := Attempt{State: mark + random(), Nonce: random(), Verifier: oauth2.GenerateVerifier(), Redirect: redirect, Until: c.cfg.Now().Add(AttemptLifetime)}
	return a, flow.AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), nil
}

// random is a text of 256 random bits.
func random() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// Finish completes a login with what the provider has sent back. The error is ErrBusy, an
// AwayError or a RefusedError.
func (c *Client) Finish(ctx context.Context, a Attempt, in Answer) (User, error) {
	switch {
	case !c.cfg.Now().Before(a.Until):
		return User{}, refused("it took longer than %s; log in again", AttemptLifetime)
	case subtle.ConstantTimeCompare([]byte(in.State), []byte(a.State)) != 1:
		return User{}, refused("this browser has not begun it, or has begun another one since; log in again")
	case in.Issuer != "" && in.Issuer != c.cfg.Issuer:
		return User{}, refused("it comes from another identity provider")
	case in.Error != "":
		return User{}, refused("the identity provider says %s %s", in.Error, in.Description)
	case in.Code == "":
		return User{}, refused("the identity provider has sent no code")
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	default:
		return User{}, ErrBusy
	}
	p, err := c.describe(ctx)
	if err != nil {
		return User{}, err
	}
	token, id, err := c.exchange(ctx, p, a, in.Code)
	if err != nil {
		return User{}, err
	}
	return c.user(ctx, p, token, id)
}

// exchange exchanges the code for tokens at the provider, and checks the ID token.
func (c *Client) exchange(ctx context.Context, p *provider, a Attempt, code string) (*oauth2.Token, *oidc.IDToken, error) {
	flow, err := c.flow(p, a.Redirect)
	if err != nil {
		return nil, nil, err
	}
	token, err := flow.Exchange(c.withClient(ctx), code, oauth2.VerifierOption(a.Verifier))
	if denied, ok := errors.AsType[*oauth2.RetrieveError](err); ok && denied.ErrorCode != "" {
		if denied.ErrorCode == "invalid_client" || denied.ErrorCode == "unauthorized_client" {
			return nil, nil, &AwayError{fmt.Errorf("it does not accept client-id or client-secret-file: %s %s", denied.ErrorCode, denied.ErrorDescription)}
		}
		return nil, nil, refused("the identity provider does not accept the code: %s %s", denied.ErrorCode, denied.ErrorDescription)
	}
	if err != nil {
		return nil, nil, &AwayError{withoutBody(err)}
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return nil, nil, &AwayError{errors.New("it has sent no ID token")}
	}
	id, err := p.verifier.Verify(c.withClient(ctx), raw)
	switch {
	case isUnreachable(err):
		return nil, nil, &AwayError{err}
	case err != nil:
		return nil, nil, refused("the ID token is not valid: %s", strings.TrimPrefix(err.Error(), "oidc: "))
	}
	return token, id, c.checkToken(token, id, a.Nonce)
}

// withoutBody is an error without the answer that the library quotes.
func withoutBody(err error) error {
	if answer, ok := errors.AsType[*oauth2.RetrieveError](err); ok && answer.Response != nil {
		return fmt.Errorf("its token endpoint answers %s", answer.Response.Status)
	}
	return err
}

// isUnreachable reports whether the provider's keys could not be read.
func isUnreachable(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "fetching keys") || errors.Is(err, context.DeadlineExceeded) || errors.As(err, new(net.Error)))
}

// Bounds of what is kept of each session, in bytes.
const (
	maxSubject     = 255 // OpenID Connect Core 1.0, section 2
	maxAccessToken = 32 << 10
)

// checkToken checks what the library does not check of an ID token.
func (c *Client) checkToken(token *oauth2.Token, id *oidc.IDToken, nonce string) error {
	var extra struct {
		Party string `json:"azp"`
	}
	if err := id.Claims(&extra); err != nil {
		return refused("the ID token is not valid: %v", err)
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1:
		return refused("the ID token is for another login (nonce)")
	case id.Subject == "":
		return refused("the ID token names nobody (sub)")
	case len(id.Subject) > maxSubject:
		return refused("the ID token has a name (sub) of more than %d bytes", maxSubject)
	case len(token.AccessToken) > maxAccessToken:
		return refused("the access token has more than %d bytes", maxAccessToken)
	case extra.Party != "" && extra.Party != c.cfg.ClientID || extra.Party == "" && len(slices.Compact(slices.Sorted(slices.Values(id.Audience)))) > 1:
		return refused("the ID token was issued to another client (azp)")
	case id.AccessTokenHash != "" && id.VerifyAccessToken(token.AccessToken) != nil:
		return refused("the ID token does not fit the access token (at_hash)")
	}
	return nil
}

// user reads name and groups from the ID token and, if the groups are not there, from the
// provider's userinfo.
func (c *Client) user(ctx context.Context, p *provider, token *oauth2.Token, id *oidc.IDToken) (User, error) {
	said, err := decoded(id)
	if err != nil {
		return User{}, refused("the ID token is not valid: %v", err)
	}
	groups, found, err := said.groups(c.cfg.GroupsClaim)
	if err != nil {
		return User{}, refused("%v", err)
	}
	t := newTicket(token, id.Subject, !found)
	if !found && p.UserInfoEndpoint() != "" {
		more, err := c.userInfo(ctx, p, t)
		if err != nil {
			return User{}, err
		}
		for name, value := range more {
			if _, known := said[name]; !known {
				said[name] = value
			}
		}
		if groups, _, err = said.groups(c.cfg.GroupsClaim); err != nil {
			return User{}, refused("%v", err)
		}
	}
	name, err := said.userName(c.cfg.NameClaim, id.Subject)
	if err != nil {
		return User{}, refused("%v", err)
	}
	return User{Subject: id.Subject, Name: name, Groups: groups, Until: id.Expiry, Ticket: t}, nil
}
