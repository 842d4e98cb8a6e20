package agent

import (
	"context"
	"fmt"

	"thalassa/activity"
	"thalassa/lb"
	"thalassa/store"
)

// importPersistence takes over the JSON file of an earlier installation when
// nothing is stored yet. The store wins otherwise: the file is its copy.
func (a *Agent) importPersistence(ctx context.Context) error {
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

// persist brings the JSON copy up to date. A failure is logged when it begins;
// the store is what counts.
func (a *Agent) persist(ctx context.Context, in lb.Intent) {
	if a.cfg.Persistence == "" {
		return
	}
	err := store.WritePersistence(a.cfg.Persistence, in)
	if err != nil {
		a.cfg.Logger.ErrorContext(ctx, "persistence file not up to date", "file", a.cfg.Persistence, "revision", in.Revision, "error", err)
	}
}
