package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/internal/permit"
	"thalassa/lb"
)

const (
	// clusterImportsPath is where pasts are that came in files.
	clusterImportsPath = clusterHistoryPath + "/imports"
	// maxClusterImport is the size of such a file, in bytes.
	maxClusterImport = 256 << 20
	// clusterImportMemory is how much of it is in memory at the same time.
	clusterImportMemory = 1 << 20
	// bzip2Type and tarType are media types of such files, beside archiveType.
	bzip2Type, tarType = "application/x-bzip2", "application/x-tar"
)

// ClusterImports keeps the pasts of clusters that came in files, as *history.Imports does.
type ClusterImports interface {
	// Add imports a file: a .tar.gz or .tar.bz2 of an export, or of crm report. added is false
	// if the same file is there already. A file that cannot be imported is an *lb.InvalidError,
	// too many imports are an *lb.ConflictError; nothing is kept then.
	Add(ctx context.Context, file io.Reader, by string) (about cluster.ImportedHistory, added bool, err error)
	// List are the imports, the newest first.
	List() []cluster.ImportedHistory
	// Remove removes one; *lb.NotFoundError.
	Remove(id string) error
}

// clusterImportHandlers keep imported pasts.
type clusterImportHandlers struct {
	imports ClusterImports // nil: none are kept
	turn    chan struct{}  // full while a file is imported
}

func errNoImports() error {
	return &lb.UnavailableError{What: "no imported histories are kept: the agent's setting cluster is off, or its files cannot be written"}
}

// list answers with the imports.
func (h clusterImportHandlers) list(c echo.Context) error {
	if err := parameters(c.Request()).err(); err != nil {
		return err
	}
	if h.imports == nil {
		return errNoImports()
	}
	return respond(c, http.StatusOK, struct {
		Imports []cluster.ImportedHistory `json:"imports"`
	}{h.imports.List()})
}

// add imports the body.
func (h clusterImportHandlers) add(c echo.Context) error {
	r := c.Request()
	if err := checkMedia(r, "a history of a cluster", archiveType, bzip2Type, tarType, "application/x-gzip", "application/x-tgz", "application/x-compressed-tar", echo.MIMEOctetStream); err != nil {
		return err
	}
	if h.imports == nil {
		return errNoImports()
	}
	if r.ContentLength > maxClusterImport {
		return &http.MaxBytesError{Limit: maxClusterImport}
	}
	done, err := OneAtATime(r.Context(), h.turn, "import of a history")
	if err != nil {
		return err
	}
	defer done()
	body := &longBody{
		ctx: r.Context(), body: http.MaxBytesReader(c.Response().Writer, r.Body, maxClusterImport),
		control: http.NewResponseController(c.Response()), last: time.Now().Add(maxWait),
	}
	about, added, err := h.imports.Add(r.Context(), body, Author(c))
	if err != nil {
		return err
	}
	c.Set(objectKey, "cluster/history/imports/"+about.ID)
	status := http.StatusOK
	if added {
		status = http.StatusCreated
	}
	return respond(c, status, about)
}

// remove removes an import.
func (h clusterImportHandlers) remove(c echo.Context) error {
	if h.imports == nil {
		return errNoImports()
	}
	if err := h.imports.Remove(c.Param("id")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// A longBody is a body that may take longer than others, as long as it comes. Its end is an
// error if the caller has lost its right meanwhile.
type longBody struct {
	ctx     context.Context //nolint:containedctx // a Reader has no other way to get it
	body    io.Reader
	control *http.ResponseController
	last    time.Time // that it may end
}

func (b *longBody) Read(p []byte) (int, error) {
	deadline := time.Now().Add(readTimeout)
	if b.last.Before(deadline) {
		deadline = b.last
	}
	if err := b.control.SetReadDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	n, err := b.body.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		if lost := permit.Check(b.ctx); lost != nil {
			return n, lost
		}
	case err != nil && !errors.As(err, new(*http.MaxBytesError)) && !errors.As(err, new(*ResponseError)):
		return n, invalidField("body", "is incomplete", "a whole file")
	}
	return n, err
}
