package agent

import (
	"context"
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

// judgeStored warns of raw lines that are stored already and would be refused now,
// each once. They stay in effect: an agent of a stricter version must not take
// traffic away.
func (a *Agent) judgeStored(ctx context.Context, in lb.Intent) {
	if a.cfg.RawLines == nil {
		return
	}
	now := a.cfg.RawLines.Warnings(in)
	a.mu.Lock()
	before := a.warnings
	a.warnings = now
	a.mu.Unlock()
	for _, w := range now {
		if !slices.Contains(before, w) {
			a.cfg.Logger.WarnContext(ctx, "raw line would be refused now", "warning", w)
		}
	}
}
