package hrapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/api"
	"thalassa/imports"
	"thalassa/lb"
	"thalassa/stage"
)

// textHandlers accept whole texts of haproxy.cfg. What a text defines replaces all frontends,
// backends and sections; certificates and the statistics page stay.
type textHandlers struct {
	agent   *api.Agent
	cfg     Config
	pending *pendingFile
}

// hold waits for the pending configuration, and locks it until done is called.
func (h textHandlers) hold(ctx context.Context) (done func(), err error) {
	return api.OneAtATime(ctx, h.pending.turn, "request about the pending configuration")
}

// A plan is what a text does.
type plan struct {
	set    stage.Changeset
	read   imports.Import
	former lb.Intent
}

// plan reads a text and plans what makes it the whole configuration.
func (h textHandlers) plan(c echo.Context, text string) (plan, error) {
	in, err := h.agent.Intent(c.Request().Context())
	if err != nil {
		return plan{}, err
	}
	expanded, err := h.cfg.Variables.expand(text)
	if err != nil {
		return plan{}, err
	}
	hostname, err := os.Hostname()
	if err != nil {
		hostname = ""
	}
	read, err := imports.Read([]byte(expanded), in, imports.Options{Hostname: hostname, Replace: true})
	if err != nil {
		return plan{}, err
	}
	wanted := lb.Intent{Frontends: map[lb.Name]lb.Frontend{}, Backends: map[lb.Name]lb.Backend{}, Sections: map[string]lb.Section{}, Certificates: in.Certificates}
	if page, isThere := in.Frontends[dashboardKey]; isThere {
		wanted.Put(page)
	}
	for _, e := range read.Edits {
		wanted.Put(e.Object())
	}
	return plan{set: stage.Changeset{Edits: stage.Towards(in, wanted), Origin: h.agent.Origin(c)}, read: read, former: in}, nil
}

// blame is an error of the plan with the lines of the text that it is about.
func (p plan) blame(err error) error {
	if errors.As(err, new(*lb.RefusedError)) {
		return p.read.Blame(err)
	}
	about, ok := errors.AsType[*lb.EditError](err)
	if !ok || about.Index >= len(p.set.Edits) {
		return err
	}
	id := p.set.Edits[about.Index].ID()
	i := slices.IndexFunc(p.read.Edits, func(e lb.Edit) bool { return e.ID() == id })
	if i < 0 {
		return about.Err
	}
	return p.read.Blame(&lb.EditError{Index: i, Err: about.Err})
}

// carryOut makes a plan the running configuration. After a change by somebody else in between, it
// plans again.
func (h textHandlers) carryOut(c echo.Context, wanted func() (plan, error)) (p plan, applied lb.Applied, err error) {
	const attempts = 3
	for i := 1; ; i++ {
		if p, err = wanted(); err != nil {
			return p, applied, err
		}
		if len(p.set.Edits) == 0 {
			return p, lb.Applied{Applied: true, Path: "none", Revision: p.former.Revision}, nil
		}
		applied, err = h.agent.Apply(c.Request().Context(), p.set)
		if i == attempts || !errors.As(err, new(*lb.PreconditionError)) {
			return p, applied, p.blame(err)
		}
	}
}

// upload makes a text the running configuration.
func (h textHandlers) upload(c echo.Context) error {
	text, err := h.read(c, true)
	if err != nil {
		return err
	}
	free, err := h.agent.OneFile(c.Request().Context()) // which takes much memory
	if err != nil {
		return err
	}
	defer free()
	p, applied, err := h.carryOut(c, func() (plan, error) {
		p, err := h.plan(c, text)
		p.set.Origin.Message = "upload of a haproxy.cfg"
		return p, err
	})
	if err != nil {
		return err
	}
	return done(c, h.report(p, applied))
}

