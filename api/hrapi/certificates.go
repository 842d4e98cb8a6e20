package hrapi

import (
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/api"
	"thalassa/certs"
	"thalassa/lb"
)

// certificateHandlers show and change the certificates of the draft. Their keys never leave.
type certificateHandlers struct{ staging }

// certificateName is the name of a certificate, which requests write with or without ".pem".
func certificateName(in lb.Intent, text string) string {
	if _, isThere := in.Certificates[lb.Name(text)]; isThere {
		return text
	}
	return strings.TrimSuffix(text, ".pem")
}

// find is the name of the certificate in the path, and what the draft shows.
func (h certificateHandlers) find(c echo.Context) (lb.Name, lb.Intent, error) {
	text, err := param(c, "certificate")
	if err != nil {
		return "", lb.Intent{}, err
	}
	in, err := h.agent.Staged(c.Request().Context(), DraftID)
	if err != nil {
		return "", in, err
	}
	name, err := lb.ParseName(certificateName(in, text))
	if field, ok := err.(lb.FieldError); ok { //nolint:errorlint // made by lb's parsers, never wrapped
		return "", in, invalid("certificate", field.Problem, field.Expected)
	}
	return name, in, err
}

func (h certificateHandlers) list(c echo.Context) error {
	in, err := h.agent.Staged(c.Request().Context(), DraftID)
	if err != nil {
		return err
	}
	names := []string{}
	for _, cert := range in.SortedCertificates() {
		names = append(names, string(cert.Key))
	}
	return done(c, object{"certificates": names})
}

func (h certificateHandlers) show(c echo.Context) error {
	name, in, err := h.find(c)
	if err != nil {
		return err
	}
	cert, isThere := in.Certificates[name]
	switch {
	case !isThere:
		return missing(c, noCertificate, string(name))
	case unchanged(c, in):
		return c.NoContent(http.StatusNotModified)
	}
	leaf := cert.Files[0].Chain[0] // lb.Certificate.Check: there is one
	names := leaf.Names
	if names == nil {
		names = []string{}
	}
	return done(c, object{
		"certificate": cert.Key, "subject": leaf.Subject, "issuer": leaf.Issuer, "names": names, "serial": leaf.Serial,
		"notBefore": leaf.NotBefore.Format(time.RFC3339), "notAfter": leaf.NotAfter.Format(time.RFC3339),
		"algorithm": leaf.Algorithm, "sha256": leaf.SHA256,
	})
}

// pemType is what pyHrapi calls a text in PEM.
const pemType = "application/x-pem-file"

// upload reads the body, a certificate with its chain and key in PEM.
func (h certificateHandlers) upload(c echo.Context) (certs.Upload, error) {
	if err := api.CheckParameters(c.Request(), "allowMissingIssuer"); err != nil {
		return certs.Upload{}, err
	}
	given := c.Request().Header.Get(echo.HeaderContentType)
	media, _, err := mime.ParseMediaType(given)
	if err != nil || media != pemType && media != "application/pem-certificate-chain" {
		problem := lb.FieldError{Path: echo.HeaderContentType, Problem: strconv.Quote(given) + " is not PEM", Expected: pemType}
		return certs.Upload{}, &api.ResponseError{
			Status: http.StatusUnsupportedMediaType, Code: "invalid", Message: "the body is not PEM: send it with Content-Type: " + pemType,
			Fields: []lb.FieldError{problem},
		}
	}
	text, err := api.ReadBody(c, certs.MaxBytes)
	return certs.Upload{Chain: text, MissingIssuer: c.QueryParam("allowMissingIssuer") == "1"}, err
}

// A duplicateError says that a certificate exists already. A request with If-Match replaces it.
type duplicateError struct{ name lb.Name }

func (e *duplicateError) Error() string { return string(e.name) + " exists" }

func (h certificateHandlers) put(c echo.Context) error {
	name, _, err := h.find(c)
	if err != nil {
		return err
	}
	upload, err := h.upload(c)
	if err != nil {
		return err
	}
	bundle, err := h.agent.KeepCertificate(c.Request().Context(), name, upload)
	if err != nil {
		return err
	}
	err = h.stage(c, func(in lb.Intent) (lb.Intent, error) {
		if _, isThere := in.Certificates[name]; isThere && c.Request().Header.Get("If-Match") == "" {
			return in, &duplicateError{name}
		}
		return in.With([]lb.ObjectChange{{ID: bundle.Certificate.ID(), After: bundle.Certificate}}), nil
	})
	if duplicate, ok := errors.AsType[*duplicateError](err); ok {
		return respond(c, http.StatusNotAcceptable, object{"duplicate": duplicate.name})
	}
	return answer(c, err, func() object {
		out := object{"certificate saved": string(name) + ".pem"}
		if len(bundle.Warnings) > 0 {
			out["warnings"] = bundle.Warnings
		}
		return out
	})
}

func (h certificateHandlers) delete(c echo.Context) error {
	name, _, err := h.find(c)
	if err != nil {
		return err
	}
	id := lb.Certificate{Key: name}.ID()
	err = h.stage(c, func(in lb.Intent) (lb.Intent, error) {
		if in.Object(id) == nil {
			return in, &missingError{noCertificate, string(name)}
		}
		return in.With([]lb.ObjectChange{{ID: id}}), nil
	})
	return answer(c, err, func() object { return object{"deleted cert": name} })
}
