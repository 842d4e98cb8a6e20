package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"

	"thalassa/listen"
	"thalassa/settings"
)

// secured is the listener of the API, with TLS where the settings ask for it.
type secured struct {
	net.Listener
	gate   *listen.Gate                    // below it
	source listen.Source                   // nil: the API is served in plain
	run    func(ctx context.Context) error // keeps the certificate up to date
}

// secure puts TLS in front of a listener.
func (n node) secure(ctx context.Context, l net.Listener) (secured, error) {
	clients, err := n.settings.TLS().ClientCAs()
	if err != nil {
		return secured{}, err
	}
	plain := secured{Listener: l, run: func(context.Context) error { return nil }}
	files, ok, err := n.settings.TLS().Files(n.log)
	switch {
	case err != nil:
		return secured{}, err
	case ok:
		return newSecured(l, files, clients, files.Run), nil
	case n.settings.TLS().Mode() == "off":
		if n.settings.TLS().IsPlainOnNetwork() {
			n.log.WarnContext(ctx, "the API is served without TLS: whoever sees its packets can read tokens and sessions", "setting", "tls")
		}
		return plain, nil
	}
	own, err := listen.NewSelfSigned(n.settings.TLS().SelfSigned(n.log))
	if err != nil {
		return secured{}, fmt.Errorf("setting up TLS for the API: %w", err)
	}
	return newSecured(l, own, clients, own.Run), nil
}

func newSecured(l net.Listener, source listen.Source, clients *x509.CertPool, run func(context.Context) error) secured {
	return secured{Listener: listen.NewPort(l, listen.NewTLSConfig(source, clients)), source: source, run: run}
}

// follow takes over other CAs of clients and, if the paths are other ones, the certificate.
func (s secured) follow(tls settings.TLS, clients *x509.CertPool, isMoved bool) error {
	if files, ok := s.source.(*listen.Files); ok && isMoved {
		if err := tls.FollowFiles(files); err != nil {
			return err
		}
	}
	if port, ok := s.Listener.(*listen.Port); ok {
		port.Configure(listen.NewTLSConfig(s.source, clients))
	}
	return nil
}

// url is the address of the API.
func (s secured) url() string {
	if s.source == nil {
		return "http://" + s.Addr().String()
	}
	return "https://" + s.Addr().String()
}

// info describes the certificate; nil: there is none.
func (s secured) info() func() listen.Info {
	if s.source == nil {
		return nil
	}
	return func() listen.Info { return listen.Describe(s.source) }
}
