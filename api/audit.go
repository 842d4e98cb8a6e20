package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/audit"
)

// An Auditor is the audit log, as *audit.Log is.
type Auditor interface {
	// Add adds a record. It never waits.
	Add(r audit.Record)
	// Records answers a query, newest first.
	Records(ctx context.Context, q audit.Query) ([]audit.Record, error)
}

// Keys of an echo.Context for values for the audit log, beside callerKey.
const (
	objectKey   = "object"   // id of the object that the request concerns
	revisionKey = "revision" // that the request has made
	jobKey      = "job"      // id of the job of the cluster
	refusalKey  = "refusal"  // code of the error
	loginKey    = "login"    // the caller of a login
	exportKey   = "export"   // true: everything that is configured was read at once
	lookKey     = "look"     // true: it changes nothing, whatever its method says
	changeKey   = "change"   // true: it changes something, whatever its method says
)

// audit records a request after its answer: changes, logins and backups, and what was
// refused to a caller who has shown something.
func (s *Server) audit(c echo.Context) {
	if s.cfg.Audit == nil {
		return
	}
	r := c.Request()
	who, proven := c.Get(callerKey).(caller)
	if login, ok := c.Get(loginKey).(caller); ok {
		who, proven = login, c.Response().Status < http.StatusBadRequest
	}
	if !proven && who.how == "" {
		who, proven = s.guard.known(r)
	}
	refusal, _ := c.Get(refusalKey).(string)
	record := audit.Record{
		Name: who.Name, Subject: who.Subject, Proven: proven, From: remoteIP(r), How: string(who.how), Session: sessionID(who.session),
		Method: r.Method, Path: r.URL.Path, Status: c.Response().Status, Refusal: refusal,
	}
	record.Object, _ = c.Get(objectKey).(string)
	record.Revision, _ = c.Get(revisionKey).(uint64)
	record.Job, _ = c.Get(jobKey).(string)
	if !proven && record.How == "" {
		record.How = shownBy(r)
	}
	switch {
	case c.Get(lookKey) == true:
		return
	case r.URL.Path == "/session" && r.Method == http.MethodPost:
		record.Action = audit.Login
	case r.URL.Path == "/session" && r.Method == http.MethodDelete:
		record.Action = audit.Logout
	case c.Get(exportKey) == true:
		record.Action = audit.Export
	case !isSafe(r.Method), c.Get(changeKey) == true:
		record.Action = audit.Change
	case isRefusal(record.Status) && (proven || record.How != ""):
		record.Action = audit.Refused
	default:
		return
	}
	s.cfg.Audit.Add(record)
}

// known is the owner of the session or the token that a request has shown, where the request was
// refused before anybody asked. It is for the audit log alone: it neither limits guesses nor gives
// rights.
func (g *guard) known(r *http.Request) (caller, bool) {
	if g.authority == nil {
		return caller{}, false
	}
	header := r.Header.Values(echo.HeaderAuthorization)
	id := ""
	if cookie, err := sessionOf(r); err == nil && len(header) == 0 {
		id = cookie.Value
	}
	if len(header) == 1 && strings.EqualFold(schemeOf(header[0]), "Bearer") {
		id = strings.TrimSpace(header[0][len("Bearer"):])
		if who, proof, ok := g.authority.Token(id); ok {
			return caller{Identity: who, how: proof.Kind}, true
		}
	}
	if session, ok := g.sessions.Find(id); ok {
		return caller{Identity: session.Identity, how: session.Kind, session: id}, true
	}
	return caller{}, false
}

// isSafe reports whether requests of a method change nothing (RFC 9110, 9.2.1).
func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

func isRefusal(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests
}

// shownBy is how a caller has tried to prove who it is; empty: not at all.
func shownBy(r *http.Request) string {
	scheme, _, _ := strings.Cut(r.Header.Get(echo.HeaderAuthorization), " ")
	_, err := sessionOf(r)
	switch {
	case strings.EqualFold(scheme, "Basic"):
		return "password"
	case scheme != "":
		return "token"
	case err == nil:
		return "session"
	case r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		return "certificate"
	}
	return ""
}

// auditHandlers show the audit log.
type auditHandlers struct{ log Auditor }

// list answers a query of the audit log, newest first.
func (h auditHandlers) list(c echo.Context) error {
	p := parameters(c.Request(), "name", "job", "since", "before", "limit")
	q := audit.Query{Name: p.text("name"), Job: p.text("job"), Before: p.before(), Limit: p.limit()}
	q.Since = p.time("since")
	if err := p.err(); err != nil {
		return err
	}
	if h.log == nil {
		return unavailableFailure("there is no audit log")
	}
	records, err := h.log.Records(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, orEmpty(records))
}