// report is the answer about a text.
func (h textHandlers) report(p plan, applied lb.Applied) object {
	word := startedWord(applied)
	replaced := []object{}
	for _, l := range p.read.Report.Lines {
		if l.Outcome == imports.Replaced {
			replaced = append(replaced, object{"line": l.Number, "text": l.Text, "note": l.Note})
		}
	}
	return object{"HaProxy Status": word, "Haproxy Status": word, "revision": applied.Revision, "replaced": replaced, "comments": p.read.Report.Comments}
}

// read reads the body: a text, or a form with one.
func (h textHandlers) read(c echo.Context, isForm bool) (string, error) {
	if err := h.agent.CheckPlainBody(c); err != nil {
		return "", err
	}
	given := c.Request().Header.Get(echo.HeaderContentType)
	media, params, err := mime.ParseMediaType(given)
	isText := media == echo.MIMETextPlain && slices.Contains([]string{"", "utf-8", "us-ascii"}, strings.ToLower(params["charset"]))
	switch {
	case err == nil && isText:
		text, err := api.ReadBody(c, imports.MaxSize)
		return string(text), err
	case err == nil && isForm && media == echo.MIMEMultipartForm:
		return readForm(c)
	}
	problem := lb.FieldError{Path: echo.HeaderContentType, Problem: strconv.Quote(given) + " is not plain text", Expected: echo.MIMETextPlain}
	return "", &api.ResponseError{
		Status: http.StatusUnsupportedMediaType, Code: "invalid", Message: "the body is not a haproxy.cfg: send it with Content-Type: " + echo.MIMETextPlain,
		Fields: []lb.FieldError{problem},
	}
}

// readForm reads a form with one file, whatever its field is called: pyHrapi's is "test".
func readForm(c echo.Context) (string, error) {
	r := c.Request()
	r.Body = http.MaxBytesReader(c.Response().Writer, r.Body, imports.MaxSize)
	const expected = "one file in a form, e.g. curl -F test=@haproxy.cfg"
	form, err := r.MultipartReader()
	if err != nil {
		return "", invalid("body", "is no form", expected)
	}
	text, found := "", false
	for {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF) && found:
			return text, nil
		case errors.As(err, new(*http.MaxBytesError)):
			return "", err
		case err != nil:
			return "", invalid("body", "has no file, or is incomplete", expected)
		case found:
			return "", invalid("body", "has a second field "+strconv.Quote(part.FormName()), expected)
		}
		data, err := io.ReadAll(part)
		if errors.As(err, new(*http.MaxBytesError)) {
			return "", err
		}
		if err != nil {
			return "", invalid("body", "is incomplete", expected)
		}
		text, found = string(data), true
	}
}

// showUpload says how a text is uploaded.
func (h textHandlers) showUpload(c echo.Context) error {
	return done(c, object{"upload": "POST a haproxy.cfg here, as text/plain or as a file in multipart/form-data; it becomes the running configuration"})
}

// find is what is pending. Where nothing is, it answers so, and isThere is false.
func (h textHandlers) find(c echo.Context) (p pendingConfig, isThere bool, err error) {
	free, err := h.hold(c.Request().Context())
	if err != nil {
		return p, false, err
	}
	defer free()
	if p, err = h.pending.load(); err != nil || p.isThere() {
		return p, err == nil, err
	}
	return p, false, respond(c, http.StatusNotFound, object{"error": "no pending configuration"})
}

// show answers with the name of what is pending.
func (h textHandlers) show(c echo.Context) error {
	p, isThere, err := h.find(c)
	if !isThere {
		return err
	}
	return api.Respond(c, http.StatusOK, echo.MIMETextPlainCharsetUTF8, []byte(p.name()))
}

// showText answers with its text.
func (h textHandlers) showText(c echo.Context) error {
	p, isThere, err := h.find(c)
	if !isThere {
		return err
	}
	if p.Revision > 0 {
		text, err := h.agent.ConfigOf(c.Request().Context(), p.Revision)
		if err != nil {
			return err
		}
		return api.Respond(c, http.StatusOK, echo.MIMETextPlainCharsetUTF8, text)
	}
	expanded, err := h.cfg.Variables.expand(p.Text)
	if err != nil {
		return err
	}
	return api.Respond(c, http.StatusOK, echo.MIMETextPlainCharsetUTF8, []byte(expanded))
}

