package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
)

// identify finds the caller by an Authorization header, else by a session, else by the certificate
// of the connection. Without authentication, the caller is anonymous and has every right if the
// connection is admitted.
func (g *guard) identify(r *http.Request) (caller, error) {
	if g.authority == nil {
		if err := g.admitter.admit(r); err != nil {
			return caller{}, err
		}
		return caller{Identity: auth.Identity{Name: "anonymous@" + remoteIP(r), Grant: auth.Grant{Role: auth.Admin}}}, nil
	}
	header := r.Header.Values(echo.HeaderAuthorization)
	if len(header) > 0 {
		return g.identifyHeader(r, header)
	}
	if cookie, err := sessionOf(r); err == nil {
		return g.identifySession(cookie.Value)
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		if who, proof, ok := g.authority.Certificate(r.TLS.PeerCertificates[0], r.TLS.PeerCertificates[1:]...); ok {
			return g.callerOf(who, proof, sessionEnded), nil
		}
		return caller{}, unauthorized("", "the client's certificate is not in the access file, or no authority of client-ca has signed it")
	}
	return caller{}, unauthorized("", "this request needs a token: Authorization: Bearer TOKEN")
}

// seesEverything reports whether the caller of a request is known, and no object is hidden
// from it.
func (g *guard) seesEverything(r *http.Request) bool {
	who, err := g.identify(r)
	return err == nil && !who.HidesRest()
}

// identifyHeader finds the caller by a token, or over TLS by name and password.
func (g *guard) identifyHeader(r *http.Request, header []string) (caller, error) {
	scheme, value, _ := strings.Cut(header[0], " ")
	switch name, password, isBasic := r.BasicAuth(); {
	case len(header) > 1 || !isBasic && !strings.EqualFold(scheme, "Bearer"):
		return caller{}, unauthorized(`, error="invalid_request"`, "the Authorization header is not of the form Bearer TOKEN, or Basic with name and password")
	case !isBasic && g.isSession(value):
		return g.identifySession(strings.TrimSpace(value))
	case !isBasic:
		who, proof, err := g.verifyToken(r, value)
		if err != nil {
			return caller{}, err
		}
		return g.callerOf(who, proof, unknownToken), nil
	case r.TLS == nil:
		return caller{}, unauthorized(`, error="invalid_request"`, "a password is taken over TLS only; replace this one, which others may have read")
	default:
		who, proof, err := g.verifyPassword(r, name, password)
		if err != nil {
			return caller{}, err
		}
		if proof.Kind == auth.ByAccount { // without a session, nobody asks the system about it again
			proof.Until = g.now().Add(auth.MaxUnanswered)
		}
		return g.callerOf(who, proof, wrongPassword), nil
	}
}

// callerOf is the caller with a proof; lost is the error once the proof is no longer valid.
func (g *guard) callerOf(who auth.Identity, proof auth.Proof, lost func() *ResponseError) caller {
	return caller{
		Identity: who, how: proof.Kind,
		check: func() (auth.Identity, bool) { return g.authority.Identify(proof) },
		ask: func() (auth.Identity, error) {
			if now, ok := g.authority.IdentifyNow(proof); ok {
				return now, nil
			}
			return auth.Identity{}, lost()
		},
	}
}

// isSession reports whether a token is the id of a session.
func (g *guard) isSession(token string) bool {
	_, ok := g.sessions.Find(strings.TrimSpace(token))
	return ok
}

// identifySession finds the caller by the id of a session.
func (g *guard) identifySession(id string) (caller, error) {
	found, ok := g.sessions.Find(id)
	if !ok {
		return caller{}, sessionEnded()
	}
	find := func() (auth.Identity, bool) {
		session, ok := g.sessions.Find(id)
		return session.Identity, ok
	}
	ask := func() (auth.Identity, error) {
		if session, ok := g.sessions.FindNow(id); ok {
			return session.Identity, nil
		}
		return auth.Identity{}, sessionEnded()
	}
	return caller{Identity: found.Identity, how: found.Kind, session: id, check: find, ask: ask}, nil
}

