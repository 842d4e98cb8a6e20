// Package oidc logs users in at a provider of OpenID Connect: the code flow with PKCE, and
// a nonce in the ID token. It identifies a user, and never decides what the user may do.
//
// It trusts nothing that the provider or the browser sends: every answer is bounded in bytes and
// time, redirects are refused, and an ID token counts only if the provider's keys have signed it
// for this client and this login. It keeps no state of a login: the browser keeps the Attempt.
package oidc
