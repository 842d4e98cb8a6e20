package api

import (
	"context"
	"crypto/x509"

	"thalassa/certs"
	"thalassa/lb"
)

// noCertificates is the answer where no folder for certificates is configured.
const noCertificates = "certificates are not stored here"

// KeepCertificate checks an upload and stores its keys. Nothing names them until an edit puts
// the certificate; keys that nothing names are removed after an hour. The error is an
// *lb.InvalidError for the fields chain and key.
func (a *Agent) KeepCertificate(ctx context.Context, name lb.Name, upload certs.Upload) (certs.Bundle, error) {
	if a.keys == nil {
		return certs.Bundle{}, unavailableFailure(noCertificates)
	}
	known, err := a.knownAuthorities(ctx)
	if err != nil {
		return certs.Bundle{}, err
	}
	bundle, err := certs.Rules{Now: a.now(), Known: known}.Parse(name, upload)
	if err != nil {
		return certs.Bundle{}, err
	}
	return bundle, a.keys.Put(bundle.Files)
}

// knownAuthorities are the authorities that clients have: those of this machine, and those
// that are stored.
func (a *Agent) knownAuthorities(ctx context.Context) ([]*x509.CertPool, error) {
	var pools []*x509.CertPool
	if system, err := x509.SystemCertPool(); err == nil {
		pools = append(pools, system)
	}
	in, err := a.Intent(ctx)
	if err != nil {
		return nil, err
	}
	stored := x509.NewCertPool()
	for _, cert := range in.Certificates {
		if !cert.Authority {
			continue
		}
		for _, digest := range cert.Digests() {
			if text, err := a.keys.Text(digest); err == nil {
				stored.AppendCertsFromPEM(text)
			}
		}
	}
	return append(pools, stored), nil
}
