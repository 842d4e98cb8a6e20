package testkit

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// A Responder answers OCSP requests about the certificates of an authority, on loopback.
type Responder struct {
	URL string
	// Asked counts the requests.
	Asked atomic.Int64

	authority Authority
	mu        sync.Mutex
	change    func(r *ocsp.Response)
	answer    func(w http.ResponseWriter) bool
	number    int64 // of the last response: each is another one
}

// StartResponder starts a responder whose responses are valid for an hour.
func StartResponder(tb testing.TB, a Authority) *Responder {
	tb.Helper()
	r := &Responder{authority: a}
	server := httptest.NewServer(r)
	tb.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

// Change has responses changed before they are signed; nil: they are not.
func (r *Responder) Change(change func(*ocsp.Response)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.change = change
}

// Answer has answer write the answers, as long as it returns true; nil: it does not.
func (r *Responder) Answer(answer func(http.ResponseWriter) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// ServeHTTP implements http.Handler.
func (r *Responder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.Asked.Add(1)
	body, err := io.ReadAll(io.LimitReader(req.Body, 10_000))
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answer != nil && r.answer(w) {
		return
	}
	asked, err := ocsp.ParseRequest(body)
	if err != nil {
		_, _ = w.Write(ocsp.MalformedRequestErrorResponse)
		return
	}
	r.number++
	now := time.Now().Truncate(time.Second)
	response := &ocsp.Response{
		Status: ocsp.Good, SerialNumber: asked.SerialNumber, IssuerHash: asked.HashAlgorithm,
		ThisUpdate: now.Add(-time.Minute).Add(-time.Duration(r.number) * time.Second), NextUpdate: now.Add(time.Hour),
	}
	if r.change != nil {
		r.change(response)
	}
	der, err := ocsp.CreateResponse(r.authority.Certificate, r.authority.Certificate, *response, r.authority.key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(der)
}

// Certify changes a certificate so that it names the responder; mustStaple: clients refuse it
// without a response.
func (r *Responder) Certify(mustStaple bool) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.OCSPServer = []string{r.URL}
		if mustStaple {
			c.ExtraExtensions = append(c.ExtraExtensions, mustStapleExtension())
		}
	}
}

// mustStapleExtension is the TLS feature status_request (RFC 7633).
func mustStapleExtension() pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: []byte{0x30, 3, 2, 1, 5}}
}
