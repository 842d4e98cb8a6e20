package discovery

import (
	"context"
	"log/slog"

	"thalassa/lb"
)

// A note is an event to be logged.
type note struct {
	kind    noteKind
	service lb.Name // empty: the whole catalog
	reason  string
	leftOut leftOut
}

type noteKind int

const (
	noteOutage noteKind = iota
	noteOutageOver
	noteUnusable
	noteUsable
	noteLeftOut
	noteHeld
	noteReleased
)

// log logs a note.
func (n note) log(ctx context.Context, logger *slog.Logger) {
	if n.service != "" {
		logger = logger.With("service", string(n.service))
	}
	switch n.kind {
	case noteOutage:
		logger.WarnContext(ctx, "consul does not answer, keeping the last instances", "reason", n.reason)
	case noteOutageOver:
		logger.InfoContext(ctx, "consul answers again")
	case noteUnusable:
		logger.WarnContext(ctx, "answer of consul is unusable, keeping the last instances", "reason", n.reason)
	case noteUsable:
		logger.InfoContext(ctx, "answer of consul is usable again")
	case noteHeld:
		logger.WarnContext(ctx, "many instances are missing at once, holding them", "reason", n.reason)
	case noteReleased:
		logger.InfoContext(ctx, "instances are no longer held", "reason", n.reason)
	case noteLeftOut:
		logger.WarnContext(ctx, "instance ignored", "node", n.leftOut.node, "id", n.leftOut.id, "reason", n.leftOut.reason)
	}
}

// maxLeftOut limits how many ignored instances of one answer are logged.
const maxLeftOut = 10

// noteLeftOut returns notes of the ignored instances that were not in the previous
// answer.
func (svc *service) noteLeftOut(out []leftOut) []note {
	var notes []note
	logged := map[leftOut]bool{}
	for _, l := range out {
		if len(logged) == maxLeftOut {
			break
		}
		if !svc.leftOut[l] {
			notes = append(notes, note{kind: noteLeftOut, service: svc.name, leftOut: l})
		}
		logged[l] = true
	}
	svc.leftOut = logged
	return notes
}
