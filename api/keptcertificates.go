package api

import (
	"context"
	"encoding/pem"
	"errors"
	"maps"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
	"thalassa/certs"
	"thalassa/lb"
	"thalassa/pyhrapi"
)

// KeepCertificate checks an upload and stores its keys. Then an edit must put the certificate: keys
// that nothing refers to are removed after an hour. The error is an *lb.InvalidError for the fields
// chain and key.
func (a *Agent) KeepCertificate(ctx context.Context, name lb.Name, upload certs.Upload) (certs.Bundle, error) {
	if a.keys == nil {
		return certs.Bundle{}, unavailableFailure("certificates are not stored here")
	}
	bundles, _, err := storedCertificates{agent: a, keys: a.keys, now: a.now}.bundles(ctx, []lb.Name{name}, []certs.Upload{upload})
	if err != nil {
		return certs.Bundle{}, err
	}
	return bundles[0], a.keys.Put(bundles[0].Files)
}

// KeepCertificates checks the certificates of a database of pyHrapi, and stores their keys: in
// trial, if that is not nil. refused has the reasons, by name, why the others are not usable.
func (a *Agent) KeepCertificates(ctx context.Context, list []pyhrapi.Certificate, trial map[string][]byte) (kept []lb.Certificate, refused map[string]string, err error) {
	refused = map[string]string{}
	stored := storedCertificates{agent: a, keys: a.keys, now: a.now}
	for _, c := range list {
		if a.keys == nil {
			refused[c.Name] = "certificates are not stored here"
			continue
		}
		bundle, err := stored.checkOfDatabase(ctx, c)
		if invalid, ok := errors.AsType[*lb.InvalidError](err); ok {
			refused[c.Name] = invalid.Error()
			continue
		}
		if trial != nil {
			maps.Copy(trial, bundle.Files)
		} else if err == nil {
			err = a.keys.Put(bundle.Files)
		}
		if err != nil {
			return nil, nil, err
		}
		kept = append(kept, bundle.Certificate)
	}
	return kept, refused, nil
}

// checkOfDatabase checks a certificate of pyHrapi, which did not require the issuer's certificate.
func (h storedCertificates) checkOfDatabase(ctx context.Context, c pyhrapi.Certificate) (certs.Bundle, error) {
	name, err := lb.ParseName(c.Name)
	if err != nil {
		return certs.Bundle{}, &lb.InvalidError{Fields: []lb.FieldError{{Path: "name", Problem: err.Error()}}}
	}
	uploads := []certs.Upload{{Chain: []byte(c.PEM), MissingIssuer: true}}
	bundles, _, err := h.bundles(ctx, []lb.Name{name}, uploads)
	if err != nil {
		return certs.Bundle{}, err
	}
	return bundles[0], nil
}

// CertificateTexts are the stored certificates of an intent in PEM, without their keys unless
// withKeys. Call CheckKeyExport before with keys.
func (a *Agent) CertificateTexts(in lb.Intent, withKeys bool) ([]pyhrapi.Certificate, error) {
	out := []pyhrapi.Certificate{}
	for _, c := range in.SortedCertificates() {
		var text strings.Builder
		for _, digest := range c.Digests() {
			if a.keys == nil {
				return nil, unavailableFailure("certificates are not stored here")
			}
			part, err := a.keys.Text(digest)
			if err != nil {
				return nil, err
			}
			text.WriteString(shownPEM(part, withKeys))
		}
		out = append(out, pyhrapi.Certificate{Name: string(c.Key), PEM: text.String()})
	}
	return out, nil
}

// shownPEM is a text in PEM, reduced to its certificates unless withKeys.
func shownPEM(text []byte, withKeys bool) string {
	if withKeys {
		return string(text)
	}
	var out strings.Builder
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return out.String()
		}
		if block.Type == "CERTIFICATE" {
			out.Write(pem.EncodeToMemory(block))
		}
	}
}

// CheckKeyExport refuses a request for private keys, unless an admin of the whole node sends it
// over TLS or from this machine, and with a token in a header if authentication is on. The audit
// log records it.
func (a *Agent) CheckKeyExport(c echo.Context) error {
	who, _ := c.Get(callerKey).(caller)
	r := c.Request()
	from, err := netip.ParseAddr(remoteIP(r))
	switch {
	case !who.Allows(auth.Admin, auth.TheNode):
		return forbidden("keys of certificates are for the role admin, without limits")
	case r.TLS == nil && (err != nil || !from.IsLoopback()):
		return forbidden("keys of certificates leave the agent over TLS only, or to this machine")
	}
	if err := a.CheckDeliberate(c); err != nil {
		return err
	}
	c.Set(exportKey, true)
	return nil
}
