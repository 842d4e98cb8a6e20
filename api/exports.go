package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/gateway"
	"thalassa/pyhrapi"
)

// exportPyHrapi answers with a database that pyHrapi reads. What such a database cannot hold
// is a conflict, unless force=1 leaves it out. Keys of certificates are not in it.
func (h importHandlers) exportPyHrapi(c echo.Context) error {
	q := parameters(c.Request(), "force")
	isForced := q.flag("force")
	if err := q.err(); err != nil {
		return err
	}
	ctx := c.Request().Context()
	in, err := h.agent.Intent(ctx)
	if err != nil {
		return err
	}
	db, left := pyhrapi.Export(gateway.New(in, h.agent.Snapshot(ctx)))
	if len(left) > 0 && !isForced {
		return &ResponseError{
			Status: http.StatusConflict, Code: "conflict",
			Message: "a database of pyHrapi does not hold everything; force=1 leaves out what it cannot: " + strings.Join(left, "; "),
		}
	}
	if db.Certificates, err = h.agent.CertificateTexts(in, false); err != nil {
		return err
	}
	done, err := h.agent.OneFile(ctx)
	if err != nil {
		return err
	}
	defer done()
	data, err := pyhrapi.Write(db)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="default.db"`)
	return write(c, http.StatusOK, sqliteType, data)
}
