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
	// orders orders certificates; nil: not available.
	orders Orders
	// staples tell how OCSP responses stand; nil: nobody does.
	staples Staples
}

func (h storedCertificates) list(c echo.Context) error {
	in, err := h.agent.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	list := node.NewCertificates(in)
	for i, one := range list {
		if cert := in.Certificates[lb.Name(one.Key)]; cert.ACME != nil {
			list[i] = h.document(cert, in)
		} else {
			list[i].AddStaples(h.stapleOf)
		}
	}
	return respondTagged(c, list)
}

func (h storedCertificates) show(c echo.Context) error {
	cert, in, err := findInPath[lb.Certificate](c, h.agent, lb.KindCertificate)
	if err != nil {
		return err
	}
	// The entity tag is for changes. The document also has what uses the certificate, so it is
	// never "not modified".
	c.Response().Header().Set(headerETag, cert.ETag())
	return respond(c, http.StatusOK, h.document(cert, in))
}

// document is a certificate as JSON, with the state of its order.
func (h storedCertificates) document(cert lb.Certificate, in lb.Intent) node.Certificate {
	out := node.NewCertificate(cert, in)
	if cert.ACME != nil && h.orders != nil {
		out = node.NewOrderedCertificate(cert.Issued(h.orders.Files(*cert.ACME)), in, h.orders.Status(*cert.ACME))
	}
	out.AddStaples(h.stapleOf)
	return out
}

// stapleOf is how the OCSP response of a file stands.
func (h storedCertificates) stapleOf(digest string) (lb.StapleStatus, bool) {
	if h.staples == nil {
		return lb.StapleStatus{}, false
	}
	return h.staples.Status(digest)
}

// put checks a certificate, stores its keys, and then adds it to the configuration. If that fails,
// nothing refers to the keys, and they are removed later.
func (h storedCertificates) put(c echo.Context) error {
	if h.keys == nil {
		return unavailableFailure("certificates are not stored here")
	}
	key, err := name(c, "key")
	if err != nil {
		return err
	}
	upload, order, err := h.upload(c)
	if err != nil {
		return err
	}
	if order != nil {
		return h.putOrder(c, lb.Certificate{Key: key, ACME: order})
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

// putOrder adds an order to the configuration. The certificate is ordered afterwards.
func (h storedCertificates) putOrder(c echo.Context, cert lb.Certificate) error {
	if h.orders == nil {
		return unavailableFailure("certificates are not ordered here")
	}
	if err := h.orders.Check(*cert.ACME); err != nil {
		return err
	}
	applied, err := edit(c, h.agent, lb.Edit{Certificate: &cert})
	if err != nil {
		return err
	}
	in, err := h.agent.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	c.Response().Header().Set(headerETag, cert.ETag())
	return respond(c, http.StatusOK, changed{h.document(cert, in), applied})
}

// renew starts a new order of a certificate. It answers at once; GET shows the progress.
func (h storedCertificates) renew(c echo.Context) error {
	cert, in, err := findInPath[lb.Certificate](c, h.agent, lb.KindCertificate)
	switch {
	case err != nil:
		return err
	case cert.ACME == nil:
		return &lb.ConflictError{ID: cert.ID(), Reason: "is not ordered by ACME: store a new one instead"}
	case h.orders == nil:
		return unavailableFailure("certificates are not ordered here")
	}
	if err := h.orders.Renew(cert); err != nil {
		return err
	}
	return respond(c, http.StatusAccepted, h.document(cert, in))
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
	in, err := h.agent.Intent(ctx)
	if err != nil {
		return nil, 0, err
	}
	for i, u := range uploads {
		former := in.Certificates[keys[i]]
		if err := h.keepChain(&u, former); err != nil {
			return nil, i, err
		}
		b, err := rules.Parse(keys[i], u)
		if err == nil {
			err = checkLosesNoCRL(b.Certificate, former, u)
		}
		if err != nil {
			return nil, i, err
		}
		out = append(out, b)
	}
	return out, 0, nil
}

// keepChain has an upload of revocation lists alone keep the certificates of the authorities.
func (h storedCertificates) keepChain(u *certs.Upload, former lb.Certificate) error {
	if len(u.Chain) > 0 || len(u.Key) > 0 || len(u.CRL) == 0 && !u.NoCRL || !former.Authority {
		return nil
	}
	var err error
	u.Chain, err = h.keys.Text(former.Files[0].Digest)
	return err
}

// checkLosesNoCRL refuses to drop revocation lists unasked: whoever was refused by them would
// be let in.
func checkLosesNoCRL(next, former lb.Certificate, u certs.Upload) error {
	if former.CRL == nil || next.CRL != nil || u.NoCRL {
		return nil
	}
	return &lb.InvalidError{Fields: []lb.FieldError{{
		Path: "crl", Problem: "is missing, and " + former.ID() + " has revocation lists", Expected: `the lists of the authorities, or "" to remove them`,
	}}}
}

func (h storedCertificates) delete(c echo.Context) error {
	key, err := name(c, "key")
	if err != nil {
		return err
	}
	return remove(c, h.agent, lb.Certificate{Key: key}.ID())
}

// upload reads a body in PEM, or in JSON, which may say what to order instead. No page of
// another site may send these types.
func (h storedCertificates) upload(c echo.Context) (upload certs.Upload, order *lb.ACME, err error) {
	q := parameters(c.Request(), "allowMissingIssuer")
	missing := q.flag("allowMissingIssuer")
	if err := q.err(); err != nil {
		return upload, nil, err
	}
	media, _, err := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType))
	if err == nil && (media == "application/x-pem-file" || media == "application/pem-certificate-chain") {
		upload.Chain, err = readBody(c, certs.MaxBytes)
	} else {
		var data []byte
		if data, err = body(c); err == nil {
			upload, order, err = node.ParseCertificate(data)
		}
	}
	upload.MissingIssuer = upload.MissingIssuer || missing
	return upload, order, err
}

// known are the authorities that clients trust: those of this machine, and those that are stored.
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
