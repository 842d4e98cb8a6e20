package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
	"thalassa/lb"
)

// A Dialect is one REST interface of the agent: routes, documents and the form of
// errors. The dialect of docs/api.md is part of this package, its documents are
// package node. A further dialect is a package below this one, and Config.Dialects
// has it. Dialects know nothing of each other.
//
// The server does for every dialect what is not a matter of its documents:
//
//   - Reads and changes: the Agent that Routes gets is all that a handler needs.
//   - The guard: a handler runs when the Host header, the origin and the role of the
//     caller have been checked. Author names the caller.
//   - Errors: a handler returns any error. The server logs those that callers must not
//     see, and hands Render a ResponseError.
//   - Limits: the server bounds headers, times, and the bytes of all bodies and answers
//     under way. A handler bounds the body that it reads.
type Dialect interface {
	// Routes lists the routes. New calls it once.
	Routes(a *Agent) []Route
	// Owns reports whether a path belongs to the dialect. Errors about its paths are
	// rendered by it, even if they match no route.
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
	Summary string    // one line for the index
	Handle  echo.HandlerFunc
}

// echoPath turns "/a/{key}" into echo's "/a/:key".
func (r Route) echoPath() string {
	return strings.NewReplacer("{", ":", "}", "").Replace(r.Path)
}

// An Agent is what dialects show and change. All methods may be called concurrently.
type Agent struct {
	Changer
	Views

	statuses  *statusCoalescer
	authority *auth.Authority
	now       func() time.Time
}

func newAgent(cfg Config) *Agent {
	return &Agent{Changer: cfg.Changes, Views: cfg.Views, statuses: newStatusCoalescer(cfg.Views.Status), authority: cfg.Authority, now: cfg.Now}
}

// Status is that of Views with a warning while the token file or the access file is unusable; calls at the
// same time share one reading.
func (a *Agent) Status(ctx context.Context) (lb.Status, error) {
	status, err := a.statuses.status(ctx)
	for _, problem := range a.authority.Problems() {
		status.Warnings = slices.Concat(status.Warnings, []string{formerTokens + ": " + problem})
	}
	return status, err
}

// formerTokens warns of an unusable token file or access file.
const formerTokens = "the token file is unusable, and the former tokens stay valid: nothing is revoked"

// Origin says who changes what, and when.
func (a *Agent) Origin(c echo.Context) lb.Origin {
	r := c.Request()
	return lb.Origin{Author: Author(c), Cause: r.Method + " " + r.URL.Path, Time: a.now()}
}

// dialectKey is where an echo.Context holds the dialect of the matched route.
const dialectKey = "dialect"

// add adds the routes of a dialect behind the guard.
func (s *Server) add(d Dialect) {
	s.dialects = append(s.dialects, d)
	for _, r := range d.Routes(s.agent) {
		guarded := r
		guarded.Handle = s.answers.bounded(r, r.Handle)
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
