package hrapi

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"thalassa/api"
	"thalassa/lb"
)

// fileHandlers show what HAProxy runs.
type fileHandlers struct {
	agent *api.Agent
	cfg   Config
}

// running answers with the name of the configuration in effect.
func (h fileHandlers) running(c echo.Context) error {
	status, err := h.agent.Status(c.Request().Context())
	if err != nil {
		return err
	}
	if status.InEffect == 0 {
		return respond(c, http.StatusNotFound, object{"error": "no running config"})
	}
	return api.Respond(c, http.StatusOK, echo.MIMETextPlainCharsetUTF8, []byte(revisionName(status.InEffect)))
}

// runningText answers with haproxy.cfg.
func (h fileHandlers) runningText(c echo.Context) error {
	if h.cfg.HAProxyConfig == nil {
		return &lb.UnavailableError{What: "haproxy.cfg is not available"}
	}
	text, err := h.cfg.HAProxyConfig(c.Request().Context())
	if err != nil {
		return err
	}
	return api.Respond(c, http.StatusOK, echo.MIMETextPlainCharsetUTF8, text)
}

func (h fileHandlers) variables(c echo.Context) error {
	out := object{}
	for name, value := range h.cfg.Variables.texts() {
		if name != "pid:store" { // which pyHrapi replaces, and does not list
			out[name] = value
		}
	}
	return done(c, out)
}
