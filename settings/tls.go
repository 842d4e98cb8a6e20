package settings

import (
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"thalassa/listen"
)

// The values of the setting tls.
const (
	tlsOff   = "off"
	tlsAuto  = "auto"
	tlsFiles = "files"
)

// TLS is how the API is served: off, auto or files.
func (s *Agent) TLS() string {
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
func (s *Agent) IsPlainOnNetwork() bool { return s.TLS() == tlsOff && !s.Loopback() }

// CertificateFiles configures a certificate that others renew; ok if there is one.
func (s *Agent) CertificateFiles(log *slog.Logger) (source *listen.Files, ok bool, err error) {
	if s.TLS() != tlsFiles {
		return nil, false, nil
	}
	source, err = listen.NewFiles(s.tlsCert, s.tlsKey, time.Now, log)
	if err != nil {
		return nil, true, Error{Err: err}
	}
	return source, true, nil
}

// SelfSigned configures the agent's own certificate.
func (s *Agent) SelfSigned(log *slog.Logger) listen.SelfSignedConfig {
	return listen.SelfSignedConfig{
		Dir: filepath.Join(s.dbPath, "tls"), Logger: log, Now: time.Now,
		Names: func() []string {
			local, err := listen.LocalNames("/etc/hosts")
			if err != nil {
				log.Warn("names of this machine not known", "error", err)
			}
			return append(slices.Clone(s.tlsNames), local...)
		},
	}
}
