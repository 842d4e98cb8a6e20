package agent

import (
	"context"
	"time"

	"thalassa/lb"
	"thalassa/template"
)

// A Tuning is the part of a Config that may change while the agent runs; its fields are documented
// there.
type Tuning struct {
	Process     lb.Process
	RawLines    RawLines
	ReloadEvery time.Duration
	ReloadBurst int

	ReloadJitter time.Duration
	MaxServers   int
}

// Tuning is the part of a Config that may change.
func (c Config) Tuning() Tuning {
	return Tuning{
		Process: c.Process, RawLines: c.RawLines, ReloadEvery: c.ReloadEvery, ReloadBurst: c.ReloadBurst,
		ReloadJitter: c.ReloadJitter, MaxServers: c.MaxServers,
	}
}

// tuned is the Tuning in use, which nobody changes.
func (c *Config) tuned() *Tuning { return c.tuning.Load() }

// ProcessFor is HAProxy's own settings as an agent with this configuration renders them
// with a template.
func (c Config) ProcessFor(tmpl *template.Template) lb.Process {
	return (&Tuning{Process: c.Process}).processWith(&c, tmpl)
}

// processWith is HAProxy's own settings with a template, which may make HAProxy ask agents
// about servers.
func (t *Tuning) processWith(cfg *Config, tmpl *template.Template) lb.Process {
	p := t.Process
	p.AgentChecks = tmpl.AsksAgents()
	p.HashType, p.Unnumbered = tmpl.HashType(), !tmpl.WritesNumbers()
	p.HashKey = tmpl.WritesHashKeys() && cfg.HashKeys != nil && cfg.HashKeys()
	p.Hosts = cfg.Hosts.Hosts()
	return p
}

// Tune replaces what may change while the agent runs, and returns when HAProxy runs with it.
// Errors: *lb.RefusedError if HAProxy does not accept it, and then everything is as before;
// *lb.UnavailableError if that cannot be found out now.
func (a *Agent) Tune(ctx context.Context, t Tuning) error {
	if err := a.lock.lock(ctx); err != nil {
		return err
	}
	defer a.lock.unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	in, err := a.inputs.intent(ctx)
	if err != nil {
		return err
	}
	former := a.cfg.tuned()
	if t.MaxServers != former.MaxServers || !t.Process.Equal(former.Process) {
		if err := a.tuneHAProxy(ctx, in, &t, former); err != nil {
			return err
		}
	}
	a.cfg.tuning.Store(&t)
	a.changes.reloads.set(&t)
	a.lines.update(ctx, in)
	a.views.Broadcast()
	return nil
}

// tuneHAProxy brings HAProxy's own settings into effect once it has accepted them. When
// it refuses them, before or at the start, the former ones are in use again.
func (a *Agent) tuneHAProxy(ctx context.Context, in lb.Intent, t, former *Tuning) error {
	tmpl := a.templates.file.current()
	now := a.current.Load()
	config := now.resolve(a.inputs.files.available(in), a.inputs.snapshot(), t.processWith(a.cfg, tmpl), a.inputs.control())
	config, err := limitServers(t.MaxServers, now.slots(), config)
	if err != nil {
		return err
	}
	rendered, err := a.renderer.of(tmpl, config)
	if err == nil {
		err = a.inputs.files.put(ctx, config)
	}
	if err != nil {
		return err
	}
	if err := a.cfg.HAProxy.Check(ctx, rendered.Bytes); err != nil {
		return err
	}
	if out := a.roundTuned(ctx, t); isRefusal(out.err) {
		a.roundTuned(ctx, former)
		return out.err
	}
	return nil
}

// roundTuned waits for the first round with t.
func (a *Agent) roundTuned(ctx context.Context, t *Tuning) outcome {
	e := a.outcomes.expect(expectation{tuning: t})
	defer a.outcomes.forget(e)
	a.cfg.tuning.Store(t)
	return a.outcomes.await(ctx, e)
}
