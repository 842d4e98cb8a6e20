package api

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/stage"
)

// UndoStaged undoes the last edit of a draft. It is refused if the caller may not change the
// objects. Errors are those of stage.Draft.Undone, and *lb.NotFoundError.
func (a *Agent) UndoStaged(ctx context.Context, id string) (stage.Draft, error) {
	in, err := a.views.Intent(ctx)
	if err != nil {
		return stage.Draft{}, err
	}
	return a.drafts.UpdateDraft(ctx, id, func(d stage.Draft) (stage.Draft, error) {
		next, err := d.Undone(a.now())
		if err != nil {
			return d, err
		}
		// A rebase has changed no object, but what a commit would do to it.
		objects := d.Edits[len(d.Edits)-1].Objects
		return next, errors.Join(
			judgeEdits(ctx, in, stage.Towards(d.View(in), next.View(in))), judgeEdits(ctx, in, stage.Towards(in, d.Only(objects).View(in))),
		)
	})
}

// seenEdits are the edits of a draft that concern nothing that the caller does not see.
func seenEdits(ctx context.Context, edits []stage.DraftEdit) []stage.DraftEdit {
	s, limited := sightOf(ctx)
	if !limited {
		return edits
	}
	return slices.DeleteFunc(slices.Clone(edits), func(e stage.DraftEdit) bool {
		return slices.ContainsFunc(e.Objects, func(id string) bool { return !s.grant.Sees(id) })
	})
}

// edits answers with the edits of a draft, newest first.
func (h draftHandlers) edits(c echo.Context) error {
	d, _, err := h.find(c)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, node.NewDraftEdits(seenEdits(c.Request().Context(), d.Edits)))
}

// undo undoes the last edit of a draft.
func (h draftHandlers) undo(c echo.Context) error {
	ctx := c.Request().Context()
	d, err := h.agent.UndoStaged(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	in, err := h.agent.views.Intent(ctx)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, node.NewDraft(h.seen(ctx, d), in))
}

// rename gives a draft another message.
func (h draftHandlers) rename(c echo.Context) error {
	data, err := body(c)
	if err != nil {
		return err
	}
	message, err := node.ParseDraftMessage(data)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	in, err := h.agent.views.Intent(ctx)
	if err != nil {
		return err
	}
	d, err := h.agent.drafts.UpdateDraft(ctx, c.Param("id"), func(d stage.Draft) (stage.Draft, error) {
		d.Origin.Message = message
		return d, h.agent.judge(ctx, stage.Towards(in, d.View(in)))
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, node.NewDraft(h.seen(ctx, d), in))
}
