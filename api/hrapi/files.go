package hrapi

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/api"
	"thalassa/gateway"
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

// checkCertificates refuses endpoints that name a certificate.
func checkCertificates(endpoints []gateway.Endpoint) error {
	for _, e := range endpoints {
		if strings.Contains(e.Address, "@") {
			return unsupportedError("an endpoint with a certificate is a bind line of a frontend: put it through /frontends, e.g. \"*:443 ssl crt FILE\"")
		}
	}
	return nil
}
