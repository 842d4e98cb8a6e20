package api

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"thalassa/lb"
	"thalassa/stage"
)

// A dialect that collects changes before a commit has one draft for all its callers.

// Staged is the configuration with what a draft changes, as Intent shows it. Without such a
// draft it is what is configured.
func (a *Agent) Staged(ctx context.Context, id string) (lb.Intent, error) {
	in, err := a.Intent(context.WithValue(withOpenDraft(ctx), draftKey{}, id))
	if errors.As(err, new(*lb.NotFoundError)) {
		return a.Intent(ctx)
	}
	return in, err
}

// Stage changes a draft, and creates it if there is none: change gets the configuration with the
// draft, and returns the next one. Stage refuses what the caller may not do.
func (a *Agent) Stage(ctx context.Context, id string, by lb.Origin, change func(lb.Intent) (lb.Intent, error)) error {
	ctx = withOpenDraft(ctx)
	in, err := a.views.Intent(ctx)
	if err != nil {
		return err
	}
	edit := func() error {
		_, err := a.drafts.UpdateDraft(ctx, id, func(d stage.Draft) (stage.Draft, error) {
			view := d.View(in)
			next, err := change(view)
			if err != nil {
				return d, err
			}
			edits := stage.Towards(view, next)
			if err := judgeEdits(ctx, in, edits); err != nil {
				return d, err
			}
			after, err := d.With(in, edits, by.Time)
			if err != nil {
				return d, stage.Single(err)
			}
			return after.Since(d, by), after.Check()
		})
		return err
	}
	if err = edit(); !errors.As(err, new(*lb.NotFoundError)) {
		return err
	}
	draft := stage.Draft{ID: id, Origin: lb.Origin{Author: by.Author, Cause: by.Cause, Time: by.Time}, Changed: by.Time}
	if _, err := a.drafts.CreateDraft(ctx, draft); err != nil && !errors.As(err, new(*lb.ConflictError)) {
		return err
	}
	return edit()
}

// CommitStaged carries out a draft as one revision and removes it. Without a draft, or if the draft
// changes nothing, there is no revision. Errors are those of Apply and stage.Draft.Changeset.
func (a *Agent) CommitStaged(ctx context.Context, id string, by lb.Origin) (lb.Applied, error) {
	ctx = withOpenDraft(ctx)
	applied, err := a.commitDraft(ctx, id, by, nil)
	if missing, ok := errors.AsType[*lb.NotFoundError](err); !ok || missing.ID != "drafts/"+id {
		return applied, err
	}
	in, err := a.views.Intent(ctx)
	return lb.Applied{Applied: true, Path: "none", Revision: in.Revision}, err
}

// IntentAt is what operators asked for as of a revision; 0: nothing. A number that is not
// known is an *lb.NotFoundError.
func (a *Agent) IntentAt(ctx context.Context, number uint64) (lb.Intent, error) {
	return a.history.IntentAt(ctx, number)
}

// ConfigOf is the newest haproxy.cfg that was in effect for a revision; *lb.NotFoundError.
func (a *Agent) ConfigOf(ctx context.Context, revision uint64) ([]byte, error) {
	recorded, err := a.configs.ConfigOf(ctx, revision)
	if err != nil {
		return nil, err
	}
	_, text, err := a.configs.ConfigText(ctx, recorded.Number)
	return text, err
}

// CheckConditions refuses a request that changes an object which is not as its If-Match and
// If-None-Match headers demand. Within a change of Stage, no other change interferes.
func CheckConditions(r *http.Request, in lb.Intent, id string) error {
	ifMatch, ifNew, err := conditions(r)
	if err != nil {
		return err
	}
	e := lb.Edit{Delete: id, IfMatch: ifMatch, IfNoneMatch: ifNew}
	if s, limited := sightOf(r.Context()); limited {
		e = s.meant(in, e)
	}
	return e.CheckConditions(in)
}

// EntityTag is the entity tag of an object as the caller of a context sees it; empty: there is none
// with the id.
func EntityTag(ctx context.Context, in lb.Intent, id string) string {
	o := in.Object(id)
	if o == nil {
		return ""
	}
	if s, limited := sightOf(ctx); limited {
		o = s.object(o, s.hiddenNames(in))
	}
	return o.ETag()
}

// Unchanged sets the entity tag of the answer. It reports whether the caller has that state
// already; the handler must then not answer.
func Unchanged(c echo.Context, tag string) bool { return unchanged(c, tag) }

// ReadBody reads a body of any type, of at most most bytes. It is an error if the caller has lost
// the right to the request meanwhile.
func ReadBody(c echo.Context, most int64) ([]byte, error) { return readBody(c, most) }

// Respond answers with the bytes of a document. It is an error if the caller has lost the right to
// read meanwhile.
func Respond(c echo.Context, status int, contentType string, data []byte) error {
	return write(c, status, contentType, data)
}

// CheckDeliberate refuses a GET that changes something if a browser may have sent it automatically:
// for a page of another site, or with a cookie or a certificate instead of a token. The audit log
// records the others as changes.
func (a *Agent) CheckDeliberate(c echo.Context) error {
	r := c.Request()
	if slices.Contains([]string{http.MethodGet, http.MethodHead}, r.Method) {
		unsafe := r.Clone(r.Context())
		unsafe.Method = http.MethodPost
		if err := http.NewCrossOriginProtection().Check(unsafe); err != nil {
			return forbidden("a page of another site sent this request, and it may change something")
		}
		if a.authority != nil && r.Header.Get(echo.HeaderAuthorization) == "" {
			return forbidden("this GET may change something: send a token in the header Authorization, or use POST")
		}
	}
	c.Set(changeKey, true)
	return nil
}

// CheckPlainBody refuses forms and plain text, which browsers send to any site without asking,
// unless the request names its site (Origin or Sec-Fetch-Site) or has a token in a header. The
// guard has refused other sites before.
func (a *Agent) CheckPlainBody(c echo.Context) error {
	h := c.Request().Header
	if a.authority == nil || h.Get(echo.HeaderAuthorization) != "" || h.Get("Sec-Fetch-Site") != "" || h.Get(echo.HeaderOrigin) != "" {
		return nil
	}
	return forbidden("this request does not say which site it is from: send a token in the header Authorization")
}

// Sees reports whether the caller that a context belongs to may know of an object, such as
// "backend/live". To others it is missing.
func Sees(ctx context.Context, id string) bool {
	s, limited := sightOf(ctx)
	return !limited || s.grant.Sees(id)
}
