package listen

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// filesEvery is how often Files looks whether its files have changed.
const filesEvery = 500 * time.Millisecond

// Files is a Source that reads a certificate with its chain, and its key, from two PEM files. It
// reads changed files again. A pair that does not match, or has expired, is logged and not used;
// the former pair stays in use.
type Files struct {
	paths  atomic.Pointer[pairPaths]
	logger *slog.Logger
	now    func() time.Time

	current atomic.Pointer[tls.Certificate]
	refused atomic.Bool  // the last pair that was read is not in use
	read    [2]fileState // of the pair that was read last; used by Run
}

// pairPaths are the files of a certificate and its key.
type pairPaths struct{ certificate, key string }

// A fileState identifies a state of a file.
type fileState struct {
	modified time.Time
	size     int64
}

// NewFiles reads the files. The error names the file and what is wrong, and never contains a part
// of the key. A nil logger discards.
func NewFiles(certificate, key string, now func() time.Time, logger *slog.Logger) (*Files, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	f := &Files{logger: logger, now: now}
	if err := f.Follow(certificate, key); err != nil {
		return nil, err
	}
	f.read = f.states()
	return f, nil
}

// Follow reads the pair from other files from now on. The error is that of NewFiles; the
// former files stay in use then.
func (f *Files) Follow(certificate, key string) error {
	paths := &pairPaths{certificate: certificate, key: key}
	pair, err := f.load(*paths)
	if err != nil {
		return err
	}
	f.paths.Store(paths)
	f.current.Store(pair)
	f.refused.Store(false)
	return nil
}

// Certificate returns the last valid pair.
func (f *Files) Certificate() *tls.Certificate { return f.current.Load() }

// Problem is a sentence, which anybody may read, that says that the files are not in use; empty:
// they are.
func (f *Files) Problem() string {
	if f.refused.Load() {
		return "the files of tls-cert and tls-key cannot be used: the former certificate stays"
	}
	return ""
}

// Run reads changed files until ctx ends, which is no error. Both files are read when
// neither has changed for a while, because programs that renew them write one after the other.
func (f *Files) Run(ctx context.Context) error {
	tick := time.NewTicker(filesEvery)
	defer tick.Stop()
	before := f.read
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := f.states()
		settled := now == before
		before = now
		if settled && now != f.read {
			f.read = now
			f.reload(ctx)
		}
	}
}

func (f *Files) reload(ctx context.Context) {
	pair, err := f.load(*f.paths.Load())
	f.refused.Store(err != nil)
	if err != nil {
		f.logger.ErrorContext(ctx, "the API's new certificate is not used, the former one stays", "error", err)
		return
	}
	f.current.Store(pair)
	f.logger.InfoContext(ctx, "the API has a new certificate", "sha256", Fingerprint(pair.Leaf.Raw), "names", names(pair.Leaf), "expires", pair.Leaf.NotAfter)
}

// load reads the pair.
func (f *Files) load(p pairPaths) (*tls.Certificate, error) {
	chain, err := readFile(p.certificate)
	if err != nil {
		return nil, fmt.Errorf("tls-cert: %w", err)
	}
	key, err := readFile(p.key)
	if err != nil {
		return nil, fmt.Errorf("tls-key: %w", err)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("tls-cert: %s and tls-key %s are no pair: %w", p.certificate, p.key, err)
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("tls-cert: %s: %w", p.certificate, err)
		}
	}
	if now := f.now(); !now.Before(pair.Leaf.NotAfter) {
		return nil, fmt.Errorf("tls-cert: %s expired at %s", p.certificate, pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return &pair, nil
}

func (f *Files) states() (s [2]fileState) {
	p := f.paths.Load()
	for i, path := range []string{p.certificate, p.key} {
		if info, err := os.Stat(path); err == nil {
			s[i] = fileState{info.ModTime(), info.Size()}
		}
	}
	return s
}
