package apitest

import (
	"context"
	"io"

	"thalassa/backup"
	"thalassa/stage"
	"thalassa/store"
)

// backups makes backups of a node in memory.
type backups struct{ node *Node }

func (b backups) WriteBackup(ctx context.Context, w io.Writer, h backup.Header) error {
	in, err := b.node.Intent(ctx)
	if err != nil {
		return err
	}
	list, err := b.node.drafts.Drafts(ctx)
	if err != nil {
		return err
	}
	return store.WriteBackup(w, h, stage.Backup{Intent: in, Members: b.node.Snapshot().Overrides.All(), Drafts: list})
}

func (backups) ReadBackup(r io.Reader) (backup.Header, stage.Backup, error) {
	return store.ReadBackup(r)
}
