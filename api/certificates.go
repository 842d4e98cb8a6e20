package api

import (
	"bytes"
	"context"
	"crypto/x509"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/certs"
	"thalassa/lb"
)

// storedCertificates show and change the certificates that are stored with their keys.
type storedCertificates struct {
	agent *Agent
	keys  KeyStore
	now   func() time.Time
}

func (h storedCertificates) list(c echo.Context) error {
	in, err := h.agent.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	return respondTagged(c, node.NewCertificates(in))
}

func (h storedCertificates) show(c echo.Context) error {
	key, err := name(c, "key")
	if err != nil {
		return err
	}
	in, err := h.agent.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	cert, ok := in.Certificates[key]
	if !ok {
		return &lb.NotFoundError{ID: lb.Certificate{Key: key}.ID()}
	}
	if unchanged(c, cert.ETag()) {
		return c.NoContent(http.StatusNotModified)
	}
	return respond(c, http.StatusOK, node.NewCertificate(cert, in))
}

// put checks a certificate, stores its keys, and then makes it a part of what is
// configured. If that fails, nothing names the keys, and they are removed later.
func (h storedCertificates) put(c echo.Context) error {
	if h.keys == nil {
		return unavailableFailure("certificates are not stored here")
	}
	key, err := name(c, "key")
	if err != nil {
		return err
	}
	upload, err := h.upload(c)
	if err != nil {
		return err
	}
	bundles, _, err := h.bundles(c.Request().Context(), []lb.Name{key}, []certs.Upload{upload})
	if err != nil {
		return err
	}
	bundle := bundles[0]
	if err := h.keys.Put(bundle.Files); err != nil {
		return err
	}
	applied, err := edit(c, h.agent, lb.Edit{Certificate: &bundle.Certificate})
	if err != nil {
		return err
	}
	in, err := h.agent.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	applied.Warnings = slices.Concat(applied.Warnings, bundle.Warnings)
	c.Response().Header().Set(headerETag, bundle.Certificate.ETag())
	return respond(c, http.StatusOK, changed{node.NewCertificate(bundle.Certificate, in), applied})
}

// bundles checks uploads, each under its key. Clients have the authorities among them. The
// error is about the upload at a place, and of certs.Rules.Parse.
func (h storedCertificates) bundles(ctx context.Context, keys []lb.Name, uploads []certs.Upload) (out []certs.Bundle, at int, err error) {
	known, err := h.known(ctx)
	if err != nil {
		return nil, 0, err
	}
	together := x509.NewCertPool()
	for _, u := range uploads {
		if len(uploads) > 1 && len(u.Key) == 0 && !bytes.Contains(u.Chain, []byte("PRIVATE KEY")) {
			together.AppendCertsFromPEM(u.Chain)
		}
	}
	rules := certs.Rules{Now: h.now(), Known: append(known, together)}
	for i, u := range uploads {
		b, err := rules.Parse(keys[i], u)
		if err != nil {
			return nil, i, err
		}
		out = append(out, b)
	}
	return out, 0, nil
}

func (h storedCertificates) delete(c echo.Context) error {
	key, err := name(c, "key")
	if err != nil {
		return err
	}
	return remove(c, h.agent, lb.Certificate{Key: key}.ID())
}

// upload reads a body in PEM, or in JSON. No page of another site may send these types.
func (h storedCertificates) upload(c echo.Context) (certs.Upload, error) {
	q := parameters(c.Request(), "allowMissingIssuer")
	missing := q.flag("allowMissingIssuer")
	if err := q.err(); err != nil {
		return certs.Upload{}, err
	}
	var upload certs.Upload
	media, _, err := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType))
	if err == nil && (media == "application/x-pem-file" || media == "application/pem-certificate-chain") {
		upload.Chain, err = readBody(c, certs.MaxBytes)
	} else {
		var data []byte
		if data, err = body(c); err == nil {
			upload, err = node.ParseCertificate(data)
		}
	}
	upload.MissingIssuer = upload.MissingIssuer || missing
	return upload, err
}

// known are the authorities that clients have: those of this machine, and those that are
// stored.
func (h storedCertificates) known(ctx context.Context) ([]*x509.CertPool, error) {
	var pools []*x509.CertPool
	if system, err := x509.SystemCertPool(); err == nil {
		pools = append(pools, system)
	}
	in, err := h.agent.Intent(ctx)
	if err != nil {
		return nil, err
	}
	stored := x509.NewCertPool()
	for _, cert := range in.Certificates {
		if !cert.Authority {
			continue
		}
		for _, digest := range cert.Digests() {
			if text, err := h.keys.Text(digest); err == nil {
				stored.AppendCertsFromPEM(text)
			}
		}
	}
	return append(pools, stored), nil
}
