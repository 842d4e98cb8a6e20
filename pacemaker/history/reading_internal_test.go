package history

import (
	"context"
	"io"

	"thalassa/cluster"
	"thalassa/pacemaker"
)

// ExportThrough is Export that reads its inputs with load.
func (p Past) ExportThrough(ctx context.Context, w io.Writer, load func(id string) ([]byte, *pacemaker.CIB, error), f cluster.HistoryFilter, by cluster.HistoryOrigin) error {
	p.reading = newReading(load)
	return p.export(ctx, w, f, by)
}
