package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
)

// historyHandlers show accepted changes and the texts of haproxy.cfg.
type historyHandlers struct {
	agent   *Agent
	history History
	answers *answers // bounds what is read of the history
	archive Archive
	config  func(ctx context.Context) ([]byte, error)
}

// currentConfig answers with haproxy.cfg as last written.
func (h historyHandlers) currentConfig(c echo.Context) error {
	config, err := h.config(c.Request().Context())
	if err != nil {
		return err
	}
	return write(c, http.StatusOK, echo.MIMETextPlainCharsetUTF8, config)
}

// listConfigs lists each haproxy.cfg that was in effect, without the texts.
func (h historyHandlers) listConfigs(c echo.Context) error {
	p := parameters(c.Request(), "before", "limit")
	before, limit := p.before(), p.limit()
	if err := p.err(); err != nil {
		return err
	}
	list, err := h.archive.Configs(c.Request().Context(), before, limit)
	if err != nil {
		return err
	}
	out := make([]node.Recorded, len(list))
	for i, r := range list {
		out[i] = node.NewRecorded(r)
	}
	return respond(c, http.StatusOK, out)
}

// showConfig answers with one of them and its text.
func (h historyHandlers) showConfig(c echo.Context) error {
	n, err := strconv.ParseUint(c.Param("number"), 10, 64)
	if err != nil {
		return invalidField("number", "is not a number", "the number of a recorded haproxy.cfg")
	}
	recorded, text, err := h.archive.ConfigText(c.Request().Context(), n)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, struct {
		node.Recorded
		Text string `json:"text"`
	}{node.NewRecorded(recorded), string(text)})
}
