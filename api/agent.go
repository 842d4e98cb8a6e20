package api

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
	"thalassa/lb"
	"thalassa/stage"
)

// An Agent is the interface of dialects to the node. With the context of a request it returns only
// what the caller may see, and refuses what the caller may not do. All methods may be called
// concurrently.
type Agent struct {
	changes Changer
	views   Views
	drafts  *lockedDrafts
	history History
	configs Archive
	keys    KeyStore // nil: no certificates are stored

	statuses  *statusCoalescer
	authority *auth.Authority
	// sessionProblems is Config.SessionProblems.
	sessionProblems func() []string
	now             func() time.Time
	files           chan struct{} // full while a large file is read or written: a database, a backup, a haproxy.cfg
}

func newAgent(cfg Config) *Agent {
	return &Agent{
		changes: cfg.Changes, views: cfg.Views, drafts: &lockedDrafts{Drafts: sightedDrafts{cfg.Drafts}}, history: cfg.History, configs: cfg.Configs, keys: cfg.Keys,
		statuses: newStatusCoalescer(cfg.Views.Status), authority: cfg.Authority, sessionProblems: cfg.SessionProblems, now: cfg.Now,
		files: make(chan struct{}, 1),
	}
}

// Intent is what operators asked for. A name that the caller may not see is "_hidden_".
func (a *Agent) Intent(ctx context.Context) (lb.Intent, error) {
	in, err := a.configured(ctx)
	if s, limited := sightOf(ctx); limited && err == nil {
		return s.intent(in), nil
	}
	return in, err
}

// configured is the intent, or that of the draft that the request is about.
func (a *Agent) configured(ctx context.Context) (lb.Intent, error) {
	in, err := a.views.Intent(ctx)
	if id, ok := draftOf(ctx); ok && err == nil {
		d, err := a.drafts.Draft(ctx, id)
		return d.View(in), err
	}
	return in, err
}

// Snapshot is the instances of the services; none if the caller is limited and the intent
// cannot be read.
func (a *Agent) Snapshot(ctx context.Context) lb.Snapshot {
	snap := a.views.Snapshot()
	s, limited := sightOf(ctx)
	if !limited {
		return snap
	}
	in, err := a.views.Intent(ctx)
	if err != nil {
		return lb.Snapshot{}
	}
	return s.snapshot(in, snap)
}

// Status is that of Views with a warning while the token file or the access file is unusable; calls at the
// same time share one reading.
func (a *Agent) Status(ctx context.Context) (lb.Status, error) {
	status, err := a.statuses.status(ctx)
	if s, limited := sightOf(ctx); limited && err == nil {
		in, err := a.views.Intent(ctx)
		if err != nil {
			return lb.Status{}, err
		}
		status = s.status(in, status)
	}
	for _, problem := range a.authority.Problems() {
		status.Warnings = slices.Concat(status.Warnings, []string{formerTokens + ": " + problem})
	}
	status.Warnings = slices.Concat(status.Warnings, a.sessionProblems())
	return status, err
}

// formerTokens warns of an unusable token file or access file.
const formerTokens = "the token file or the access file is unusable, and the former tokens stay valid: nothing is revoked"

// Edit is that of Changer. The rights of the caller are checked first, before the edit is compared
// with the configuration.
func (a *Agent) Edit(ctx context.Context, e lb.Edit) (lb.Applied, error) {
	applied, err := a.change(ctx, []lb.Edit{e}, e.Origin, func() (lb.Applied, error) { return a.changes.Edit(ctx, e) })
	return applied, stage.Single(err)
}

// Switch is that of Changer.
func (a *Agent) Switch(ctx context.Context, s lb.Switch) (lb.Applied, error) {
	applied, err := a.change(ctx, []lb.Edit{s.Edit()}, s.Origin, func() (lb.Applied, error) { return a.changes.Switch(ctx, s) })
	return applied, stage.Single(err)
}

// Apply is that of Changer.
func (a *Agent) Apply(ctx context.Context, set stage.Changeset) (lb.Applied, error) {
	return a.change(ctx, set.Edits, set.Origin, func() (lb.Applied, error) { return a.changes.Apply(ctx, set) })
}

