package api

import (
	"bytes"
	"context"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/gateway"
	"thalassa/internal/permit"
	"thalassa/lb"
	"thalassa/pyhrapi"
	"thalassa/stage"
)

const (
	// importPath is the path for databases of pyHrapi.
	importPath = "/import/pyhrapi"
	// importSQLPath, uploadPath and pendingPath are those of package hrapi.
	importSQLPath = "/v1/controller/_import-sql"
	uploadPath    = "/v1/controller/upload"
	pendingPath   = "/v1/haproxy/configuration/pending"
	// sqliteType is the media type of SQLite databases; pyHrapi has one of its own for them.
	sqliteType, pyhrapiType = "application/vnd.sqlite3", "application/x-sqlite2"
)

// importHandlers import the configurations of other programs.
type importHandlers struct {
	agent      *Agent
	changesets changesetHandlers
}

func newImportHandlers(a *Agent, changesets changesetHandlers) importHandlers {
	return importHandlers{agent: a, changesets: changesets}
}

// pyhrapi imports a database of pyHrapi as one change, or with dryRun=1 shows what that would do.
func (h importHandlers) pyhrapi(c echo.Context) error {
	how, dryRun, err := howToRestore(c)
	if err != nil {
		return err
	}
	if how.Message == "" {
		how.Message = "import of a database of pyHrapi"
	}
	done, err := h.agent.OneFile(c.Request().Context())
	if err != nil {
		return err
	}
	defer done()
	if err := checkMedia(c.Request(), "a database", sqliteType, pyhrapiType, "application/x-sqlite3", echo.MIMEOctetStream); err != nil {
		return err
	}
	db, err := ReadPyHrapi(c)
	if err != nil {
		return asInvalid(err)
	}
	return retried(func() error { return h.carryOver(c, db, how, dryRun) })
}

// OneFile waits until no other large file is read or written, because one may take much
// memory, and keeps others waiting until done is called.
func (a *Agent) OneFile(ctx context.Context) (done func(), err error) {
	return OneAtATime(ctx, a.files, "backup, import or export")
}

// ReadPyHrapi reads the body, a database of pyHrapi. The error is a *pyhrapi.Error if the file is
// not such a database.
func ReadPyHrapi(c echo.Context) (pyhrapi.Database, error) {
	r := c.Request()
	size := r.ContentLength
	if size < 0 || size > pyhrapi.MaxBytes {
		size = pyhrapi.MaxBytes // only what is written takes memory
	}
	file := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead)) // it never grows
	_, err := file.ReadFrom(http.MaxBytesReader(c.Response().Writer, r.Body, pyhrapi.MaxBytes))
	switch {
	case errors.As(err, new(*http.MaxBytesError)), errors.As(err, new(*ResponseError)):
		return pyhrapi.Database{}, err
	case err != nil:
		return pyhrapi.Database{}, invalidField("body", "is incomplete", "a whole database")
	}
	if err := permit.Check(r.Context()); err != nil { // the body may have taken long
		return pyhrapi.Database{}, err
	}
	return pyhrapi.Read(r.Context(), file.Bytes())
}

// asInvalid is an error of package pyhrapi as one about the body.
func asInvalid(err error) error {
	if unusable, ok := errors.AsType[*pyhrapi.Error](err); ok {
		return invalidField("body", unusable.Error(), "")
	}
	return err
}

// checkMedia refuses a body of another media type. Content-Type may be missing.
func checkMedia(r *http.Request, what string, types ...string) error {
	ct := r.Header.Get(echo.HeaderContentType)
	if ct == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(ct)
	if err == nil && slices.Contains(types, media) {
		return nil
	}
	return &ResponseError{
		Status: http.StatusUnsupportedMediaType, Code: "invalid", Message: "the body is not " + what + ": send it with Content-Type: " + types[0],
		Fields: []lb.FieldError{{Path: echo.HeaderContentType, Problem: strconv.Quote(ct) + " is not " + what, Expected: types[0]}},
	}
}

// carryOver makes one changeset of a database.
func (h importHandlers) carryOver(c echo.Context, db pyhrapi.Database, how node.Restore, dryRun bool) error {
	ctx := c.Request().Context()
	in, err := h.agent.Intent(ctx)
	if err != nil {
		return err
	}
	var trial map[string][]byte // of keys, which a dry run does not store
	if dryRun {
		trial = map[string][]byte{}
	}
	kept, refused, err := h.agent.KeepCertificates(ctx, db.Certificates, trial)
	if err != nil {
		return err
	}
	m := gateway.New(in, h.agent.Snapshot(ctx))
	m.PutCertificates(kept)
	left, err := pyhrapi.Import(db, m, refused)
	if err != nil {
		return asInvalid(err)
	}
	set, err := h.changesets.towards(c, m.Intent(), how)
	if err != nil {
		return err
	}
	report := node.Imported{Left: orEmpty(left)}
	if dryRun {
		set.Trial = trial
		return set.Named(h.preview(c, set, report))
	}
	applied, err := h.changesets.carried(c, set)
	if err != nil {
		return set.Named(err)
	}
	changes, err := node.NewChanges(applied.Changes)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, changed{struct {
		Changes []node.Change `json:"changes"`
		node.Imported
	}{changes, report}, applied})
}

func (h importHandlers) preview(c echo.Context, set stage.Changeset, report node.Imported) error {
	p, err := h.agent.Preview(c.Request().Context(), set)
	if err != nil {
		return err
	}
	preview, err := node.NewPreview(p)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, struct {
		node.Preview
		node.Imported
	}{preview, report})
}
