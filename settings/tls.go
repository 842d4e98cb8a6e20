package settings

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"thalassa/auth"
	"thalassa/internal/safefile"
	"thalassa/listen"
)

// The values of the setting tls.
const (
	tlsOff   = "off"
	tlsAuto  = "auto"
	tlsFiles = "files"
	tlsACME  = "acme"
	// tlsShared is tlsAuto with a key that follows from session-key-file.
	tlsShared = "shared"
)

// TLS is how the API is served.
type TLS struct{ s *Agent }

// TLS returns the settings of the API's certificate.
func (s *Agent) TLS() TLS { return TLS{s} }

// Mode is off, auto, files, acme or shared.
func (t TLS) Mode() string {
	s := t.s
	switch {
	case s.tls != "":
		return s.tls
	case s.tlsCert != "" || s.tlsKey != "":
		return tlsFiles
	case s.Loopback() || s.insecureNoAuth:
		return tlsOff
	}
	return tlsAuto
}

// IsPlainOnNetwork reports whether tokens travel over a network as plain text.
func (t TLS) IsPlainOnNetwork() bool { return t.Mode() == tlsOff && !t.s.Loopback() }

// Files configures a certificate in files that other programs renew; now is the clock. ok is false
// where the settings name none.
func (t TLS) Files(now func() time.Time, log *slog.Logger) (source *listen.Files, ok bool, err error) {
	if t.Mode() != tlsFiles {
		return nil, false, nil
	}
	source, err = listen.NewFiles(t.s.tlsCert, t.s.tlsKey, now, log)
	if err != nil {
		return nil, true, Error{Err: err}
	}
	return source, true, nil
}

// FollowFiles makes a certificate that Files configured read the paths of these settings from now
// on.
func (t TLS) FollowFiles(source *listen.Files) error {
	if err := source.Follow(t.s.tlsCert, t.s.tlsKey); err != nil {
		return Error{Err: err}
	}
	return nil
}

// HasClientCA reports whether clients may show certificates.
func (t TLS) HasClientCA() bool { return t.s.clientCA != "" }

// ClientCAs are the CAs that sign certificates of the API's clients; nil: clients show none.
func (t TLS) ClientCAs() (*x509.CertPool, error) {
	if t.s.clientCA == "" {
		return nil, nil
	}
	data, err := safefile.Read(t.s.clientCA, maxFile)
	if err != nil {
		return nil, Error{Err: fmt.Errorf("client-ca: %w", err)}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, Error{Err: fmt.Errorf("client-ca: %s has no certificate in PEM form", t.s.clientCA)}
	}
	return pool, nil
}

// SelfSigned configures the agent's own certificate; the caller adds the clock. The error
// names the setting.
func (t TLS) SelfSigned(log *slog.Logger) (listen.SelfSignedConfig, error) {
	cfg := listen.SelfSignedConfig{Dir: filepath.Join(t.s.dbPath, "tls"), Logger: log, Names: t.Names(log)}
	if t.Mode() != tlsShared {
		return cfg, nil
	}
	var err error
	if cfg.Seed, err = auth.ReadClusterSeed(t.s.sessionKey, "thalassa api key 1\n"+t.s.sessionPrefix); err != nil {
		return cfg, Error{Err: fmt.Errorf("tls: %w", err)}
	}
	return cfg, nil
}

// Names are the names and addresses by which clients reach the API: tls-names, and those that
// this machine has now.
func (t TLS) Names(log *slog.Logger) func() []string {
	return func() []string {
		local, err := listen.LocalNames("/etc/hosts")
		if err != nil {
			log.Warn("names of this machine not known", "error", err)
		}
		return append(slices.Clone(t.s.tlsNames), local...)
	}
}
