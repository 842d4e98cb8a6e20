package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
)

// document reads the key and the body of a PUT or POST.
func document(c echo.Context) (key lb.Name, data []byte, err error) {
	if key, err = name(c, "key"); err != nil {
		return "", nil, err
	}
	data, err = body(c)
	return key, data, err
}

// edit carries out e under the conditions of the request and in the name of its author.
func edit(c echo.Context, a *Agent, e lb.Edit) (lb.Applied, error) {
	var err error
	if e.IfMatch, e.IfNoneMatch, err = conditions(c.Request()); err != nil {
		return lb.Applied{}, err
	}
	e.Origin = a.Origin(c)
	return a.Edit(c.Request().Context(), e)
}

// remove removes the object with an id and answers.
func remove(c echo.Context, a *Agent, id string) error {
	applied, err := edit(c, a, lb.Edit{Delete: id})
	if err != nil {
		return err
	}
	removed := struct {
		ID string `json:"id"`
	}{id}
	return respond(c, http.StatusOK, changed{removed, applied})
}

// changed is an object after a change: its own fields, and beside them the outcome of
// the change. The two share no field name.
type changed struct {
	object  any
	applied lb.Applied
}

// MarshalJSON joins the two objects into one.
func (r changed) MarshalJSON() ([]byte, error) {
	return joinObjects(r.object, node.NewApplied(r.applied))
}
