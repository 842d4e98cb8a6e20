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

// showObject answers with the document of the object of that kind and the key in the path,
// as it stands in what is configured.
func showObject[O lb.Object, D any](c echo.Context, a *Agent, kind lb.Kind, document func(O, lb.Intent) D) error {
	o, in, err := findObject[O](c, a, kind)
	if err != nil {
		return err
	}
	if unchanged(c, o.ETag()) {
		return c.NoContent(http.StatusNotModified)
	}
	return respond(c, http.StatusOK, document(o, in))
}

// findObject is the object of that kind and the key in the path, and what is configured.
// The error is an *lb.NotFoundError if there is none.
func findObject[O lb.Object](c echo.Context, a *Agent, kind lb.Kind) (found O, in lb.Intent, err error) {
	key, err := name(c, "key")
	if err != nil {
		return found, in, err
	}
	if in, err = a.Intent(c.Request().Context()); err != nil {
		return found, in, err
	}
	id := string(kind) + "/" + string(key)
	found, ok := in.Object(id).(O)
	if !ok {
		return found, in, &lb.NotFoundError{ID: id}
	}
	return found, in, nil
}
