package agent

import (
	"cmp"
	"context"

	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/plan"
	"thalassa/stage"
)

// A previewer computes what changes would do, in the same way as they are carried out.
type previewer struct{ *changes }

// preview computes what a changeset would do now.
func (c previewer) preview(ctx context.Context, set stage.Changeset) (stage.Preview, error) {
	defer c.learn(ctx, set)()
	doubt, err := c.lines.checkAll(set)
	if err != nil {
		return stage.Preview{}, err
	}
	in, err := c.inputs.intent(ctx)
	if err != nil {
		return stage.Preview{}, err
	}
	next, err := c.inputs.made(in, set)
	if err != nil {
		return stage.Preview{}, err
	}
	out := stage.Preview{Base: in.Revision, Changes: in.Changes(next), Path: pathNone}
	if len(out.Changes) == 0 {
		return out, doubt
	}
	candidate, err := c.candidateWith(ctx, next, set.Trial)
	if err != nil {
		return out, err
	}
	select { // a check costs a process
	case c.proving <- struct{}{}:
		defer func() { <-c.proving }()
	case <-ctx.Done():
		return out, context.Cause(ctx)
	}
	if out.After, err = c.checkTrial(ctx, candidate, set.Trial); err != nil {
		return out, cmp.Or(unknownTargets(next, set), err)
	}
	if doubt != nil {
		return out, doubt
	}
	for _, empty := range emptyBackends(next, c.inputs.snapshot(), nil, set.Concerns()) {
		out.Warnings = append(out.Warnings, empty.String())
	}
	out.Warnings = append(out.Warnings, set.Ineffective()...)
	return out, c.compare(&out, candidate)
}

// checkTrial is checkText where some texts of certificates are on trial: HAProxy reads them
// from a folder that is gone afterwards. The text names the files as they will be stored.
func (c previewer) checkTrial(ctx context.Context, candidate lb.Config, trial map[string][]byte) ([]byte, error) {
	if len(trial) == 0 || c.cfg.Certificates == nil || !usesCertificates(candidate) {
		return c.checkText(ctx, candidate)
	}
	tmpl := c.templates.current()
	err := c.cfg.Certificates.Try(ctx, func(dir string, put haproxy.PutFiles) error {
		elsewhere := candidate
		elsewhere.Process.CertificateDir = dir
		rendered, err := c.renderer.render(tmpl, elsewhere)
		if err == nil {
			err = put(ctx, c.inputs.files.of(elsewhere, trial))
		}
		if err != nil {
			return err
		}
		return c.cfg.HAProxy.Check(ctx, rendered.Bytes)
	})
	if err != nil {
		return nil, err
	}
	rendered, err := c.renderer.render(tmpl, candidate)
	return rendered.Bytes, err
}

// compare adds to a preview what HAProxy runs now and what it takes to get from there to
// the candidate.
func (c previewer) compare(out *stage.Preview, candidate lb.Config) error {
	now := c.current.Load()
	if now == nil {
		out.Path, out.Reasons = pathReload, []string{"HAProxy does not run yet"}
		return nil
	}
	before, err := c.renderer.render(now.template, now.config)
	if err != nil {
		return err
	}
	out.Before = before.Bytes
	change := plan.Compute(&now.config, candidate)
	switch why := now.fixesLines(candidate, change); {
	case why != "":
		change = change.WithoutLines(why)
	case change.Empty():
		return nil
	}
	out.Path = pathRuntime
	for _, reason := range change.Reload {
		out.Path = pathReload
		out.Reasons = append(out.Reasons, reason.Object+" "+reason.What)
	}
	return nil
}
