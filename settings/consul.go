package settings

import (
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"thalassa/consul"
	"thalassa/discovery"
	"thalassa/lb"
)

// consulSettings say where Consul is, and how the agent uses it.
type consulSettings struct {
	consulAddress  string
	consulPort     int
	datacenter     string
	namespace      string
	partition      string
	consulToken    string // file
	consulCA       string
	consulCert     string
	consulKey      string
	consulName     string
	consulMaxConns int
	acceptWarning  bool
	holdShare      float64
	holdMin        int
	holdTime       time.Duration
	register       bool
	consulEnvToken string // from the environment; a token file wins
}

// Discovery configures the watcher of Consul, which begins with what an earlier run
// has found.
func (s *consulSettings) Discovery(initial lb.Snapshot, log *slog.Logger) discovery.Config {
	token := s.consulEnvToken
	if s.consulToken != "" {
		token = ""
	}
	return discovery.Config{
		Address: s.Consul(), Token: token, TokenFile: s.consulToken,
		Datacenter: s.datacenter, Namespace: s.namespace, Partition: s.partition,
		TLS:           s.consulTLS(),
		AcceptWarning: s.acceptWarning, MaxConns: s.consulMaxConns,
		HoldShare: s.holdShare, HoldMin: s.holdMin, HoldTime: s.holdTime,
		Initial: initial, Logger: log,
	}
}

func (s *consulSettings) consulTLS() consul.TLSConfig {
	return consul.TLSConfig{CAFile: s.consulCA, CertFile: s.consulCert, KeyFile: s.consulKey, ServerName: s.consulName}
}

// HasConsulCA reports whether Consul's certificate is verified with CAs of a file.
func (s *consulSettings) HasConsulCA() bool { return s.consulCA != "" }

// Registers reports whether the agent registers itself in Consul.
func (s *consulSettings) Registers() bool { return s.register }

// Registrar configures registration in Consul.
func (s *consulSettings) Registrar(log *slog.Logger) discovery.RegistrarConfig {
	d := s.Discovery(lb.Snapshot{}, log)
	return discovery.RegistrarConfig{
		Address: d.Address, Token: d.Token, TokenFile: d.TokenFile,
		Namespace: d.Namespace, Partition: d.Partition, TLS: d.TLS, Logger: log,
	}
}

// Consul is Consul's address in the form of [discovery.Config].
func (s *consulSettings) Consul() string {
	if strings.Contains(s.consulAddress, "://") {
		return s.consulAddress
	}
	if _, _, err := net.SplitHostPort(s.consulAddress); err == nil {
		return s.consulAddress
	}
	return net.JoinHostPort(strings.Trim(s.consulAddress, "[]"), strconv.Itoa(s.consulPort))
}
