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

// handle restores the objects of a revision, or with dryRun=1 shows what that would do.
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
	how, err := restoreOf(c)
	if err != nil {
		return err
	}
	return retried(func() error {
		former, err := h.history.IntentAt(c.Request().Context(), n)
		if err != nil {
			return err
		}
		how := how
		if how.Message == "" {
			how.Message = "restore revision " + strconv.FormatUint(n, 10)
		}
		set, err := h.changesets.towards(c, former, how)
		if err != nil {
			return err
		}
		return set.Named(h.changesets.carryOut(c, set, dryRun))
	})
}

// restoreOf reads the body of a request that restores or commits.
func restoreOf(c echo.Context) (node.Restore, error) {
	data, err := body(c)
	if err != nil {
		return node.Restore{}, err
	}
	return node.ParseRestore(data)
}

// retried repeats a change a few times if another change interferes.
func retried(change func() error) error {
	const attempts = 3
	for i := 1; ; i++ {
		err := change()
		if i == attempts || !errors.As(err, new(*lb.PreconditionError)) {
			return err
		}
	}
}

// towards is the changeset that turns all objects into those of an intent.
func (h changesetHandlers) towards(c echo.Context, wanted lb.Intent, how node.Restore) (stage.Changeset, error) {
	now, err := h.agent.Intent(c.Request().Context())
	if err != nil {
		return stage.Changeset{}, err
	}
	set := stage.Changeset{Edits: stage.Towards(now, wanted), Origin: h.agent.Origin(c)}
	set.Origin.Message = how.Message
	for i := range set.Edits {
		set.Edits[i].Force, set.Edits[i].Wait = how.Force, how.Wait
	}
	return set, nil
}
