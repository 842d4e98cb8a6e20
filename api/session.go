package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
	"thalassa/lb"
	"thalassa/live"
)

// cookieName is where a browser keeps its session. Over TLS it is secureCookieName, which browsers
// accept and send over TLS only, and for this host only.
const (
	cookieName       = "thalassa_session"
	secureCookieName = "__Host-thalassa_session"
)

// sessionHandlers begin, show and end the sessions of browsers.
type sessionHandlers struct {
	guard *guard
	live  *live.Server // whose websockets end with their session
	sso   *ssoLogin
}

// sessionDocument is the identity of a caller as JSON.
type sessionDocument struct {
	Name           string     `json:"name"`
	Subject        string     `json:"subject,omitempty"` // of a user of a provider
	Role           string     `json:"role"`
	On             []string   `json:"on,omitempty"`      // patterns that the role is limited to; absent: all objects
	See            *bool      `json:"see,omitempty"`     // false: other objects are hidden; absent: the role is not limited
	Authentication bool       `json:"authentication"`    // tokens are needed here
	How            string     `json:"how,omitempty"`     // what the caller has shown: token, password, certificate, oidc or pam
	Session        string     `json:"session,omitempty"` // its ID in GET /sessions
	Expires        *time.Time `json:"expires,omitempty"`
	Nodes          string     `json:"nodes,omitempty"` // where the session holds; see nodes
	Token          string     `json:"token,omitempty"` // of a login that asked for it
}

func (h sessionHandlers) document(who auth.Identity) sessionDocument {
	out := sessionDocument{Name: who.Name, Subject: who.Subject, Role: who.Role.String(), Authentication: h.guard.authority != nil, On: who.Patterns()}
	if who.IsLimited() {
		out.See = new(!who.HidesRest())
	}
	return out
}

// show shows callers who they are.
func (h sessionHandlers) show(c echo.Context) error {
	who, err := h.guard.identify(c.Request())
	if err != nil {
		return err
	}
	out := h.document(who.Identity)
	out.How, out.Session = string(who.how), sessionID(who.session)
	if who.session != "" {
		if session, ok := h.guard.sessions.Find(who.session); ok {
			out.Expires = &session.Expires
		}
	}
	return respond(c, http.StatusOK, out)
}

// credentials are those of a login: a token, a user's name and password, or what an identity
// provider has sent through the browser.
type credentials struct {
	Token    string `json:"token"`
	User     string `json:"user"`
	Password string `json:"password"`
	// Of a login at an identity provider, as its parameters are called (RFC 6749, RFC 9207).
	Code             string `json:"code"`
	State            string `json:"state"`
	Issuer           string `json:"iss"`
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
	// Bearer asks for the session as a token, for programs without cookies.
	Bearer bool `json:"bearer"`
}

// verify checks the credentials of a login. With an error, the Identity has what is known.
func (h sessionHandlers) verify(c echo.Context, in credentials) (auth.Identity, auth.Proof, error) {
	switch {
	case in.State == "" && in.User == "" && in.Password == "":
		return h.guard.verifyToken(c.Request(), in.Token)
	case in.State != "" && in.Token+in.User+in.Password != "":
		return auth.Identity{}, auth.Proof{}, invalidField("state", "is there together with a token or a password", "either of them")
	case in.State != "":
		return h.finish(c, in)
	case in.Token != "":
		return auth.Identity{}, auth.Proof{}, invalidField("token", "is there together with a password", "either of them")
	}
	who, proof, err := h.guard.verifyPassword(c.Request(), in.User, in.Password)
	if err != nil && h.guard.authority.HasUser(in.User) { // any other name may be a password in the wrong field
		who.Name = in.User
	}
	return who, proof, err
}

// kind is the kind of the credentials.
func (in credentials) kind() auth.ProofKind {
	switch {
	case in.State != "":
		return auth.ByOpenID
	case in.User == "" && in.Password == "":
		return auth.ByToken
	}
	return auth.ByPassword
}

