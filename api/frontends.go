package api

import (
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
	id, err := pathID(c, lb.KindFrontend)
	if err != nil {
		return err
	}
	return showObject(c, h.agent, id, node.NewFrontend)
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
	return putObject(c, h.agent, lb.Edit{Frontend: &f, Keeps: true}, f, node.NewFrontend)
}

func (h frontendHandlers) delete(c echo.Context) error {
	id, err := pathID(c, lb.KindFrontend)
	if err != nil {
		return err
	}
	return remove(c, h.agent, id)
}
