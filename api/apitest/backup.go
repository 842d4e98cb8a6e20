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

func (b backups) WriteBackup(ctx context.Context, w io.Writer, h backup.Header, keys func(stage.Backup) ([]byte, error)) error {
	in, err := b.node.Intent(ctx)
	if err != nil {
		return err
	}
	list, err := b.node.drafts.Drafts(ctx)
	if err != nil {
		return err
	}
	all := stage.Backup{Intent: in, Members: b.node.Snapshot().Overrides.All(), Drafts: list}
	if keys != nil {
		if all.Keys, err = keys(all); err != nil {
			return err
		}
	}
	return store.WriteBackup(w, h, all)
}

func (backups) Seal(texts map[string][]byte, passphrase string) ([]byte, error) {
	return store.SealTexts(texts, passphrase)
}

func (backups) Open(sealed []byte, passphrase string) (map[string][]byte, error) {
	return store.OpenTexts(sealed, passphrase)
}

func (backups) ReadBackup(r io.Reader) (backup.Header, stage.Backup, error) {
	return store.ReadBackup(r)
}
