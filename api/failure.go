package api

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/cluster"
	"thalassa/lb"
)

// A failure is an answer that is an error. It is an error itself, so that a
// handler can return it.
type failure struct {
	status int
	header http.Header // further headers; may be nil

	Message string            `json:"error"` // one sentence
	Code    string            `json:"code"`
	Fields  []node.FieldError `json:"fields,omitempty"`
	By      []string          `json:"by,omitempty"`
	Output  string            `json:"output,omitempty"`
	// Incident is the id under which the log has the details.
	Incident string `json:"incident,omitempty"`
}

// Error is the sentence.
func (f *failure) Error() string { return f.Message }

// retryAfter is what a caller is told to wait, in seconds, before asking again
// for something that is unavailable.
const retryAfter = "5"

// fail answers with err; it is echo's error handler.
func (s *Server) fail(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	f := s.failure(err, c)
	maps.Copy(c.Response().Header(), f.header)
	if err := respond(c, f.status, f); err != nil {
		s.cfg.Logger.DebugContext(c.Request().Context(), "answer not written", "error", err)
	}
}

// failure is the answer for err: the one for callers to see, or an incident.
func (s *Server) failure(err error, c echo.Context) *failure {
	if f := asFailure(err, c); f != nil {
		return f
	}
	return s.internalFailure(c, err)
}

// internalFailure logs an error that callers must not see and gives them its id.
func (s *Server) internalFailure(c echo.Context, err error) *failure {
	id := rand.Text()[:12]
	r := c.Request()
	s.cfg.Logger.ErrorContext(r.Context(), "request failed", "incident", id, "method", r.Method, "path", r.URL.Path, "error", err)
	return &failure{
		status: http.StatusInternalServerError, Code: "internal", Incident: id,
		Message: "something went wrong inside Thalassa; its log has the details as incident " + id,
	}
}

// asFailure finds the answer for an error that callers may know about; nil for
// any other. What the error was wrapped in is for the log, not for callers.
func asFailure(err error, c echo.Context) *failure {
	if own, ok := errors.AsType[*failure](err); ok {
		return own
	}
	if f := routingFailure(err, c); f != nil {
		return f
	}
	if f := domainFailure(err); f != nil {
		return f
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &failure{
			status: http.StatusRequestEntityTooLarge, Code: "too_large",
			Message: "the body is larger than " + strconv.FormatInt(tooLarge.Limit, 10) + " bytes",
		}
	}
	return contextFailure(c.Request().Context(), err)
}

// routingFailure is for requests that met no route.
func routingFailure(err error, c echo.Context) *failure {
	var routing *echo.HTTPError
	if !errors.As(err, &routing) {
		return nil
	}
	r := c.Request()
	switch routing.Code {
	case http.StatusNotFound:
		return &failure{
			status: http.StatusNotFound, Code: "not_found",
			Message: shown(r.URL.Path) + " is not a path of this API; GET / lists them",
		}
	case http.StatusMethodNotAllowed:
		return &failure{
			status: http.StatusMethodNotAllowed, Code: "method_not_allowed",
			Message: shown(r.Method) + " is not a method of " + shown(r.URL.Path) + ", which takes " + c.Response().Header().Get(echo.HeaderAllow),
		}
	}
	return nil
}

// domainFailure is for the errors of package lb.
func domainFailure(err error) *failure {
	var (
		invalid      *lb.InvalidError
		notFound     *lb.NotFoundError
		conflict     *lb.ConflictError
		stale        *lb.StaleRevisionError
		precondition *lb.PreconditionError
		refused      *lb.RefusedError
		unavailable  *lb.UnavailableError
	)
	switch {
	case errors.As(err, &invalid):
		return &failure{status: http.StatusBadRequest, Code: "invalid", Message: sentence(invalid), Fields: node.NewFieldErrors(invalid.Fields)}
	case errors.As(err, &notFound):
		return &failure{status: http.StatusNotFound, Code: "not_found", Message: notFound.Error()}
	case errors.As(err, &conflict):
		return &failure{status: http.StatusConflict, Code: "conflict", Message: conflict.Error(), By: conflict.By}
	case errors.As(err, &stale):
		return &failure{status: http.StatusConflict, Code: "conflict", Message: stale.Error()}
	case errors.As(err, &precondition):
		f := &failure{status: http.StatusPreconditionFailed, Code: "precondition_failed", Message: precondition.Error()}
		if precondition.Current != "" {
			f.header = http.Header{headerETag: {precondition.Current}}
		}
		return f
	case errors.As(err, &refused):
		return &failure{status: http.StatusUnprocessableEntity, Code: "refused", Message: refused.Error(), Output: refused.Output}
	case errors.As(err, &unavailable):
		return unavailableFailure(unavailable.What)
	}
	return clusterFailure(err)
}

// clusterFailure is for failures of Pacemaker's tools.
func clusterFailure(err error) *failure {
	e, ok := errors.AsType[*cluster.Error](err)
	if !ok {
		return nil
	}
	switch e.Kind {
	case cluster.KindNotFound:
		return &failure{status: http.StatusNotFound, Code: "not_found", Message: e.Error()}
	case cluster.KindStale, cluster.KindExists, cluster.KindUnsafe:
		return &failure{status: http.StatusConflict, Code: "conflict", Message: e.Error()}
	case cluster.KindInvalid:
		return &failure{status: http.StatusUnprocessableEntity, Code: "refused", Message: e.Error(), Output: e.Said}
	case cluster.KindForbidden, cluster.KindUsage, cluster.KindNotConnected, cluster.KindNoQuorum, cluster.KindTimedOut,
		cluster.KindNotInstalled, cluster.KindCrashed, cluster.KindFailed:
	}
	return unavailableFailure(e.Error())
}

func unavailableFailure(what string) *failure {
	return &failure{
		status: http.StatusServiceUnavailable, Code: "unavailable", Message: what,
		header: http.Header{echo.HeaderRetryAfter: {retryAfter}},
	}
}

// contextFailure is for errors that come from the end of the request's own context:
// the server ends, or the caller has gone and reads no answer.
func contextFailure(ctx context.Context, err error) *failure {
	switch {
	case !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		return nil
	case isClosing(ctx):
		return unavailableFailure("Thalassa is shutting down")
	case ctx.Err() != nil:
		return unavailableFailure("the request was given up")
	}
	return nil
}

// sentence is the message of an invalid document: its first problem, and how
// many more there are.
func sentence(e *lb.InvalidError) string {
	switch len(e.Fields) {
	case 0:
		return "the request is not valid"
	case 1:
		return e.Fields[0].Error()
	}
	return e.Fields[0].Error() + " (and " + strconv.Itoa(len(e.Fields)-1) + " more)"
}

// invalidField is the error of one bad part of a request.
func invalidField(path, problem, expected string) error {
	return &lb.InvalidError{Fields: []lb.FieldError{{Path: path, Problem: problem, Expected: expected}}}
}

// shown makes a part of a request fit to be repeated in a sentence.
func shown(s string) string {
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	if quoted := strconv.Quote(s); quoted != `"`+s+`"` {
		return quoted
	}
	return s
}
