package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"thalassa/lb"
)

// listObjects answers with the documents of all objects of a kind.
func listObjects[O lb.Object, D any](c echo.Context, a *Agent, sorted func(lb.Intent) []O, document func(O) D) error {
	in, err := a.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	out := []D{}
	for _, o := range sorted(in) {
		out = append(out, document(o))
	}
	return respondTagged(c, out)
}

// showObject answers with the document of the object with an id. The error is an
// *lb.NotFoundError if there is none.
func showObject[O lb.Object, D any](c echo.Context, a *Agent, id string, document func(O) D) error {
	o, _, err := findObject[O](c, a, id)
	if err != nil {
		return err
	}
	if unchanged(c, o.ETag()) {
		return c.NoContent(http.StatusNotModified)
	}
	return respond(c, http.StatusOK, document(o))
}

// putObject carries out an edit that puts an object, and answers with the document of the object as
// it is stored.
func putObject[O lb.Object, D any](c echo.Context, a *Agent, e lb.Edit, put O, document func(O) D) error {
	applied, err := edit(c, a, e)
	if err != nil {
		return err
	}
	if put, err = stored(c, a, put, applied); err != nil {
		return err
	}
	return respondChanged(c, put, applied, document)
}

// respondChanged answers with the document of an object and the outcome of its change.
func respondChanged[O lb.Object, D any](c echo.Context, o O, applied lb.Applied, document func(O) D) error {
	c.Response().Header().Set(headerETag, o.ETag())
	return respond(c, http.StatusOK, changed{document(o), applied})
}

// pathID is the id of the object of a kind that the path names.
func pathID(c echo.Context, kind lb.Kind) (string, error) {
	key, err := name(c, "key")
	return string(kind) + "/" + string(key), err
}

// findObject is the object with an id, and the intent. The error is an *lb.NotFoundError if there is
// none.
func findObject[O lb.Object](c echo.Context, a *Agent, id string) (found O, in lb.Intent, err error) {
	if in, err = a.Intent(c.Request().Context()); err != nil {
		return found, in, err
	}
	found, ok := in.Object(id).(O)
	if !ok {
		return found, in, &lb.NotFoundError{ID: id}
	}
	return found, in, nil
}

// findInPath is findObject for the object of a kind that the path names.
func findInPath[O lb.Object](c echo.Context, a *Agent, kind lb.Kind) (found O, in lb.Intent, err error) {
	id, err := pathID(c, kind)
	if err != nil {
		return found, in, err
	}
	return findObject[O](c, a, id)
}