// verifyToken finds the owner of a token. After many wrong tokens, their source has to wait; the
// first wrong one is logged.
func (g *guard) verifyToken(r *http.Request, token string) (auth.Identity, auth.Proof, error) {
	who, proof, right := g.authority.Token(strings.TrimSpace(token))
	wait, first := g.limiter.admit(source(r), proof.Hash, right, g.now())
	switch {
	case wait > 0:
		return auth.Identity{}, auth.Proof{}, tooManyAttempts(wait, "tokens")
	case right:
		return who, proof, nil
	case first:
		g.logger.WarnContext(r.Context(), "wrong token", "remote", r.RemoteAddr, "method", r.Method, "path", r.URL.Path)
	}
	return auth.Identity{}, auth.Proof{}, unknownToken()
}

// verifyPassword finds a user. Wrong passwords count for the source and for the name: while others
// guess the password of a name, that name has to wait at sources from which it has not logged in
// before.
func (g *guard) verifyPassword(r *http.Request, name, password string) (auth.Identity, auth.Proof, error) {
	try := g.limiter.guessOf(source(r), name, password)
	switch wait, err := g.limiter.begin(r.Context(), try, g.now); {
	case err != nil:
		return auth.Identity{}, auth.Proof{}, tooManyChecks()
	case wait > 0:
		return auth.Identity{}, auth.Proof{}, tooManyAttempts(wait, "passwords")
	case try.isWrong:
		return auth.Identity{}, auth.Proof{}, wrongPassword()
	}
	result := undecided
	defer func() { //nolint:contextcheck // it has that of r
		if g.limiter.settle(try, result, g.now()) {
			g.logger.WarnContext(r.Context(), "wrong password", "remote", r.RemoteAddr, "method", r.Method, "path", r.URL.Path)
		}
	}()
	who, proof, right, err := g.authority.Password(r.Context(), name, password)
	switch {
	case errors.Is(err, auth.ErrBusy) || errors.Is(err, context.DeadlineExceeded):
		return auth.Identity{}, auth.Proof{}, tooManyChecks()
	case err != nil:
		return who, auth.Proof{}, g.accountFailure(r, err)
	case right:
		result = isRight
		return who, proof, nil
	}
	result = isWrong
	return auth.Identity{}, auth.Proof{}, wrongPassword()
}

// tooManyChecks says that passwords are checked one at a time.
func tooManyChecks() *ResponseError {
	return &ResponseError{
		Status: http.StatusTooManyRequests, Code: "too_many", Message: "too many passwords wait for their check; try again later",
		Header: http.Header{echo.HeaderRetryAfter: {"1"}},
	}
}

// accountFailure is the answer to an account of the system that may not log in, in the words
// of the system, or that cannot be looked up.
func (g *guard) accountFailure(r *http.Request, err error) error {
	switch {
	case errors.As(err, new(*auth.AccountError)), errors.As(err, new(*auth.NoRoleError)):
		return forbidden(err.Error())
	case r.Context().Err() != nil:
		return err
	}
	g.logger.WarnContext(r.Context(), "system not asked about an account", "error", err)
	return unavailableFailure("the accounts of the system cannot be asked; the agent's log says why")
}

// tooManyAttempts asks for a pause after wrong tokens or passwords.
func tooManyAttempts(wait time.Duration, what string) *ResponseError {
	return &ResponseError{
		Status: http.StatusTooManyRequests, Code: "too_many", Message: "too many wrong " + what + " came from this address, or from many; try again later",
		Header: http.Header{echo.HeaderRetryAfter: {seconds(wait)}},
	}
}

func unauthorized(hint, message string) *ResponseError {
	return &ResponseError{
		Status: http.StatusUnauthorized, Code: "unauthorized", Message: message,
		Header: http.Header{echo.HeaderWWWAuthenticate: {`Bearer realm="thalassa"` + hint}},
	}
}

func sessionEnded() *ResponseError {
	return unauthorized(`, error="invalid_token"`, "the session has ended")
}

func unknownToken() *ResponseError {
	return unauthorized(`, error="invalid_token"`, "the token is not known")
}

func wrongPassword() *ResponseError {
	return unauthorized(`, error="invalid_token"`, "name or password is wrong")
}
