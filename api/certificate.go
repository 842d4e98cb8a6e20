package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
	"thalassa/listen"
)

// certificateHandlers show the certificate of the API.
type certificateHandlers struct {
	certificate func() listen.Info // nil: there is no TLS
}

// document is the certificate as JSON; nil: there is no TLS.
func (h certificateHandlers) document() *node.TLS {
	if h.certificate == nil {
		return nil
	}
	i := h.certificate()
	return &node.TLS{Fingerprint: i.Fingerprint, PublicKey: i.PublicKey, NotAfter: i.NotAfter.UTC(), Names: orEmpty(i.Names), SelfSigned: i.SelfSigned}
}

// show answers everybody: each TLS connection shows the certificate anyway.
func (h certificateHandlers) show(c echo.Context) error {
	out := h.document()
	if out == nil {
		return &lb.NotFoundError{ID: "a certificate of this API"}
	}
	return respond(c, http.StatusOK, out)
}
