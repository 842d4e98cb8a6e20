package agent

import (
	"context"
	"fmt"
	"slices"

	"thalassa/lb"
)

// judgeLines asks what the raw lines of an edit reach. doubt holds only if HAProxy takes
// them.
func (a *Agent) judgeLines(e lb.Edit) (refused, doubt error) {
	if a.cfg.RawLines == nil {
		return nil, nil
	}
	return a.cfg.RawLines.Check(e)
}

// maxLineWarnings bounds what is told about raw lines at once.
const maxLineWarnings = 100

// lineWarnings are those about raw lines that are in effect; nobody changes the list.
func (a *Agent) lineWarnings() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lines
}

// judgeStored warns of raw lines that are stored already and would be refused now,
// each once. They stay in effect: an agent of a stricter version must not take
// traffic away.
func (a *Agent) judgeStored(ctx context.Context, in lb.Intent) {
	if a.cfg.RawLines == nil {
		return
	}
	now := a.cfg.RawLines.Warnings(in)
	if more := len(now) - maxLineWarnings; more > 0 {
		now = append(now[:maxLineWarnings], fmt.Sprintf("%d more raw lines would be refused now", more))
	}
	a.mu.Lock()
	before := a.lines
	a.lines = now
	a.mu.Unlock()
	for _, w := range now {
		if !slices.Contains(before, w) {
			a.cfg.Logger.WarnContext(ctx, "raw line would be refused now", "warning", w)
		}
	}
}
