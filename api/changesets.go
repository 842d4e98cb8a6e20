package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
	"thalassa/stage"
)

// maxChangeset is the maximum size of a changeset's body. It is what one caller gets of
// Config.BodyBytes by default.
const maxChangeset = 4 << 20

// changesPath is the path for changesets, the only one that takes bodies of maxChangeset.
const changesPath = "/changes"

// changesetHandlers carry out several edits as one change.
type changesetHandlers struct{ agent *Agent }

// apply carries out a changeset, or with dryRun=1 tells what it would do.
func (h changesetHandlers) apply(c echo.Context) error {
	q := parameters(c.Request(), "dryRun")
	dryRun := q.flag("dryRun")
	if err := q.err(); err != nil {
		return err
	}
	data, err := bodyOf(c, maxChangeset)
	if err != nil {
		return err
	}
	set, err := node.ParseChangeset(data)
	if err != nil {
		return err
	}
	message := set.Origin.Message
	set.Origin = h.agent.Origin(c)
	set.Origin.Message = message
	return h.carryOut(c, set, dryRun)
}

// carryOut carries out a changeset and answers with what it has changed.
func (h changesetHandlers) carryOut(c echo.Context, set stage.Changeset, dryRun bool) error {
	if dryRun {
		preview, err := h.agent.Preview(c.Request().Context(), set)
		if err != nil {
			return err
		}
		doc, err := node.NewPreview(preview)
		if err != nil {
			return err
		}
		return respond(c, http.StatusOK, doc)
	}
	done, err := h.applied(c, set)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, done)
}

// applied carries out a changeset. The answer has what it has changed.
func (h changesetHandlers) applied(c echo.Context, set stage.Changeset) (changed, error) {
	applied, err := h.carried(c, set)
	if err != nil {
		return changed{}, err
	}
	return withChanges(applied)
}

// withChanges is the answer that a changeset has been carried out, with what it has changed.
func withChanges(applied lb.Applied) (changed, error) {
	docs, err := node.NewChanges(applied.Changes)
	return changed{struct {
		Changes []node.Change `json:"changes"`
	}{docs}, applied}, err
}

// carried carries out a changeset, which may wait for healthy instances.
func (h changesetHandlers) carried(c echo.Context, set stage.Changeset) (lb.Applied, error) {
	return untilEnd(c, func(ctx context.Context) (lb.Applied, error) { return h.agent.Apply(ctx, set) })
}

// definitions answers with all frontends and backends as operators defined them.
func (h changesetHandlers) definitions(c echo.Context) error {
	in, err := h.agent.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	return respondTagged(c, node.NewDefinitions(in))
}
