package listen

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// lifetime of a self-signed certificate; it is renewed when a third of it is left.
	lifetime = 365 * 24 * time.Hour
	// lookEvery is how often a source checks whether its certificate has to be replaced.
	lookEvery = time.Minute
)

// SelfSignedConfig configures a SelfSigned.
type SelfSignedConfig struct {
	// Dir holds the key (api.key, mode 0600) and the certificate (api.crt, for clients to trust).
	// It is created where it does not exist.
	Dir string
	// Seed is at least 48 secret bytes that the key is computed from, so that several agents have
	// the same; nil: it is a key of this one, in Dir.
	Seed []byte
	// Names are the DNS names and addresses that the certificate is for now.
	Names  func() []string
	Now    func() time.Time // default: time.Now
	Logger *slog.Logger     // default: discards
}

// A SelfSigned is a Source that signs its own certificate: an ECDSA key on P-256 that
// stays the same, so that clients may pin it, and a certificate of one year that is
// renewed in time, and when it lacks a name.
type SelfSigned struct {
	cfg     SelfSignedConfig
	key     *ecdsa.PrivateKey
	current atomic.Pointer[tls.Certificate]
	unsaved atomic.Bool // the file has not the present certificate
}

// NewSelfSigned reads the key and the certificate of an earlier run, or makes them. The
// error is about files: a key that cannot be read is never replaced.
func NewSelfSigned(cfg SelfSignedConfig) (*SelfSigned, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil { //nolint:gosec // clients read the certificate in it
		return nil, fmt.Errorf("making the directory of the API's certificate: %w", err)
	}
	key, err := keyFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("reading the key of the API's certificate: %w", err)
	}
	s := &SelfSigned{cfg: cfg, key: key}
	if leaf := s.stored(); leaf != nil {
		s.use(leaf)
	}
	if err := s.look(); err != nil && s.Certificate() == nil {
		return nil, err
	} else if err != nil { // it serves as long as this run lasts
		cfg.Logger.Error("the API's certificate is not stored", "error", err)
	}
	return s, nil
}

// Certificate is the certificate now.
func (s *SelfSigned) Certificate() *tls.Certificate { return s.current.Load() }

// Problem is a sentence, which anybody may read, that says that the certificate is not in its file;
// empty: it is.
func (s *SelfSigned) Problem() string {
	if s.unsaved.Load() {
		return "the API's certificate cannot be stored: clients on this node do not trust it, and a restart signs another one"
	}
	return ""
}

// Run renews the certificate until ctx ends, which is no error.
func (s *SelfSigned) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := s.look()
		if err != nil && !failed {
			s.cfg.Logger.ErrorContext(ctx, "the API's certificate is not renewed", "error", err)
		}
		failed = err != nil
	}
}

// look makes another certificate if the present one ends soon, begins later or lacks a
// name.
func (s *SelfSigned) look() error {
	now, want := s.cfg.Now(), s.cfg.Names()
	if c := s.current.Load(); c != nil {
		have := names(c.Leaf)
		lacks := slices.ContainsFunc(want, func(n string) bool { return !slices.Contains(have, n) })
		if !lacks && !now.Before(c.Leaf.NotBefore) && now.Before(c.Leaf.NotAfter.Add(-lifetime/3)) {
			if s.unsaved.Load() {
				return s.store(c.Leaf)
			}
			return nil
		}
	}
	leaf, err := s.sign(now, want)
	if err != nil {
		return fmt.Errorf("signing the API's certificate: %w", err)
	}
	s.use(leaf) // also if it cannot be stored
	s.cfg.Logger.Info("the API has a new certificate", "sha256", Fingerprint(leaf.Raw), "names", names(leaf), "expires", leaf.NotAfter)
	return s.store(leaf)
}

// store writes the certificate to its file.
func (s *SelfSigned) store(leaf *x509.Certificate) error {
	err := writeFile(filepath.Join(s.cfg.Dir, "api.crt"), encode("CERTIFICATE", leaf.Raw), 0o644)
	s.unsaved.Store(err != nil)
	if err != nil {
		return fmt.Errorf("storing the API's certificate: %w", err)
	}
	return nil
}

func (s *SelfSigned) use(leaf *x509.Certificate) {
	s.current.Store(&tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: s.key, Leaf: leaf})
}

// stored is the certificate of an earlier run, if there is one for the key.
func (s *SelfSigned) stored() *x509.Certificate {
	data, err := readFile(filepath.Join(s.cfg.Dir, "api.crt"))
	if err != nil {
		return nil // another one is made
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !s.key.PublicKey.Equal(leaf.PublicKey) {
		return nil
	}
	return leaf
}

// sign makes a certificate for names, which begins an hour ago for clients whose clocks
// are behind.
func (s *SelfSigned) sign(now time.Time, want []string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Thalassa"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(lifetime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, name := range want {
		if a, err := netip.ParseAddr(name); err == nil {
			template.IPAddresses = append(template.IPAddresses, net.IP(a.AsSlice()))
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, s.key.Public(), s.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// keyFor is the key of a certificate.
func keyFor(cfg SelfSignedConfig) (*ecdsa.PrivateKey, error) {
	if cfg.Seed == nil {
		return ownKey(filepath.Join(cfg.Dir, "api.key"))
	}
	return seededKey(cfg.Seed)
}

// minSeed is the least length of a seed, in bytes: 128 bits more than the key has.
const minSeed = 48

// seededKey computes a key from secret bytes (FIPS 186-5, A.2.1).
func seededKey(seed []byte) (*ecdsa.PrivateKey, error) {
	if len(seed) < minSeed {
		return nil, fmt.Errorf("the seed has %d bytes, expected at least %d", len(seed), minSeed)
	}
	curve := elliptic.P256()
	one := big.NewInt(1)
	d := new(big.Int).SetBytes(seed)
	d.Mod(d, new(big.Int).Sub(curve.Params().N, one))
	d.Add(d, one)
	return ecdsa.ParseRawPrivateKey(curve, d.FillBytes(make([]byte, (curve.Params().BitSize+7)/8)))
}

// ownKey reads the key of a file, or makes both.
func ownKey(path string) (*ecdsa.PrivateKey, error) {
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newKey(path)
	}
	if err != nil {
		return nil, err
	}
	key, err := parseKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	own, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: is not an ECDSA key", path)
	}
	return own, nil
}

func newKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeFile(path, encode("PRIVATE KEY", der), 0o600)
}

// parseKey reads the first private key of PEM text.
func parseKey(data []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("has no PEM block, expected a private key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("has no private key in PKCS #8 form") // the cause may quote it
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("has a key that cannot sign")
	}
	return signer, nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
