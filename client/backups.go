package client

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"thalassa/api/node"
)

const (
	backupPath = "/backup"
	// backupType is the media type of backups.
	backupType = "application/x-ndjson"
)

// Backups makes and restores backups of an agent.
type Backups struct {
	transport  transport
	passphrase string
}

// NewBackups are those of an agent.
func NewBackups(c *Client) Backups { return Backups{transport: c.transport} }

// Make writes a backup to w without checking it. Check it before you rely on it, with package
// backup.
//
// With a passphrase the backup has the keys of certificates, encrypted for it.
func (b Backups) Make(ctx context.Context, w io.Writer, passphrase string) error {
	a, err := b.transport.do(ctx, call{method: http.MethodGet, path: backupPath, wait: changeTime, conditions: secretly(passphrase)})
	if err != nil {
		return err
	}
	_, err = w.Write(a.body)
	return err
}

// WithPassphrase are the same, and a restore takes the keys of certificates, which were
// encrypted for the passphrase.
func (b Backups) WithPassphrase(passphrase string) Backups {
	b.passphrase = passphrase
	return b
}

// secretly sends a passphrase, unless it is empty.
func secretly(passphrase string) []Condition {
	if passphrase == "" {
		return nil
	}
	return []Condition{func(h http.Header) {
		h.Set("Thalassa-Passphrase", base64.StdEncoding.EncodeToString([]byte(passphrase)))
	}}
}

// A RestoredBackup is what the restore of a backup has done.
type RestoredBackup struct {
	Changed
	node.Restored
}

// A BackupPreview is what the restore of a backup would do.
type BackupPreview struct {
	Preview
	node.Restored
}

// Restore restores a backup of size bytes, as one revision.
func (b Backups) Restore(ctx context.Context, data io.Reader, size int64, r Restore) (RestoredBackup, error) {
	return upload[RestoredBackup](ctx, b.transport, restoreQuery(backupPath, r, false), r, &content{backupType, data, size}, secretly(b.passphrase)...)
}

// Preview returns what a restore would do.
func (b Backups) Preview(ctx context.Context, data io.Reader, size int64, r Restore) (BackupPreview, error) {
	return upload[BackupPreview](ctx, b.transport, restoreQuery(backupPath, r, true), r, &content{backupType, data, size}, secretly(b.passphrase)...)
}

// upload sends a file that makes a change, and decodes the answer.
func upload[T any](ctx context.Context, t transport, path string, r Restore, file *content, headers ...Condition) (T, error) {
	var out T
	a, err := t.do(ctx, call{method: http.MethodPost, path: path, wait: changeTime + max(r.Wait, 0), content: file, conditions: headers})
	if err != nil {
		return out, err
	}
	return out, a.decode(&out)
}

// restoreQuery is a path with how to make a change of a file.
func restoreQuery(path string, r Restore, dryRun bool) string {
	q := url.Values{}
	if dryRun {
		q.Set("dryRun", "1")
	}
	if r.Message != "" {
		q.Set("message", r.Message)
	}
	if r.Force {
		q.Set("force", strconv.FormatBool(r.Force))
	}
	if r.Wait > 0 {
		q.Set("wait", r.Wait.String())
	}
	return withQuery(path, q)
}
