package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
)

// frontendHandlers show and change frontends.
type frontendHandlers struct{ agent *Agent }

func (h frontendHandlers) list(c echo.Context) error {
	return listObjects(c, h.agent, lb.Intent.SortedFrontends, node.NewFrontend)
}

func (h frontendHandlers) show(c echo.Context) error {
	return showObject(c, h.agent, lb.KindFrontend, func(f lb.Frontend, _ lb.Intent) node.Frontend { return node.NewFrontend(f) })
}

func (h frontendHandlers) put(c echo.Context) error {
	key, data, err := document(c)
	if err != nil {
		return err
	}
	f, err := node.ParseFrontend(string(key), data)
	if err != nil {
		return err
	}
	applied, err := edit(c, h.agent, lb.Edit{Frontend: &f, Keeps: true})
	if err != nil {
		return err
	}
	if f, err = stored(c, h.agent, f, applied); err != nil {
		return err
	}
	c.Response().Header().Set(headerETag, f.ETag())
	return respond(c, http.StatusOK, changed{node.NewFrontend(f), applied})
}

func (h frontendHandlers) delete(c echo.Context) error {
	key, err := name(c, "key")
	if err != nil {
		return err
	}
	return remove(c, h.agent, lb.Frontend{Key: key}.ID())
}
