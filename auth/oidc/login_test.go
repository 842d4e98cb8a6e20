package oidc_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/auth/oidc"
	"thalassa/internal/testkit"
)

const redirect = "http://127.0.0.1:9/login"

func clientOf(t *testing.T, p *testkit.Provider, change func(*oidc.Config)) *oidc.Client {
	t.Helper()
	cfg := oidc.Config{
		Issuer: p.Issuer, ClientID: p.ClientID, GroupsClaim: "groups", Now: time.Now,
		Secret: func() (string, error) { return p.Secret, nil },
	}
	if change != nil {
		change(&cfg)
	}
	c, err := oidc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// begun is a login of ann that has come back from the provider.
func begun(t *testing.T, c *oidc.Client, p *testkit.Provider) (oidc.Attempt, oidc.Answer) {
	t.Helper()
	a, address, err := c.Begin(t.Context(), redirect, "")
	if err != nil {
		t.Fatal(err)
	}
	return a, answerOf(p.LogIn(t, address, "ann"))
}

func answerOf(back *url.URL) oidc.Answer {
	q := back.Query()
	return oidc.Answer{Code: q.Get("code"), State: q.Get("state"), Issuer: q.Get("iss"), Error: q.Get("error"), Description: q.Get("error_description")}
}

// A certified provider logs a user in, whether it tells the groups in the ID token or not.
func TestLogin(t *testing.T) {
	t.Parallel()
	for _, inToken := range []bool{false, true} {
		t.Run(map[bool]string{false: "userinfo", true: "ID token"}[inToken], func(t *testing.T) {
			t.Parallel()
			p := testkit.StartProvider(t, testkit.ProviderOptions{Redirect: redirect, InToken: inToken})
			p.SetAccounts(t, map[string]testkit.Account{"ann": {"groups": []string{"ops", "dev"}}})
			c := clientOf(t, p, nil)
			a, in := begun(t, c, p)
			u, err := c.Finish(t.Context(), a, in)
			if err != nil {
				t.Fatal(err)
			}
			if u.Name != "ann" || u.Subject != "ann" || !slices.Equal(u.Groups, []string{"ops", "dev"}) || time.Until(u.Until) < time.Minute {
				t.Errorf("%+v", u)
			}
			asksAgain(t, c, p, u.Ticket)
		})
	}
}

// asksAgain has the provider change its mind about ann.
func asksAgain(t *testing.T, c *oidc.Client, p *testkit.Provider, ticket *oidc.Ticket) {
	t.Helper()
	p.SetAccounts(t, map[string]testkit.Account{"ann": {"groups": []string{"dev"}}})
	if groups, known, err := c.Ask(t.Context(), ticket); err != nil || !known || !slices.Equal(groups, []string{"dev"}) {
		t.Errorf("other groups: %v, %t, %v", groups, known, err)
	}
	p.SetAccounts(t, nil)
	if _, known, err := c.Ask(t.Context(), ticket); err != nil || known {
		t.Errorf("a user who is gone: %t, %v", known, err)
	}
	p.Stop()
	if _, known, err := c.Ask(t.Context(), ticket); err == nil || !known {
		t.Errorf("a provider that is away: %t, %v", known, err)
	}
}

// What does not belong to the login of this browser is refused, before the provider is asked
// or by it.
func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	p := testkit.StartProvider(t, testkit.ProviderOptions{Redirect: redirect})
	p.SetAccounts(t, map[string]testkit.Account{"ann": {}})
	c := clientOf(t, p, nil)
	a, in := begun(t, c, p)
	for _, tt := range []struct {
		change func(*oidc.Attempt, *oidc.Answer)
		says   string
	}{
		{func(_ *oidc.Attempt, in *oidc.Answer) { in.State = "" }, "this browser has not begun it"},
		{func(_ *oidc.Attempt, in *oidc.Answer) { in.State += "x" }, "this browser has not begun it"},
		{func(a *oidc.Attempt, _ *oidc.Answer) { a.Until = time.Now() }, "took longer"},
		{func(_ *oidc.Attempt, in *oidc.Answer) { in.Issuer = "https://other.example" }, "another identity provider"},
		{func(_ *oidc.Attempt, in *oidc.Answer) { in.Error = "access_denied" }, "access_denied"},
		{func(_ *oidc.Attempt, in *oidc.Answer) { in.Code = "" }, "no code"},
		{func(_ *oidc.Attempt, in *oidc.Answer) { in.Code = "nonsense" }, "invalid_grant"},
	} {
		attempt, answer := a, in
		tt.change(&attempt, &answer)
		if _, err := c.Finish(t.Context(), attempt, answer); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("error %v, want it to say %q", err, tt.says)
		}
	}
	// The provider checks PKCE: a code that somebody else has seen is of no use.
	stolen := a
	stolen.Verifier = strings.Repeat("x", 43)
	if _, err := c.Finish(t.Context(), stolen, in); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("a code without its verifier: %v", err)
	}
	a, in = begun(t, c, p)
	if _, err := c.Finish(t.Context(), a, in); err != nil {
		t.Errorf("the login itself: %v", err)
	}
	if _, err := c.Finish(t.Context(), a, in); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("a code counts twice: %v", err)
	}
	wrong := clientOf(t, p, func(cfg *oidc.Config) { cfg.Secret = func() (string, error) { return "wrong", nil } })
	a, in = begun(t, wrong, p)
	if _, err := wrong.Finish(t.Context(), a, in); err == nil || !strings.Contains(err.Error(), "client-secret-file") {
		t.Errorf("a wrong secret: %v", err)
	}
}

// The end of the request ends the waiting for a provider that does not answer.
func TestContextEndsTheWaiting(t *testing.T) {
	t.Parallel()
	_, c := newLiar(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.Begin(ctx, redirect, ""); err == nil {
		t.Error("it has not ended")
	}
}
