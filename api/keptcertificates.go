package api

import (
	"context"

	"thalassa/certs"
	"thalassa/lb"
)

// KeepCertificate checks an upload and stores its keys. Nothing names them until an edit puts
// the certificate; keys that nothing names are removed after an hour. The error is an
// *lb.InvalidError for the fields chain and key.
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
