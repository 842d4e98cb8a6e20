package api

import (
	"context"
	"slices"

	"thalassa/lb"
	"thalassa/stage"
)

// sightedDrafts are drafts as the caller of a context sees them: one that changes hidden objects
// alone is not there. Its ID may name them.
type sightedDrafts struct{ Drafts }

// openDraftKey marks a context of a dialect whose draft is known to everybody.
type openDraftKey struct{}

// withOpenDraft is a context for the one draft of a dialect.
func withOpenDraft(ctx context.Context) context.Context {
	return context.WithValue(ctx, openDraftKey{}, true)
}

// check is an *lb.NotFoundError if the caller must not know of a draft.
func (s sightedDrafts) check(ctx context.Context, d stage.Draft) error {
	sight, limited := sightOf(ctx)
	if !limited || len(d.Objects) == 0 || ctx.Value(openDraftKey{}) != nil {
		return nil
	}
	if slices.ContainsFunc(d.Objects, func(o stage.DraftObject) bool { return sight.grant.Sees(o.ID) }) {
		return nil
	}
	return &lb.NotFoundError{ID: "drafts/" + d.ID}
}

// Draft is the draft with an ID.
func (s sightedDrafts) Draft(ctx context.Context, id string) (stage.Draft, error) {
	d, err := s.Drafts.Draft(ctx, id)
	if err == nil {
		err = s.check(ctx, d)
	}
	return d, err
}

// CreateDraft makes a draft. Who does not see all drafts cannot choose its ID: the answer would
// tell which are taken.
func (s sightedDrafts) CreateDraft(ctx context.Context, d stage.Draft) (stage.Draft, error) {
	if _, limited := sightOf(ctx); limited && d.ID != "" && ctx.Value(openDraftKey{}) == nil {
		return d, invalidField("id", "is set, and you do not see the drafts of all objects", "no id: the agent chooses one")
	}
	return s.Drafts.CreateDraft(ctx, d)
}

// UpdateDraft changes a draft.
func (s sightedDrafts) UpdateDraft(ctx context.Context, id string, change func(stage.Draft) (stage.Draft, error)) (stage.Draft, error) {
	return s.Drafts.UpdateDraft(ctx, id, func(d stage.Draft) (stage.Draft, error) {
		if err := s.check(ctx, d); err != nil {
			return d, err
		}
		return change(d)
	})
}
