package api

import (
	"strings"

	"github.com/labstack/echo/v4"
)

// The requests about drafts that are carried out at the same time: one of each caller. A
// draft may have stage.MaxDraftSize, and takes many times as much while it is decoded, shown
// on top of what is configured and compared. A commit may wait for long.
const (
	draftsAtATime  = 2
	commitsAtATime = 4
)

// draftTurns bounds how many drafts are in memory.
type draftTurns struct{ all, commits *budget }

func newDraftTurns() draftTurns {
	return draftTurns{
		all:     newBudget("requests about drafts", draftsAtATime),
		commits: newBudget("commits of drafts", commitsAtATime),
	}
}

// bounded is the handler of a route that waits for its turn where it is about a draft.
func (t draftTurns) bounded(r Route, next echo.HandlerFunc) echo.HandlerFunc {
	isAboutDrafts, turns := strings.HasPrefix(r.Path, "/drafts"), t.all
	if r.Path == "/drafts/{id}/commit" {
		turns = t.commits
	}
	return func(c echo.Context) error {
		ctx := c.Request().Context()
		if _, isInDraft := draftOf(ctx); !isAboutDrafts && !isInDraft {
			return next(c)
		}
		release, err := turns.claim(c)
		if err != nil {
			return err
		}
		defer release()
		return next(c)
	}
}
