package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
)

// cookieName is where a browser keeps its session.
const cookieName = "thalassa_session"

// A caller is who sent a request, and how that can be asked again.
type caller struct {
	auth.Identity
	// session is the id of the session that said so; empty: none did.
	session string
	// check finds out whether the caller is still who they were; nil: always.
	check func() (auth.Identity, bool)
}

// identify finds out who the caller is: by a token, else by a session. Without
// tokens it is anybody at their address, with every right, unless the connection is
// not to have any.
func (s *Server) identify(r *http.Request) (caller, error) {
	if s.cfg.Tokens == nil {
		if err := s.admit(r); err != nil {
			return caller{}, err
		}
		return caller{Identity: auth.Identity{Name: "anonymous@" + remoteIP(r), Role: auth.Admin}}, nil
	}
	header := r.Header.Values(echo.HeaderAuthorization)
	if len(header) == 0 {
		return s.identifySession(r)
	}
	scheme, token, _ := strings.Cut(header[0], " ")
	if len(header) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return caller{}, unauthorized(`, error="invalid_request"`, "the Authorization header is not of the form Bearer TOKEN")
	}
	who, proof, err := s.checkToken(r, token)
	if err != nil {
		return caller{}, err
	}
	return caller{Identity: who, check: func() (auth.Identity, bool) { return s.cfg.Tokens.Identify(proof) }}, nil
}

func (s *Server) identifySession(r *http.Request) (caller, error) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return caller{}, unauthorized("", "this needs a token: Authorization: Bearer TOKEN")
	}
	find := func() (auth.Identity, bool) {
		session, ok := s.sessions.Find(cookie.Value)
		return session.Identity, ok
	}
	who, ok := find()
	if !ok {
		return caller{}, unauthorized(`, error="invalid_token"`, "the session is over")
	}
	return caller{Identity: who, session: cookie.Value, check: find}, nil
}

// shownSession is who a caller is, as told to them.
type shownSession struct {
	Name           string     `json:"name"`
	Role           string     `json:"role"`
	Authentication bool       `json:"authentication"` // tokens are needed here
	Expires        *time.Time `json:"expires,omitempty"`
}

func (s *Server) shownSession(who auth.Identity) shownSession {
	return shownSession{Name: who.Name, Role: who.Role.String(), Authentication: s.cfg.Tokens != nil}
}

// whoami tells callers who they are.
func (s *Server) whoami(c echo.Context) error {
	who, err := s.identify(c.Request())
	if err != nil {
		return err
	}
	out := s.shownSession(who.Identity)
	if who.session != "" {
		if session, ok := s.sessions.Find(who.session); ok {
			out.Expires = &session.Expires
		}
	}
	return respond(c, http.StatusOK, out)
}

// login begins a session for whoever shows a token.
func (s *Server) login(c echo.Context) error {
	r := c.Request()
	data, err := body(c)
	if err != nil {
		return err
	}
	var in struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return invalidField("body", "is not a JSON object with a token", `{"token":"…"}`)
	}
	if s.cfg.Tokens == nil {
		return s.whoami(c)
	}
	if _, _, err := s.checkToken(r, in.Token); err != nil {
		return err
	}
	id, session, ok := s.sessions.Begin(strings.TrimSpace(in.Token))
	if !ok { // it has just left the token file
		return unknownToken()
	}
	s.endSession(r) // the one that the browser had
	s.cfg.Logger.InfoContext(r.Context(), "session begun", "name", session.Name, "role", session.Role.String(), "remote", r.RemoteAddr)
	c.SetCookie(sessionCookie(r, id, session.Expires, 0))
	out := s.shownSession(session.Identity)
	out.Expires = &session.Expires
	return respond(c, http.StatusOK, out)
}

// endSession ends the session that a request has, and what is open under it.
func (s *Server) endSession(r *http.Request) {
	if cookie, err := r.Cookie(cookieName); err == nil {
		s.sessions.End(cookie.Value)
		s.live.EndSession(cookie.Value)
	}
}

// logout ends a session for good.
func (s *Server) logout(c echo.Context) error {
	r := c.Request()
	s.endSession(r)
	c.SetCookie(sessionCookie(r, "", time.Time{}, -1))
	return respond(c, http.StatusOK, struct {
		ID string `json:"id"`
	}{"session"})
}

// sessionCookie is one that scripts cannot read and other sites cannot send. A
// proxy before the agent may speak TLS for it; believing that it does only makes
// browsers more careful.
func sessionCookie(r *http.Request, id string, expires time.Time, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: id, Path: "/", Expires: expires, MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"),
	}
}

// checkToken finds out whose token a request shows. Who shows wrong ones has to wait
// at last, and the log tells of the first.
func (s *Server) checkToken(r *http.Request, token string) (auth.Identity, auth.TokenHash, error) {
	who, proof, right := s.cfg.Tokens.Verify(strings.TrimSpace(token))
	wait, first := s.limiter.admit(source(r), proof, right, s.cfg.Now())
	switch {
	case wait > 0:
		return auth.Identity{}, proof, &failure{
			status: http.StatusTooManyRequests, Code: "too_many", Message: "too many wrong tokens came from this address; try again later",
			header: http.Header{echo.HeaderRetryAfter: {seconds(wait)}},
		}
	case right:
		return who, proof, nil
	case first:
		s.cfg.Logger.WarnContext(r.Context(), "wrong token", "remote", r.RemoteAddr, "method", r.Method, "path", r.URL.Path)
	}
	return auth.Identity{}, proof, unknownToken()
}

func unknownToken() *failure {
	return unauthorized(`, error="invalid_token"`, "the token is not known here")
}
