package agent

import (
	"context"
	"fmt"
	"strings"

	"thalassa/activity"
	"thalassa/lb"
	"thalassa/store"
)

// An intentCopy is the JSON copy of the intent. The store decides; the copy is what remains if the
// store is damaged. The persister's goroutine writes it.
type intentCopy struct {
	cfg      *Config
	inputs   *inputs
	importer *importer

	revision *uint64 // that it holds; nil: not known
	failing  bool
}

// load stores what the file of an earlier installation asks for, when nothing is stored
// yet. The store wins otherwise.
func (c *intentCopy) load(ctx context.Context) error {
	if c.cfg.Persistence == "" {
		return nil
	}
	in, err := c.inputs.intent(ctx)
	if err != nil || in.Revision > 0 {
		return err
	}
	im, found, err := c.importer.take(ctx)
	if err != nil || !found {
		return err
	}
	by := lb.Origin{Author: "thalassa", Cause: "importing " + c.cfg.Persistence, Time: c.cfg.Now()}
	rev, err := c.cfg.Intents.Commit(ctx, in.Revision, im.Intent, by)
	if err != nil {
		return fmt.Errorf("storing what %s asks for: %w", c.cfg.Persistence, err)
	}
	c.cfg.Logger.InfoContext(ctx, "persistence file imported", "file", c.cfg.Persistence,
		"frontends", len(im.Intent.Frontends), "backends", len(im.Intent.Backends), "left_out", len(im.Left))
	c.cfg.Journal.Note(activity.Event{
		Verb: activity.Imported, Object: agentObject(c.cfg.Label), Author: by.Author, Cause: by.Cause, Revision: rev.Number,
		Error: strings.Join(im.Left, "\n"),
	})
	return nil
}

// sweep removes what an agent that was killed has left beside the file.
func (c *intentCopy) sweep(ctx context.Context) {
	if c.cfg.Persistence != "" {
		store.SweepPersistence(ctx, c.cfg.Persistence, c.cfg.Logger)
	}
}

// write brings the file up to date, and logs when that begins and ceases to fail.
func (c *intentCopy) write(ctx context.Context) error {
	if c.cfg.Persistence == "" {
		return nil
	}
	in, err := c.inputs.intent(ctx)
	if err != nil || c.revision != nil && *c.revision == in.Revision {
		return err
	}
	err = store.WritePersistence(c.cfg.Persistence, in)
	switch {
	case err != nil && !c.failing:
		c.cfg.Logger.ErrorContext(ctx, "persistence file not up to date", "file", c.cfg.Persistence, "revision", in.Revision, "error", err)
	case err == nil && c.failing:
		c.cfg.Logger.InfoContext(ctx, "persistence file up to date again", "file", c.cfg.Persistence, "revision", in.Revision)
	}
	c.failing = err != nil
	if err == nil {
		c.revision = &in.Revision
	}
	return err
}
