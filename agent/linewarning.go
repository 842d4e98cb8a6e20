package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"thalassa/lb"
	"thalassa/stage"
)

// maxLineWarnings bounds how many warnings about raw lines there are at once.
const maxLineWarnings = 100

// lineWarnings are about raw lines that are in effect and would be refused now.
type lineWarnings struct {
	cfg *Config

	mu   sync.Mutex
	list []string
}

// check asks what the raw lines of an edit reach. doubt holds only if HAProxy accepts
// them.
func (w *lineWarnings) check(e lb.Edit) (refused, doubt error) {
	lines := w.cfg.tuned().RawLines
	if lines == nil {
		return nil, nil
	}
	return lines.Check(e)
}

// checkAll is check for all edits of a changeset. err is why one of them is refused.
func (w *lineWarnings) checkAll(set stage.Changeset) (doubt, err error) {
	for i, e := range set.Edits {
		refused, d := w.check(e)
		if refused != nil {
			return nil, stage.About(i, refused)
		}
		doubt = cmp.Or(doubt, stage.About(i, d))
	}
	return doubt, nil
}

// update warns of raw lines that are stored and would be refused now, each once. They
// stay in effect: an agent of a stricter version must not take traffic away.
func (w *lineWarnings) update(ctx context.Context, in lb.Intent) {
	lines := w.cfg.tuned().RawLines
	if lines == nil {
		return
	}
	now := append(lines.Warnings(in), lb.FieldOverrides(in)...)
	if more := len(now) - maxLineWarnings; more > 0 {
		now = append(now[:maxLineWarnings], fmt.Sprintf("%d more raw lines would be refused now", more))
	}
	w.mu.Lock()
	before := w.list
	w.list = now
	w.mu.Unlock()
	for _, text := range now {
		if !slices.Contains(before, text) {
			w.cfg.Logger.WarnContext(ctx, "raw line would be refused now", "warning", text)
		}
	}
}

// current is the newest list, which nobody changes.
func (w *lineWarnings) current() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.list
}
