package main

import (
	"context"

	"thalassa/agent"
	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/ocsp"
	"thalassa/settings"
)

// stapler keeps the OCSP responses of what clients get. It does not run before follow has its
// agent.
func (n node) stapler(p parts, follow *followed) *ocsp.Stapler {
	cfg := settings.OCSP(n.settings, n.log)
	cfg.Now, cfg.Text, cfg.HAProxy = n.now, p.keys.Text, staples{p.process}
	cfg.Changed = func() <-chan struct{} { return follow.agent.Changed() }
	cfg.Targets = func() []lb.StapleTarget {
		running, _ := follow.agent.Effective()
		return running.StapleTargets()
	}
	return ocsp.New(cfg)
}

// followed is the agent, which is made later.
type followed struct{ agent *agent.Agent }

// staples has HAProxy staple OCSP responses.
type staples struct{ process *haproxy.Process }

// Worker implements ocsp.HAProxy.
func (s staples) Worker(ctx context.Context) (int, error) {
	state, err := s.process.State(ctx)
	return state.WorkerPID, err
}

// Staple implements ocsp.HAProxy.
func (s staples) Staple(ctx context.Context, t lb.StapleTarget, response []byte) error {
	return s.process.Certificates().Staple(ctx, haproxy.Staple{
		Name: t.File.Name, Role: t.File.Role, KeyType: t.KeyType, Response: response,
		Handshake: haproxy.Handshake{Bind: t.Bind, ServerName: t.ServerName, AcceptProxy: t.AcceptProxy, Expected: []string{t.SHA256}},
	})
}

// Stapled implements ocsp.HAProxy.
func (s staples) Stapled(t lb.StapleTarget) ([]byte, error) {
	return s.process.Certificates().Stapled(t.File.Name)
}
