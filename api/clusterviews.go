package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/cluster/crmsh"
)

// crm answers with the whole configuration in the syntax of crmsh, as text.
func (h clusterConfigHandlers) crm(c echo.Context) error {
	return h.whole(c, echo.MIMETextPlainCharsetUTF8, func(e *cibxml.Element) []byte { return []byte(crmsh.Text(e)) })
}

// xml answers with the element of the whole configuration.
func (h clusterConfigHandlers) xml(c echo.Context) error {
	return h.whole(c, echo.MIMEApplicationXMLCharsetUTF8, (*cibxml.Element).Bytes)
}

// whole answers with the whole configuration without secrets, in a form.
func (h clusterConfigHandlers) whole(c echo.Context, media string, form func(*cibxml.Element) []byte) error {
	configuration, version, err := h.shown(c)
	if err != nil {
		return err
	}
	if unchanged(c, config.ConfigurationTag(version)) {
		return c.NoContent(http.StatusNotModified)
	}
	masked := configuration.Clone()
	cibxml.Mask(masked, "", func(string) {})
	return write(c, http.StatusOK, media, form(masked))
}

// crm answers with the configuration that the scheduler saw in the syntax of crmsh.
func (h clusterHistoryHandlers) crm(c echo.Context) error {
	past, err := h.past(c)
	if err != nil {
		return err
	}
	data, err := past.MaskedCIB(c.Param("id"))
	if err != nil {
		return err
	}
	cib, err := cibxml.Parse(data)
	if err != nil {
		return err
	}
	return write(c, http.StatusOK, echo.MIMETextPlainCharsetUTF8, []byte(crmsh.Text(cib.Ensure("configuration"))))
}
