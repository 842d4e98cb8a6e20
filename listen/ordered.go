package listen

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// An Ordered is a Source with a certificate that is ordered elsewhere. Until there is one,
// that of another Source serves.
type Ordered struct {
	before  Source
	logger  *slog.Logger
	current atomic.Pointer[tls.Certificate]
}

// NewOrdered makes an Ordered. A nil logger discards.
func NewOrdered(before Source, logger *slog.Logger) *Ordered {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Ordered{before: before, logger: logger}
}

// Use has connections get a certificate from now on: its chain and its key in PEM. After an
// error, which has no part of the key, the former one stays.
func (o *Ordered) Use(text []byte) error {
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return fmt.Errorf("reading the API's ordered certificate: %w", err)
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return fmt.Errorf("reading the API's ordered certificate: %w", err)
		}
	}
	if former := o.current.Swap(&pair); former == nil || !former.Leaf.Equal(pair.Leaf) {
		o.logger.Info("the API has a new certificate", "sha256", Fingerprint(pair.Leaf.Raw), "names", names(pair.Leaf), "expires", pair.Leaf.NotAfter)
	}
	return nil
}

// IsOrdered reports whether Use has been called with a certificate.
func (o *Ordered) IsOrdered() bool { return o.current.Load() != nil }

// Certificate is the ordered one, or that of the other Source.
func (o *Ordered) Certificate() *tls.Certificate {
	if pair := o.current.Load(); pair != nil {
		return pair
	}
	return o.before.Certificate()
}

// Problem is that of the other Source as long as that serves.
func (o *Ordered) Problem() string {
	if o.IsOrdered() {
		return ""
	}
	return o.before.Problem()
}
