package client

import (
	"context"
	"io"

	"thalassa/api/node"
)

// sqliteType is the media type of SQLite databases.
const sqliteType = "application/vnd.sqlite3"

// Imports carry over what other programs have.
type Imports struct{ transport transport }

// NewImports are those of an agent.
func NewImports(c *Client) Imports { return Imports{c.transport} }

// ImportedChanges are what an import has done.
type ImportedChanges struct {
	Changed
	node.Imported
}

// ImportPreview is what an import would do.
type ImportPreview struct {
	Preview
	node.Imported
}

// PyHrapi carries over a database of pyHrapi of so many bytes, by one revision.
func (c Imports) PyHrapi(ctx context.Context, data io.Reader, size int64, r Restore) (ImportedChanges, error) {
	return upload[ImportedChanges](ctx, c.transport, restoreQuery("/import/pyhrapi", r, false), r, &content{sqliteType, data, size})
}

// PreviewPyHrapi tells what carrying over a database of pyHrapi would do.
func (c Imports) PreviewPyHrapi(ctx context.Context, data io.Reader, size int64, r Restore) (ImportPreview, error) {
	return upload[ImportPreview](ctx, c.transport, restoreQuery("/import/pyhrapi", r, true), r, &content{sqliteType, data, size})
}
