package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
)

// A Dialect is one REST interface of the agent: routes, documents and the form of errors. The
// dialect of docs/api.md is part of this package, and its documents are package node. Each other
// dialect is a package below this one, listed in Config.Dialects. Dialects do not know each other.
//
// The server does for every dialect what does not depend on its documents:
//
//   - Reads and changes: handlers use the Agent that Routes gets.
//   - The guard: before a handler runs, the Host header, the origin, and the right of the caller
//     to the object of Route.On are checked. Author returns the name of the caller.
//   - Errors: a handler returns any error. The server logs those that callers must not
//     see, and hands Render a ResponseError.
//   - Problems: if a dialect has a method Problem() string, its sentence is among the warnings of
//     /readyz. It must not name files, because anybody may read it.
//   - Parameters: changes whose Summary names none are refused with any in the query.
//   - Bodies: routes that change something take JSON alone, unless the dialect has a method
//     ChecksMedia(Route) bool that says that a route checks the Content-Type itself.
//   - Limits: the server bounds headers, times, and the bytes of all bodies and answers
//     under way. A handler bounds the body that it reads.
type Dialect interface {
	// Routes returns the routes. New calls it once.
	Routes(a *Agent) []Route
	// Owns reports whether a path belongs to the dialect. The dialect then renders errors about the
	// path, even if it matches no route.
	Owns(path string) bool
	// Render answers a request with a failure. The headers of the failure are set.
	Render(c echo.Context, f *ResponseError) error
}

// A Route is one method of one path. GET routes answer HEAD, too; OPTIONS is
// answered for every path.
type Route struct {
	Method  string
	Path    string    // parameters in braces
	Need    auth.Role // 0: open to everybody
	On      string    // what it concerns: OnNode, OnMany, OnCaller, or an object such as "backend/{key}"
	Summary string    // one line for the index; that of a change with parameters ends with "query: " and their names
	Handle  echo.HandlerFunc
}

// takesParameters reports whether the query of a change may have parameters.
func (r Route) takesParameters() bool { return strings.Contains(r.Summary, "query: ") }

// echoPath turns "/a/{key}" into echo's "/a/:key".
func (r Route) echoPath() string {
	return strings.ReplaceAll(strings.ReplaceAll(r.Path, "{", ":"), "}", "")
}

// dialectKey is where an echo.Context holds the dialect of the matched route.
const dialectKey = "dialect"

// add adds the routes of a dialect behind the guard.
func (s *Server) add(d Dialect) {
	s.dialects = append(s.dialects, d)
	for _, r := range d.Routes(s.agent) {
		guarded := r
		r.Handle = onlyKnown(r)
		r.Handle = onlyJSON(d, r)
		guarded.Handle = inDraft(r, s.draftTurns.bounded(r, s.answers.bounded(r, r.Handle)))
		protected := s.guard.protect(guarded)
		handle := func(c echo.Context) error {
			c.Set(dialectKey, d)
			return protected(c)
		}
		s.echo.Add(r.Method, r.echoPath(), handle)
		if r.Method == http.MethodGet {
			s.echo.Add(http.MethodHead, r.echoPath(), handle)
		}
	}
}

// dialect is the dialect of a request: that of its route, else the one that owns its path.
func (s *Server) dialect(c echo.Context) Dialect {
	if d, ok := c.Get(dialectKey).(Dialect); ok {
		return d
	}
	path := c.Request().URL.Path
	for _, d := range s.dialects {
		if d.Owns(path) {
			return d
		}
	}
	return s.dialects[len(s.dialects)-1] // the node dialect, which owns the rest
}
