package api

import (
	"net/http"
	"strconv"
	"thalassa/api/node"

	"github.com/labstack/echo/v4"
)

// listConfigs pages through the texts of haproxy.cfg that were in effect.
func (s *Server) listConfigs(c echo.Context) error {
	p := parameters(c.Request(), "before", "limit")
	before, limit := p.number("before"), p.limit()
	if err := p.err(); err != nil {
		return err
	}
	list, err := s.cfg.Configs.Configs(c.Request().Context(), before, limit)
	if err != nil {
		return err
	}
	out := make([]node.Recorded, len(list))
	for i, r := range list {
		out[i] = node.NewRecorded(r)
	}
	return respond(c, http.StatusOK, out)
}

// recordedConfig is one of them with its text.
func (s *Server) recordedConfig(c echo.Context) error {
	n, err := strconv.ParseUint(c.Param("number"), 10, 64)
	if err != nil {
		return invalidField("number", "is not a number", "the number of a recorded haproxy.cfg")
	}
	recorded, text, err := s.cfg.Configs.ConfigText(c.Request().Context(), n)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, struct {
		node.Recorded
		Text string `json:"text"`
	}{node.NewRecorded(recorded), string(text)})
}
