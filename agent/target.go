package agent

import (
	"context"

	"thalassa/lb"
	"thalassa/plan"
)

// target is what a round wants HAProxy to run.
type target struct {
	effective
	tuning     *Tuning
	intent     lb.Intent
	isComplete bool
}

func (t target) outcome(path string, err error) outcome {
	return outcome{revision: t.intent.Revision, template: t.template, tuning: t.tuning, overrides: t.snapshot.Overrides, path: path, err: err}
}

// desired works out what HAProxy should run now. On an error the target still tells the
// revision.
func (r *reconciler) desired(ctx context.Context) (target, error) {
	t := target{tuning: r.cfg.tuned(), effective: effective{template: r.templates.current(), snapshot: r.inputs.snapshot(), control: r.inputs.control()}}
	var err error
	if t.intent, err = r.inputs.intentSoon(ctx); err != nil {
		return t, err
	}
	inherited, err := r.earlier.members(ctx, t.intent, t.snapshot)
	if err != nil {
		return t, err
	}
	if r.running.isKnown() {
		t.noSpares = r.running.noSpares
		if r.running.revision == t.intent.Revision && r.running.template == t.template {
			t.fixed = r.running.fixed
		}
	}
	available := r.inputs.files.available(t.intent)
	t.config = inheritMembers(r.running.resolve(available, t.snapshot, t.tuning.processWith(r.cfg, t.template), t.control), inherited)
	if t.config, err = limitServers(t.tuning.MaxServers, r.running.slots(), t.config); err != nil {
		return t, err
	}
	r.warnings.update(ctx, t)
	if err := r.earlier.guard(ctx, t); err != nil {
		return t, err
	}
	t.revision, t.isComplete = t.intent.Revision, true
	return t, nil
}

// difference is what the target changes, and what else needs a reload.
func (r *reconciler) difference(t target) plan.Change {
	if !r.running.isKnown() {
		return plan.Compute(nil, t.config)
	}
	change := plan.Compute(&r.running.config, t.config)
	change.Reload = append(change.Reload, r.running.reasons...)
	return change.Without(r.running.lacks).WithoutLines(r.running.fixesLines(t.config, change))
}
