package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/clusters"
	"thalassa/internal/safefile"
	"thalassa/lb"
)

// A ResponseError is an error that callers see. It is an error itself, so that a
// handler can return it. A Dialect gives it its form.
type ResponseError struct {
	Status int
	Header http.Header // further headers; may be nil

	Message string          // one sentence
	Code    string          // kind of the error, for programs
	Fields  []lb.FieldError // every bad part of the request
	By      []string        // ids of the objects in the way
	Output  string          // of HAProxy or of Pacemaker's tools, or the lines of a plan that has changed
	// Rollout is what nodes have said to a rollout that they refuse; nil: it is about none.
	Rollout *cluster.RolledOut
	// Incident is the id under which the log has the details.
	Incident string
}

// Error is the sentence.
func (f *ResponseError) Error() string { return f.Message }

// retryAfter is how many seconds a caller is asked to wait before it tries again
// something that is unavailable.
const retryAfter = "5"

// failures finds the ResponseError of an error, and logs the errors that callers must not see.
type failures struct{ logger *slog.Logger }

// of returns the ResponseError for err, which may be an incident.
func (s *failures) of(err error, c echo.Context) *ResponseError {
	if f := asFailure(err, c); f != nil {
		return f.bounded()
	}
	return s.incident(err, c)
}

// Bounds of what an error quotes of the request or of HAProxy's output.
const (
	maxMessage = 4 << 10
	maxOutput  = 64 << 10
	maxBy      = 1000
)

// bounded cuts the texts of the error, so that its size does not depend on that of the request.
func (f *ResponseError) bounded() *ResponseError {
	out := *f
	out.Message, out.Output = cut(f.Message, maxMessage), cut(f.Output, maxOutput)
	out.By = f.By[:min(len(f.By), maxBy)]
	var fields lb.FieldErrors
	fields.AddErr("", &lb.InvalidError{Fields: f.Fields})
	if invalid, ok := errors.AsType[*lb.InvalidError](fields.Err()); ok {
		out.Fields = invalid.Fields
	}
	return &out
}

// cut is s in so many bytes.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// incident logs an error that callers must not see, and gives them its id.
func (s *failures) incident(err error, c echo.Context) *ResponseError {
	id := rand.Text()[:12]
	r := c.Request()
	s.logger.ErrorContext(r.Context(), "request failed", "incident", id, "method", r.Method, "path", r.URL.Path, "error", err)
	return &ResponseError{
		Status: http.StatusInternalServerError, Code: "internal", Incident: id,
		Message: "an internal error occurred; Thalassa's log has the details under incident " + id,
	}
}

// asFailure is the ResponseError of an error that callers may see; nil for any other. Callers
// do not see the errors that it was wrapped in.
func asFailure(err error, c echo.Context) *ResponseError {
	if own, ok := errors.AsType[*ResponseError](err); ok {
		return own
	}
	if f := routingFailure(err, c); f != nil {
		return f
	}
	if f := domainFailure(err); f != nil {
		return f.ofEdit(err)
	}
	if f := diskFailure(err); f != nil {
		return f
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &ResponseError{
			Status: http.StatusRequestEntityTooLarge, Code: "too_large",
			Message: "the body is larger than " + strconv.FormatInt(tooLarge.Limit, 10) + " bytes",
		}
	}
	return contextFailure(c.Request().Context(), err)
}

// routingFailure is for requests that match no route.
func routingFailure(err error, c echo.Context) *ResponseError {
	var routing *echo.HTTPError
	if !errors.As(err, &routing) {
		return nil
	}
	r := c.Request()
	if isOtherCluster(r.URL.Path) && !isSafe(r.Method) {
		return readOnlyCluster(c)
	}
	switch routing.Code {
	case http.StatusNotFound:
		return &ResponseError{
			Status: http.StatusNotFound, Code: "not_found",
			Message: shown(r.URL.Path) + " is not a path of this API; GET / lists the paths",
		}
	case http.StatusMethodNotAllowed:
		return &ResponseError{
			Status: http.StatusMethodNotAllowed, Code: "method_not_allowed",
			Message: shown(r.Method) + " is not a method of " + shown(r.URL.Path) + ", which allows " + c.Response().Header().Get(echo.HeaderAllow),
		}
	}
	return nil
}

// ofEdit is the failure with the edit named that it is about, where it is about one of
// several.
func (f *ResponseError) ofEdit(err error) *ResponseError {
	edit, ok := errors.AsType[*lb.EditError](err)
	if !ok {
		return f
	}
	out, name, fields := *f, edit.Object, edit.Object+"."
	if name == "" {
		name = "edits[" + strconv.Itoa(edit.Index) + "]"
		fields = name + ".body."
	}
	if !strings.HasPrefix(f.Message, name) { // as that of a conflict may
		out.Message = name + ": " + f.Message
	}
	if len(f.Fields) > 0 && f.Fields[0].Path != "" { // the message begins with it
		out.Message = fields + f.Message
	}
	out.Fields = make([]lb.FieldError, len(f.Fields))
	for i, field := range f.Fields {
		field.Path = fields + field.Path
		out.Fields[i] = field
	}
	return &out
}

