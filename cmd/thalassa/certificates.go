package main

import (
	"context"
	"fmt"
	"net/netip"

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
			case <-ctx.Done():
				return
			}
		}
	}()
	return p.issuer.Run(ctx)
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
