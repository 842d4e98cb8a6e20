package ocsp

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	// maxSkew is how much later than here a responder's clock may be.
	maxSkew = 5 * time.Minute
	// early is how long before its end HAProxy stops to staple a response
	// (OCSP_MAX_RESPONSE_TIME_SKEW in ssl_sock_load_ocsp_response).
	early = 5 * time.Minute
)

// A pair is a certificate and the one that has issued it.
type pair struct{ leaf, issuer *x509.Certificate }

// errNoIssuer says that the chain ends before the issuer, by whose key responses are checked.
var errNoIssuer = errors.New("the chain lacks the certificate of the issuer, by which a response is checked")

// parsePair reads the first certificate of a text in PEM and its issuer. With errNoIssuer there
// is a certificate.
func parsePair(text []byte) (pair, error) {
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return pair{}, fmt.Errorf("reading a stored certificate: %w", err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return pair{}, errors.New("reading a stored certificate: there is none")
	}
	p := pair{leaf: all[0]}
	i := slices.IndexFunc(all, func(c *x509.Certificate) bool {
		return bytes.Equal(c.RawSubject, p.leaf.RawIssuer) && p.leaf.CheckSignatureFrom(c) == nil
	})
	if i < 0 {
		return p, errNoIssuer
	}
	p.issuer = all[i]
	return p, nil
}

// mustStaple reports whether a certificate demands that a response is stapled to it: the
// TLS feature status_request (RFC 7633).
func (p pair) mustStaple() bool {
	for _, e := range p.leaf.Extensions {
		var features []int
		if !e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}) {
			continue
		}
		if _, err := asn1.Unmarshal(e.Value, &features); err == nil && slices.Contains(features, 5) {
			return true
		}
	}
	return false
}

// A response is one that may be stapled.
type response struct {
	der                    []byte
	thisUpdate, nextUpdate time.Time
}

// end is when HAProxy stops to staple the response.
func (r response) end() time.Time { return r.nextUpdate.Add(-early) }

// errRevoked says that the issuer has revoked the certificate.
var errRevoked = errors.New("the responder says that the certificate is revoked")

// check accepts a response that says that the certificate is good, is signed by its issuer or
// in its name, and is valid now. HAProxy takes no other, and knows the certificate by a
// SHA-1 (OCSP_cert_to_id in ssl_sock_load_ocsp).
func (p pair) check(der []byte, now time.Time) (response, error) {
	r, err := ocsp.ParseResponseForCert(der, p.leaf, p.issuer)
	if refusal, ok := errors.AsType[ocsp.ResponseError](err); ok {
		return response{}, fmt.Errorf("the responder refuses: %s", refusal.Status)
	}
	if err != nil {
		return response{}, fmt.Errorf("the response is not usable: %w", err)
	}
	if err := p.checkSigner(r.Certificate, now); err != nil {
		return response{}, err
	}
	const form = time.RFC3339
	switch {
	case r.Status == ocsp.Revoked:
		return response{}, errRevoked
	case r.Status != ocsp.Good:
		return response{}, errors.New("the responder does not know the certificate")
	case r.IssuerHash != crypto.SHA1:
		return response{}, errors.New("the response names the certificate by another digest than SHA-1, as asked for")
	case r.NextUpdate.IsZero():
		return response{}, errors.New("the response does not say until when it is valid")
	case r.ThisUpdate.After(now.Add(maxSkew)):
		return response{}, fmt.Errorf("the response is not valid before %s", r.ThisUpdate.UTC().Format(form))
	case !r.NextUpdate.After(now):
		return response{}, fmt.Errorf("the response expired on %s", r.NextUpdate.UTC().Format(form))
	case !r.NextUpdate.Add(-early).After(now):
		return response{}, fmt.Errorf("the response expires on %s, and HAProxy staples none in its last 5 minutes", r.NextUpdate.UTC().Format(form))
	}
	return response{der: der, thisUpdate: r.ThisUpdate.UTC(), nextUpdate: r.NextUpdate.UTC()}, nil
}

// checkSigner accepts the issuer, and whom it lets sign responses (RFC 6960, 4.2.2.2). That
// the issuer has signed that certificate has been checked.
func (p pair) checkSigner(c *x509.Certificate, now time.Time) error {
	switch {
	case c == nil || c.Equal(p.issuer):
		return nil
	case !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("the response is signed by a certificate that may not sign responses")
	case now.After(c.NotAfter) || now.Before(c.NotBefore):
		return errors.New("the certificate that has signed the response is not valid now")
	}
	return nil
}
