package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"thalassa/acme"
	"thalassa/activity"
	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/store"
)

// issuer orders certificates.
func (n node) issuer(ctx context.Context, db *store.DB, keys *store.Keys, process *haproxy.Process, events *activity.Log) (*acme.Issuer, error) {
	cfg := n.settings.ACME(n.log)
	cfg.Now, cfg.Store, cfg.Keys, cfg.Journal = n.now, db, keys, events
	web := &challengeAnswers{process: process, db: db}
	web.port, web.problem = n.settings.ChallengePort()
	cfg.Web = web
	var err error
	if cfg.Sharing, err = n.settings.Sharing().Orders(n.log); err != nil {
		return nil, err
	}
	i, err := acme.New(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("reading the orders of certificates: %w", err)
	}
	return i, nil
}

// runIssuer orders and renews certificates until ctx ends.
func (p parts) runIssuer(ctx context.Context) error {
	go func() { // ends with ctx
		for {
			changed := p.issuer.Changed()
			select {
			case <-changed:
				p.agent.Reissued()
				p.useOwn(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	return p.issuer.Run(ctx)
}

// useOwn makes the API use the certificate that is ordered for it, once there is one.
func (p parts) useOwn(ctx context.Context) {
	if p.port.ordered == nil || !p.issuer.IsIssued(p.port.order) {
		return
	}
	for _, file := range p.issuer.Files(p.port.order) { //nolint:contextcheck // a stand-in is made for readers, who have none
		text, err := p.keys.Text(file.Digest)
		if err == nil {
			err = p.port.ordered.Use(text)
		}
		if err != nil {
			p.log.ErrorContext(ctx, "the API's new certificate is not used, the former one stays", "error", err)
		}
	}
}

// ownNotices say what is wrong with the order of the API's own certificate.
func (p parts) ownNotices() []string {
	if p.port.ordered == nil {
		return nil
	}
	s := p.issuer.Status(p.port.order)
	var out []string
	if !s.Issued {
		out = append(out, "the API's certificate is not issued yet; a self-signed one is in use"+because(s))
	} else if s.Failures > 0 {
		out = append(out, "the API's certificate could not be renewed; the former one is in use"+because(s))
	}
	if s.Issued {
		own := lb.Certificate{Files: p.issuer.Files(p.port.order)}
		if e, ok := own.Expiry(p.now()); ok && e.Days > 0 {
			out = append(out, "the API's certificate expires on "+own.NotAfter().UTC().Format(time.RFC3339))
		} else if ok {
			out = append(out, "the API's certificate expired on "+own.NotAfter().UTC().Format(time.RFC3339))
		}
	}
	return out
}

// because says why an order is not done; empty: nothing is known to be wrong.
func because(s lb.OrderStatus) string {
	if s.Error == "" {
		return ""
	}
	return ": " + s.Error
}

// challengeAnswers makes HAProxy answer HTTP-01 challenges.
type challengeAnswers struct {
	process *haproxy.Process
	db      *store.DB
	port    uint16
	problem string // why HAProxy cannot answer; empty: it can
}

// Answer implements acme.Web.
func (a *challengeAnswers) Answer(ctx context.Context, tokens map[string]string) error {
	return a.process.Certificates().AnswerChallenges(ctx, tokens)
}

// Reach implements acme.Web.
func (a *challengeAnswers) Reach(ctx context.Context) ([]netip.AddrPort, error) {
	if a.problem != "" {
		return nil, &lb.UnavailableError{What: a.problem}
	}
	in, err := a.db.Load(ctx)
	if err != nil {
		return nil, err
	}
	binds, reason := in.ChallengeBinds(a.port)
	if len(binds) == 0 {
		return nil, &lb.UnavailableError{What: reason}
	}
	state, err := a.process.State(ctx)
	if err != nil {
		return nil, err
	}
	if !state.Running {
		return nil, &lb.UnavailableError{What: "HAProxy does not run on this node"}
	}
	var out []netip.AddrPort
	for _, b := range binds {
		host := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if b.Host != "" {
			if host, err = netip.ParseAddr(string(b.Host)); err != nil {
				continue // a name
			}
			if host.IsUnspecified() {
				host = netip.IPv6Loopback()
			}
		}
		out = append(out, netip.AddrPortFrom(host, b.Port))
	}
	return out, nil
}