// put stores a text as the pending configuration, once HAProxy has checked it.
func (h textHandlers) put(c echo.Context) error {
	text, err := h.read(c, false)
	if err != nil {
		return err
	}
	free, err := h.hold(c.Request().Context())
	if err != nil {
		return err
	}
	defer free()
	p, err := h.plan(c, text)
	if err == nil && len(p.set.Edits) > 0 {
		_, err = h.agent.Preview(c.Request().Context(), p.set)
		err = p.blame(err)
	}
	if err != nil {
		return invalidConfiguration(err)
	}
	former, err := h.pending.load()
	if err != nil {
		return err
	}
	by := h.agent.Origin(c)
	if err := h.pending.save(pendingConfig{Number: former.Number + 1, Text: text, Author: by.Author, Time: by.Time.UTC()}); err != nil {
		return err
	}
	return done(c, object{"updated": "pending"})
}

// invalidConfiguration turns an error about a text into pyHrapi's form; it returns others
// unchanged.
func invalidConfiguration(err error) error {
	const message = "invalid configuration"
	out := &api.ResponseError{Status: http.StatusBadRequest, Code: "invalid", Message: message}
	if invalid, ok := errors.AsType[*lb.InvalidError](err); ok {
		out.Fields = invalid.Fields
		return out
	}
	if refused, ok := errors.AsType[*lb.RefusedError](err); ok {
		out.Code, out.Output = "refused", refused.Output
		return out
	}
	return err
}

// delete deletes the pending configuration.
func (h textHandlers) delete(c echo.Context) error {
	free, err := h.hold(c.Request().Context())
	if err != nil {
		return err
	}
	defer free()
	p, err := h.pending.load()
	switch {
	case err != nil:
		return err
	case !p.isThere():
		return respond(c, http.StatusNotFound, object{"error": "no pending configuration"})
	}
	if err := h.pending.save(pendingConfig{Number: p.Number}); err != nil {
		return err
	}
	return done(c, object{"deleted": "pending"})
}

// commit swaps the pending and the running configuration.
func (h textHandlers) commit(c echo.Context) error {
	ctx := c.Request().Context()
	free, err := h.hold(ctx)
	if err != nil {
		return err
	}
	defer free()
	pending, err := h.pending.load()
	switch {
	case err != nil:
		return err
	case !pending.isThere():
		return respond(c, http.StatusNotFound, object{"exception": "no pending found"})
	}
	p, applied, err := h.carryOut(c, func() (plan, error) { return h.planOf(c, pending) })
	if err != nil {
		return err
	}
	by := h.agent.Origin(c)
	next := pendingConfig{Number: pending.Number, Revision: p.former.Revision, Author: by.Author, Time: by.Time.UTC()}
	// A commit that is repeated after a failure here changes nothing.
	if err := h.pending.save(next); err != nil {
		return err
	}
	out := object{"status": "pending is now running", "revision": applied.Revision}
	if !applied.Applied {
		out["reason"] = applied.Reason
	}
	return done(c, out)
}

// planOf plans what makes the pending configuration the running one.
func (h textHandlers) planOf(c echo.Context, pending pendingConfig) (plan, error) {
	if pending.Revision == 0 {
		p, err := h.plan(c, pending.Text)
		p.set.Origin.Message = "commit of the pending configuration " + pending.name()
		return p, err
	}
	ctx := c.Request().Context()
	in, err := h.agent.Intent(ctx)
	if err != nil {
		return plan{}, err
	}
	former, err := h.agent.IntentAt(ctx, pending.Revision)
	if err != nil {
		return plan{}, err
	}
	former.Certificates = in.Certificates // which are no part of a configuration here
	p := plan{set: stage.Changeset{Edits: stage.Towards(in, former), Origin: h.agent.Origin(c)}, former: in}
	p.set.Origin.Message = "commit of the pending configuration " + pending.name()
	return p, nil
}
