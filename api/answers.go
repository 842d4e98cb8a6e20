package api

import (
	"context"
	"net/http"
	"sync"

	"github.com/labstack/echo/v4"
)

const (
	// unknownAnswer is the expected size of an answer of a route that has not answered yet:
	// it takes all that one caller may have, so that many at once wait for the first one.
	unknownAnswer = 1 << 40
	// answerCost is the memory for each byte of an answer: as values, encoded, and while it is
	// written.
	answerCost = 3
)

// answers bounds the memory of the answers that are made and written at the same time. It expects
// that an answer of a route is as large as the last ones.
type answers struct {
	*budget

	mu    sync.Mutex
	sizes map[string]int64 // by path of the route
}

func newAnswers(total int64) *answers {
	return &answers{budget: newBudget("large answers", total), sizes: map[string]int64{}}
}

// hold takes what an answer of a route may need.
func (a *answers) hold(ctx context.Context, caller, route string) (release func(), err error) {
	return a.acquire(ctx, caller, answerCost*a.expected(route))
}

// expected is the expected size of an answer.
func (a *answers) expected(path string) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if size, known := a.sizes[path]; known {
		return size
	}
	return unknownAnswer
}

// learn remembers the size of an answer; a larger one counts for a while.
func (a *answers) learn(path string, size int64) {
	const memory = 8 // answers
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sizes[path] = max(size, a.sizes[path]-a.sizes[path]/memory)
}

// bounded is the handler of a route that waits until the budget has room for its answer.
// Routes that wait for something else, or answer piece by piece, take it themselves.
func (a *answers) bounded(r Route, next echo.HandlerFunc) echo.HandlerFunc {
	switch {
	case r.Method != http.MethodGet, r.Need == 0 && r.Path != "/metrics":
		return next
	case r.Path == "/streams", r.Path == "/monitor", r.Path == "/monitor.json", r.Path == "/activity", r.Path == "/revisions", r.Path == "/drafts", r.Path == backupPath, r.Path == clusterExportPath:
		return next
	}
	return func(c echo.Context) error {
		release, err := a.hold(c.Request().Context(), payer(c), c.Path())
		if err != nil {
			return err
		}
		defer release()
		err = next(c)
		if c.Response().Committed {
			a.learn(c.Path(), c.Response().Size)
		}
		return err
	}
}
