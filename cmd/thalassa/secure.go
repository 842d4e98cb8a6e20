package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	"thalassa/lb"
	"thalassa/listen"
	"thalassa/settings"
)

// secured is the listener of the API, with TLS where the settings ask for it.
type secured struct {
	net.Listener
	gate   *listen.Gate                    // below it
	source listen.Source                   // nil: the API is served in plain
	run    func(ctx context.Context) error // keeps the certificate up to date
	now    func() time.Time                // judges certificates of clients
	// clients are the CAs of clients at the start; nil: none.
	clients *x509.CertPool
	// ordered is the source where the certificate is ordered as order says; nil: it is not.
	ordered *listen.Ordered
	order   lb.ACME
}

// secure puts TLS in front of a listener.
func (n node) secure(ctx context.Context, l net.Listener) (secured, error) {
	clients, err := n.settings.TLS().ClientCAs()
	if err != nil {
		return secured{}, err
	}
	plain := secured{Listener: l, run: func(context.Context) error { return nil }}
	files, ok, err := n.settings.TLS().Files(n.now, n.log)
	switch {
	case err != nil:
		return secured{}, err
	case ok:
		return newSecured(l, files, clients, files.Run, n.now), nil
	case n.settings.TLS().Mode() == "off":
		if n.settings.TLS().IsPlainOnNetwork() {
			n.log.WarnContext(ctx, "the API is served without TLS: anybody who sees its packets can read tokens and sessions", "setting", "tls")
		}
		return plain, nil
	}
	cfg, err := n.settings.TLS().SelfSigned(n.log)
	if err != nil {
		return secured{}, err
	}
	cfg.Now = n.now
	own, err := listen.NewSelfSigned(cfg)
	if err != nil {
		return secured{}, fmt.Errorf("setting up TLS for the API: %w", err)
	}
	order, ok, err := n.settings.TLS().Order()
	switch {
	case err != nil:
		return secured{}, settings.Error{Err: err}
	case !ok:
		return newSecured(l, own, clients, own.Run, n.now), nil
	}
	ordered := listen.NewOrdered(own, n.log)
	s := newSecured(l, ordered, clients, own.Run, n.now)
	s.ordered, s.order = ordered, order
	return s, nil
}

func newSecured(l net.Listener, source listen.Source, clients *x509.CertPool, run func(context.Context) error, now func() time.Time) secured {
	s := secured{source: source, run: run, now: now, clients: clients}
	s.Listener = listen.NewPort(l, s.config(clients))
	return s
}

// config is the TLS configuration for clients whose certificates these CAs sign.
func (s secured) config(clients *x509.CertPool) *tls.Config {
	cfg := listen.NewTLSConfig(s.source, clients)
	cfg.Time = s.now
	return cfg
}

// follow applies new CAs of clients and, if the paths have changed, the new certificate.
func (s secured) follow(t settings.TLS, clients *x509.CertPool, isMoved bool) error {
	if files, ok := s.source.(*listen.Files); ok && isMoved {
		if err := t.FollowFiles(files); err != nil {
			return err
		}
	}
	if port, ok := s.Listener.(*listen.Port); ok {
		port.Configure(s.config(clients))
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

// problem says what is wrong with the files of the certificate; empty: nothing.
func (s secured) problem() string {
	if s.source == nil {
		return ""
	}
	return s.source.Problem()
}

// info describes the certificate; nil: there is none.
func (s secured) info() func() listen.Info {
	if s.source == nil {
		return nil
	}
	return func() listen.Info { return listen.Describe(s.source) }
}
