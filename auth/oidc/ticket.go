package oidc

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/oauth2"
)

// A Ticket is used to ask a provider about a user who has logged in before. It contains a secret of
// the user, so keep it in memory only.
type Ticket struct {
	access     *oauth2.Token
	subject    string
	inUserInfo bool // where the groups are; else in the ID token
}

// newTicket keeps of a provider's answer what a question needs.
func newTicket(token *oauth2.Token, subject string, inUserInfo bool) *Ticket {
	access := &oauth2.Token{AccessToken: token.AccessToken, TokenType: token.TokenType, Expiry: token.Expiry}
	return &Ticket{access: access, subject: subject, inUserInfo: inUserInfo}
}

// Ask asks the provider whether it still knows the user, and for the groups. known is false
// if the provider has withdrawn the login. A nil list of groups means that the provider says
// nothing about them, as it may after the ticket has expired. The error is an AwayError.
func (c *Client) Ask(ctx context.Context, t *Ticket) (groups []string, known bool, err error) {
	if !t.access.Expiry.IsZero() && !c.cfg.Now().Before(t.access.Expiry) {
		return nil, true, nil
	}
	p, err := c.describe(ctx)
	if err != nil || p.UserInfoEndpoint() == "" {
		return nil, true, err
	}
	said, err := c.userInfo(ctx, p, t)
	if errors.As(err, new(*RefusedError)) {
		return nil, false, nil
	}
	if err != nil {
		return nil, true, err
	}
	groups, found, err := said.groups(c.cfg.GroupsClaim)
	switch {
	case err != nil:
		return nil, true, &AwayError{err}
	case !found && t.inUserInfo:
		return []string{}, true, nil
	}
	return groups, true, nil
}

// userInfo is what the provider says of a user now. A RefusedError means that it does not
// know the user any more.
func (c *Client) userInfo(ctx context.Context, p *provider, t *Ticket) (claims, error) {
	info, err := p.UserInfo(c.withClient(ctx), oauth2.StaticTokenSource(t.access))
	if err != nil {
		// The library has the status in its text alone.
		if text := err.Error(); strings.HasPrefix(text, "401") || strings.HasPrefix(text, "403") {
			return nil, refused("the identity provider does not tell about the user any more: %s", text)
		}
		return nil, &AwayError{err}
	}
	if info.Subject != t.subject {
		return nil, refused("the identity provider speaks of another user (sub of userinfo)")
	}
	return decoded(info)
}