// Preview is that of Changer. A caller who may not see everything gets no text of haproxy.cfg.
func (a *Agent) Preview(ctx context.Context, set stage.Changeset) (stage.Preview, error) {
	if err := a.judge(ctx, set.Edits); err != nil {
		return stage.Preview{}, err
	}
	if _, ok := draftOf(ctx); ok {
		return stage.Preview{}, invalidField("dryRun", "does not go with draft", "GET /drafts/{id}/diff")
	}
	p, err := a.changes.Preview(ctx, set)
	s, limited := sightOf(ctx)
	if err != nil || !limited {
		return p, err
	}
	p.Before, p.After = nil, nil
	p.Reasons = slices.DeleteFunc(slices.Clone(p.Reasons), s.namesHidden)
	p.Warnings = slices.DeleteFunc(slices.Clone(p.Warnings), s.namesHidden)
	p.Changes, err = a.seenChanges(ctx, p.Changes)
	return p, err
}

// previewConfigured is the haproxy.cfg that a changeset makes of what is configured, or of
// that with the draft that the request is about.
func (a *Agent) previewConfigured(ctx context.Context, set stage.Changeset) ([]byte, error) {
	if err := a.judge(ctx, set.Edits); err != nil {
		return nil, err
	}
	if _, ok := draftOf(ctx); ok {
		in, err := a.views.Intent(ctx)
		if err != nil {
			return nil, err
		}
		view, err := a.configured(ctx)
		if err != nil {
			return nil, err
		}
		next, err := set.Apply(view)
		if err != nil {
			return nil, err
		}
		set.Edits = stage.Towards(in, next)
	}
	p, err := a.changes.Preview(ctx, set)
	return p.After, err
}

// changeOf is what an edit makes of its object.
func changeOf(in lb.Intent, e lb.Edit) lb.ObjectChange {
	c := lb.ObjectChange{ID: e.ID(), Before: in.Object(e.ID()), After: e.Object()}
	if e.Switch != nil {
		if b, ok := in.Backends[e.Switch.Backend]; ok {
			b.Service = cmp.Or(e.Switch.Service, b.Service)
			c.After = b
		}
	}
	return c
}

// judge refuses edits beyond the limits of the caller.
func (a *Agent) judge(ctx context.Context, edits []lb.Edit) error {
	if _, limited := limitsOf(ctx); !limited {
		return nil
	}
	in, err := a.views.Intent(ctx)
	if err != nil {
		return err
	}
	return judgeEdits(ctx, in, edits)
}

// judgeEdits is judge for a configuration that has been read.
func judgeEdits(ctx context.Context, in lb.Intent, edits []lb.Edit) error {
	l, limited := limitsOf(ctx)
	if !limited {
		return nil
	}
	for _, e := range edits {
		if err := l.judgeChange(in, changeOf(in, e)); err != nil {
			return err
		}
	}
	return nil
}

// change makes a change that the limits of the caller allow. Where it is carried out, it
// is judged again.
func (a *Agent) change(ctx context.Context, edits []lb.Edit, by lb.Origin, do func() (lb.Applied, error)) (lb.Applied, error) {
	if err := a.judge(ctx, edits); err != nil {
		return lb.Applied{}, err
	}
	if id, ok := draftOf(ctx); ok {
		do = func() (lb.Applied, error) { return a.changeDraft(ctx, id, edits, by) }
	}
	applied, err := do()
	if err != nil {
		return applied, err
	}
	return seenApplied(ctx, a, applied)
}

// seenApplied is the outcome of a change as the caller may see it.
func seenApplied(ctx context.Context, a *Agent, applied lb.Applied) (lb.Applied, error) {
	s, blind := sightOf(ctx)
	if !blind {
		return applied, nil
	}
	in, err := a.configured(ctx)
	if err != nil {
		return applied, err
	}
	return s.applied(in, applied), nil
}

// seenChanges are changes of objects as the caller sees them.
func (a *Agent) seenChanges(ctx context.Context, changes []lb.ObjectChange) ([]lb.ObjectChange, error) {
	r, _, err := a.revision(ctx, lb.Revision{Changes: changes})
	return r.Changes, err
}

// Accept is that of Changer.
func (a *Agent) Accept(ctx context.Context, service lb.Name, by lb.Origin) error {
	return a.changes.Accept(ctx, service, by)
}

// Origin says who changes what, and when.
func (a *Agent) Origin(c echo.Context) lb.Origin {
	r := c.Request()
	return lb.Origin{Author: Author(c), Cause: r.Method + " " + r.URL.Path, Time: a.now()}
}

// revision is a revision as the caller may see it; false: it changed nothing that the caller may
// see.
func (a *Agent) revision(ctx context.Context, r lb.Revision) (lb.Revision, bool, error) {
	s, limited := sightOf(ctx)
	if !limited {
		return r, true, nil
	}
	in, err := a.views.Intent(ctx)
	if err != nil {
		return r, false, err
	}
	r, seen := s.revision(in, r)
	return r, seen, nil
}
