package auth

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"time"
)

// clientTrust has the authorities that sign certificates of clients, and what they have signed. A
// change of the authorities makes another one.
type clientTrust struct {
	roots *x509.CertPool // nil: nobody signs any

	mu    sync.Mutex
	known map[[sha256.Size]byte]time.Time // until when a chain is valid, by its digest
}

// TrustClients sets the authorities that sign certificates of clients from now on, on open
// connections as well; nil: there are none, and no certificate is valid. Before the first call, the
// caller of Certificate judges that alone.
func (a *Authority) TrustClients(roots *x509.CertPool) {
	if a != nil {
		a.clients.Store(&clientTrust{roots: roots, known: map[[sha256.Size]byte]time.Time{}})
	}
}

// trusts reports whether an authority of now has signed the certificate of a proof.
func (t *clientTrust) trusts(p Proof, now time.Time) bool {
	if t == nil {
		return true
	}
	if t.roots == nil {
		return false
	}
	key := p.chainDigest()
	t.mu.Lock()
	until, known := t.known[key]
	t.mu.Unlock()
	if known && !now.After(until) {
		return true
	}
	between := x509.NewCertPool()
	for _, c := range p.between {
		between.AddCert(c)
	}
	chains, err := p.certificate.Verify(x509.VerifyOptions{
		Roots: t.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return false
	}
	until = p.certificate.NotAfter
	for _, c := range chains[0] {
		until = earlier(until, c.NotAfter)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= maxKnown {
		clear(t.known)
	}
	t.known[key] = until
	return true
}

// chainDigest identifies the certificate of a proof with those that it came with.
func (p Proof) chainDigest() [sha256.Size]byte {
	if len(p.between) == 0 {
		return p.Hash
	}
	h := sha256.New()
	h.Write(p.Hash[:])
	for _, c := range p.between {
		one := sha256.Sum256(c.Raw)
		h.Write(one[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