// login begins a session for the owner of a token, for a user, or for a user of an identity
// provider.
func (h sessionHandlers) login(c echo.Context) error {
	r := c.Request()
	data, err := body(c)
	if err != nil {
		return err
	}
	var in credentials
	if err := json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &in); err != nil {
		return invalidField("body", "is not a JSON object with a token, or with user and password", `{"token":"…"} or {"user":"…","password":"…"}`)
	}
	if h.guard.authority == nil {
		return h.show(c)
	}
	who, proof, err := h.verify(c, in)
	if err != nil {
		c.Set(loginKey, caller{Identity: who, how: in.kind()})
		return err
	}
	if err := r.Context().Err(); err != nil { // nobody would get the session
		return err
	}
	id, session, ok := h.guard.sessions.Begin(proof, remoteIP(r))
	if !ok { // it is not valid any more
		return unknownToken()
	}
	c.Set(loginKey, caller{Identity: session.Identity, how: session.Kind, session: id})
	if err := h.end(r); err != nil { // the former session of the browser
		h.guard.logger.WarnContext(r.Context(), "the former session of a browser may come back", "error", err)
	}
	h.guard.logger.InfoContext(r.Context(), "session begun", "name", session.Name, "role", session.Role.String(), "remote", r.RemoteAddr)
	out := h.document(session.Identity)
	out.How, out.Session, out.Expires = string(session.Kind), session.ID, &session.Expires
	out.Nodes = h.nodes(r)
	if in.Bearer {
		out.Token = id
	} else {
		c.SetCookie(sessionCookie(r, id, session.Expires, 0))
	}
	return respond(c, http.StatusOK, out)
}

// logout ends the caller's session.
func (h sessionHandlers) logout(c echo.Context) error {
	r := c.Request()
	if who, err := h.guard.identify(r); err == nil {
		c.Set(callerKey, who)
	}
	err := h.end(r)
	c.SetCookie(sessionCookie(r, "", time.Time{}, -1))
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, endedDocument{"session", h.nodes(r)})
}

// An endedDocument says that a session has ended, as JSON.
type endedDocument struct {
	ID    string `json:"id"`
	Nodes string `json:"nodes,omitempty"` // where it has ended; see nodes
}

// tellTime is how long a login or a logout waits until it is known to the other nodes.
const tellTime = 2 * time.Second

// nodes says where what has just become of a session is known, as auth.Reach has it; empty:
// sessions hold on one node anyway.
func (h sessionHandlers) nodes(r *http.Request) string {
	if h.guard.shared == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(r.Context(), tellTime)
	defer cancel()
	return string(h.guard.shared.Told(ctx))
}

// endsForNow is the error for sessions that have ended, but would be valid again after a restart.
func endsForNow(err error) error {
	if err == nil {
		return nil
	}
	return &lb.UnavailableError{What: "the session has ended, and is valid again after a restart of the agent: " + err.Error()}
}

// end ends all sessions that a request shows, in a cookie or a header, and closes their websockets.
func (h sessionHandlers) end(r *http.Request) error {
	var ids []string
	for _, cookie := range r.Cookies() {
		if name, _ := cookieNameOf(r); cookie.Name == name {
			ids = append(ids, cookie.Value)
		}
	}
	for _, header := range r.Header.Values(echo.HeaderAuthorization) {
		if scheme, token, _ := strings.Cut(header, " "); strings.EqualFold(scheme, "Bearer") {
			ids = append(ids, strings.TrimSpace(token))
		}
	}
	var failed error
	for _, id := range ids {
		if id != "" {
			failed = cmp.Or(h.guard.sessions.End(id), failed)
			h.live.EndSession(auth.SessionID(id))
		}
	}
	return endsForNow(failed)
}

// sessionCookie is a cookie that scripts cannot read and other sites cannot send.
func sessionCookie(r *http.Request, id string, expires time.Time, maxAge int) *http.Cookie {
	name, secure := cookieNameOf(r)
	return &http.Cookie{
		Name: name, Value: id, Path: "/", Expires: expires, MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure,
	}
}

// sessionOf is the cookie with the session of a request.
func sessionOf(r *http.Request) (*http.Cookie, error) {
	name, _ := cookieNameOf(r)
	return r.Cookie(name)
}

// cookieNameOf is the name of the session's cookie, and whether it is for TLS only. A
// proxy before the agent may terminate TLS; a forged X-Forwarded-Proto only makes
// browsers more careful.
func cookieNameOf(r *http.Request) (name string, secure bool) {
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return secureCookieName, true
	}
	return cookieName, false
}
