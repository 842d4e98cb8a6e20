package agent

import (
	"context"
	"fmt"

	"thalassa/activity"
	"thalassa/lb"
	"thalassa/store"
)

// Import takes over the JSON file of an earlier installation when nothing is stored
// yet. The store wins otherwise: the file is its copy. Whoever shows the intent to
// others before Run begins calls it first, so that nothing seems to be missing.
func (a *Agent) Import(ctx context.Context) error {
	if a.cfg.Persistence == "" {
		return nil
	}
	in, err := a.Intent(ctx)
	if err != nil || in.Revision > 0 {
		return err
	}
	imported, found, err := store.ReadPersistence(a.cfg.Persistence)
	if err != nil || !found {
		return err
	}
	by := lb.Stamp{Author: "thalassa", Cause: "importing " + a.cfg.Persistence, Time: a.cfg.Now()}
	rev, err := a.cfg.Intents.Commit(ctx, in.Revision, imported, by)
	if err != nil {
		return fmt.Errorf("storing what %s asks for: %w", a.cfg.Persistence, err)
	}
	a.cfg.Logger.InfoContext(ctx, "persistence file imported", "file", a.cfg.Persistence,
		"frontends", len(imported.Frontends), "backends", len(imported.Backends))
	a.cfg.Journal.Note(activity.Event{
		Verb: activity.Imported, Object: agentObject(a.cfg.Label), Author: by.Author, Cause: by.Cause, Revision: rev.Number,
	})
	return nil
}

// sweepPersistence removes what an agent that was killed has left beside the JSON
// copy.
func (a *Agent) sweepPersistence(ctx context.Context) {
	if a.cfg.Persistence != "" {
		store.SweepPersistence(ctx, a.cfg.Persistence, a.cfg.Logger)
	}
}

// persisted is what the scribe knows of the JSON copy.
type persisted struct {
	revision *uint64 // that it holds; nil: not known
	failing  bool
}

// persist brings the JSON copy up to date. The store is what counts, but the
// copy is what is left when that is damaged.
func (a *Agent) persist(ctx context.Context) error {
	if a.cfg.Persistence == "" {
		return nil
	}
	in, err := a.Intent(ctx)
	if err != nil || a.persisted.revision != nil && *a.persisted.revision == in.Revision {
		return err
	}
	err = store.WritePersistence(a.cfg.Persistence, in)
	switch {
	case err != nil && !a.persisted.failing:
		a.cfg.Logger.ErrorContext(ctx, "persistence file not up to date", "file", a.cfg.Persistence, "revision", in.Revision, "error", err)
	case err == nil && a.persisted.failing:
		a.cfg.Logger.InfoContext(ctx, "persistence file up to date again", "file", a.cfg.Persistence, "revision", in.Revision)
	}
	a.persisted.failing = err != nil
	if err == nil {
		a.persisted.revision = &in.Revision
	}
	return err
}
