package api

import (
	"errors"
	"strconv"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
	"thalassa/stage"
)

// restoreHandler goes back to a former revision by a new one.
type restoreHandler struct {
	changesets changesetHandlers
	history    History
}

// handle makes the objects those of a revision, or with dryRun=1 tells what that would do.
func (h restoreHandler) handle(c echo.Context) error {
	n, err := revisionNumber(c.Param("number"))
	if err != nil {
		return err
	}
	q := parameters(c.Request(), "dryRun")
	dryRun := q.flag("dryRun")
	if err := q.err(); err != nil {
		return err
	}
	data, err := body(c)
	if err != nil {
		return err
	}
	how, err := node.ParseRestore(data)
	if err != nil {
		return err
	}
	const attempts = 3 // somebody else may change something meanwhile
	for i := 1; ; i++ {
		err := h.restore(c, n, how, dryRun)
		if i == attempts || !errors.As(err, new(*lb.PreconditionError)) {
			return err
		}
	}
}

func (h restoreHandler) restore(c echo.Context, n uint64, how node.Restore, dryRun bool) error {
	ctx := c.Request().Context()
	former, err := h.history.IntentAt(ctx, n)
	if err != nil {
		return err
	}
	now, err := h.changesets.agent.Intent(ctx)
	if err != nil {
		return err
	}
	set := stage.Changeset{Edits: stage.Towards(now, former), Origin: h.changesets.agent.Origin(c)}
	set.Origin.Message = how.Message
	if set.Origin.Message == "" {
		set.Origin.Message = "restore revision " + strconv.FormatUint(n, 10)
	}
	for i := range set.Edits {
		set.Edits[i].Force, set.Edits[i].Wait = how.Force, how.Wait
	}
	return h.changesets.carryOut(c, set, dryRun)
}
