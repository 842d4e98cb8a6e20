package client

import (
	"context"
	"io"
	"net/url"

	"thalassa/api/node"
)

// sqliteType is the media type of SQLite databases.
const sqliteType = "application/vnd.sqlite3"

// Imports imports configurations of other programs.
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

// ImportedFileChanges are what the import of a haproxy.cfg has done.
type ImportedFileChanges struct {
	Changed
	node.ImportedFile
}

// ImportedFilePreview is what the import of a haproxy.cfg would do.
type ImportedFilePreview struct {
	Preview
	node.ImportedFile
}

// A FileImport says how to import a haproxy.cfg.
type FileImport struct {
	Message  string // what for; may be empty
	Hostname string // of this node among peers; may be empty
	Replace  bool   // objects of the same names
}

func (f FileImport) path(dryRun bool) string {
	query := url.Values{}
	for name, value := range map[string]string{"message": f.Message, "hostname": f.Hostname} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for name, isSet := range map[string]bool{"replace": f.Replace, "dryRun": dryRun} {
		if isSet {
			query.Set(name, "1")
		}
	}
	return "/import/haproxy?" + query.Encode()
}

// HAProxy imports a haproxy.cfg of size bytes, as one revision.
func (c Imports) HAProxy(ctx context.Context, text io.Reader, size int64, f FileImport) (ImportedFileChanges, error) {
	return upload[ImportedFileChanges](ctx, c.transport, f.path(false), Restore{}, &content{"text/plain", text, size})
}

// PreviewHAProxy returns what importing a haproxy.cfg would do.
func (c Imports) PreviewHAProxy(ctx context.Context, text io.Reader, size int64, f FileImport) (ImportedFilePreview, error) {
	return upload[ImportedFilePreview](ctx, c.transport, f.path(true), Restore{}, &content{"text/plain", text, size})
}

// PyHrapi imports a database of pyHrapi of size bytes, as one revision.
func (c Imports) PyHrapi(ctx context.Context, data io.Reader, size int64, r Restore) (ImportedChanges, error) {
	return upload[ImportedChanges](ctx, c.transport, restoreQuery("/import/pyhrapi", r, false), r, &content{sqliteType, data, size})
}

// PreviewPyHrapi returns what importing a database of pyHrapi would do.
func (c Imports) PreviewPyHrapi(ctx context.Context, data io.Reader, size int64, r Restore) (ImportPreview, error) {
	return upload[ImportPreview](ctx, c.transport, restoreQuery("/import/pyhrapi", r, true), r, &content{sqliteType, data, size})
}
