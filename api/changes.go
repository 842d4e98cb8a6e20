package api

import (
	"context"
	"errors"
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
	if e, err = meant(c.Request().Context(), a, e); err != nil {
		return lb.Applied{}, err
	}
	e.Origin = a.Origin(c)
	if e.Wait == 0 {
		return a.Edit(c.Request().Context(), e)
	}
	return untilEnd(c, func(ctx context.Context) (lb.Applied, error) { return a.Edit(ctx, e) })
}

// untilEnd carries out a change, which may wait for a healthy instance. If the server ends or the
// caller loses its right during the wait, nothing is changed. After the wait, the Changer completes
// the change in any case.
func untilEnd(c echo.Context, change func(context.Context) (lb.Applied, error)) (lb.Applied, error) {
	ctx, cancel := waiting(c.Request().Context())
	defer cancel()
	applied, err := change(ctx)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return applied, err
}

// stored is an object as a change has stored it, which may keep fields of the object before; put is
// the requested one.
func stored[T lb.Object](c echo.Context, a *Agent, put T, applied lb.Applied) (T, error) {
	for _, change := range applied.Changes {
		if after, ok := change.After.(T); ok && change.ID == put.ID() {
			return after, nil
		}
	}
	in, err := a.Intent(c.Request().Context())
	if now, ok := in.Object(put.ID()).(T); ok && err == nil {
		return now, nil
	}
	return put, err
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