// domainFailure is for the errors of package lb.
func domainFailure(err error) *ResponseError {
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
		return &ResponseError{Status: http.StatusBadRequest, Code: "invalid", Message: sentence(invalid), Fields: invalid.Fields}
	case errors.As(err, &notFound):
		return &ResponseError{Status: http.StatusNotFound, Code: "not_found", Message: notFound.Error()}
	case errors.As(err, &conflict):
		return &ResponseError{Status: http.StatusConflict, Code: "conflict", Message: conflict.Error(), By: conflict.By}
	case errors.As(err, &stale):
		return &ResponseError{Status: http.StatusConflict, Code: "conflict", Message: stale.Error()}
	case errors.As(err, &precondition):
		f := &ResponseError{Status: http.StatusPreconditionFailed, Code: "precondition_failed", Message: precondition.Error()}
		if precondition.Current != "" {
			f.Header = http.Header{headerETag: {precondition.Current}}
		}
		return f
	case errors.As(err, &refused):
		f := &ResponseError{Status: http.StatusUnprocessableEntity, Code: "refused", Message: refused.Error(), Output: refused.Output}
		if rollout, ok := errors.AsType[*cluster.RolloutRefusedError](err); ok {
			f.Rollout = rollout.Rollout.Bounded()
		}
		return f
	case errors.As(err, &unavailable):
		return unavailableFailure(unavailable.What)
	}
	if refusal, ok := errors.AsType[*clusters.RefusedError](err); ok {
		return refusedByCluster(refusal)
	}
	if changed, ok := errors.AsType[*cluster.PlanChangedError](err); ok {
		f := &ResponseError{Status: http.StatusPreconditionFailed, Code: "precondition_failed", Message: changed.Error(), Output: strings.Join(changed.Lines, "\n")}
		if changed.Tag != "" {
			f.Header = http.Header{headerETag: {strconv.Quote(changed.Tag)}}
		}
		return f
	}
	return clusterFailure(err)
}

// diskFailure is for a disk that is full, read-only or hanging.
func diskFailure(err error) *ResponseError {
	path := cmp.Or(safefile.PathOf(err), "a file of the agent")
	switch {
	case safefile.IsFull(err):
		return &ResponseError{
			Status: http.StatusInsufficientStorage, Code: "disk_full", Message: path + " cannot be written, because the disk is full; nothing has changed",
			Header: http.Header{echo.HeaderRetryAfter: {retryAfter}},
		}
	case errors.Is(err, syscall.EROFS):
		return unavailableFailure(path + " cannot be written, because its file system is read-only; nothing has changed")
	case errors.Is(err, safefile.ErrHangs):
		return unavailableFailure("a disk hangs: " + safefile.ErrHangs.Error())
	}
	return nil
}

// clusterFailure is for failures of Pacemaker's tools.
func clusterFailure(err error) *ResponseError {
	e, ok := errors.AsType[*cluster.Error](err)
	if !ok {
		return nil
	}
	if e.User != "" {
		return &ResponseError{Status: http.StatusForbidden, Code: "forbidden", Message: e.Error()}
	}
	switch e.Kind {
	case cluster.KindNotFound:
		return &ResponseError{Status: http.StatusNotFound, Code: "not_found", Message: e.Error()}
	case cluster.KindStale, cluster.KindExists, cluster.KindUnsafe:
		return &ResponseError{Status: http.StatusConflict, Code: "conflict", Message: e.Error()}
	case cluster.KindInvalid:
		return &ResponseError{Status: http.StatusUnprocessableEntity, Code: "refused", Message: e.Error(), Output: e.Said}
	case cluster.KindForbidden, cluster.KindUsage, cluster.KindNotConnected, cluster.KindNoQuorum, cluster.KindTimedOut,
		cluster.KindNotInstalled, cluster.KindCrashed, cluster.KindFailed:
	}
	return unavailableFailure(e.Error())
}

func unavailableFailure(what string) *ResponseError {
	return &ResponseError{
		Status: http.StatusServiceUnavailable, Code: "unavailable", Message: what,
		Header: http.Header{echo.HeaderRetryAfter: {retryAfter}},
	}
}

// contextFailure is for errors that come from the end of the request's own context:
// the server ends, or the caller has closed the connection.
func contextFailure(ctx context.Context, err error) *ResponseError {
	switch {
	case !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		return nil
	case isClosing(ctx):
		return unavailableFailure("Thalassa is shutting down")
	case ctx.Err() != nil:
		return unavailableFailure("the request was canceled")
	}
	return nil
}

// sentence is the message for an invalid document: its first problem, and the number of
// further ones.
func sentence(e *lb.InvalidError) string {
	switch further := len(e.Fields) - 1 + e.More; {
	case len(e.Fields) == 0:
		return "the request is not valid"
	case further == 0:
		return e.Fields[0].Error()
	default:
		return e.Fields[0].Error() + " (and " + strconv.Itoa(further) + " more)"
	}
}

// invalidField is the error of one bad part of a request.
func invalidField(path, problem, expected string) error {
	return &lb.InvalidError{Fields: []lb.FieldError{{Path: path, Problem: problem, Expected: expected}}}
}

// shown is a part of a request as a sentence can repeat it: short, and quoted where it
// has other than plain characters.
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
