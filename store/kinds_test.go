package store_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"thalassa/backup"
	"thalassa/lb"
	"thalassa/stage"
	"thalassa/store"
	"thalassa/store/storetest"
)

// Objects of every kind are in the persistence file and in a backup. That the database has
// them is what storetest checks with the same sample.
func TestEveryKindIsKept(t *testing.T) {
	in := storetest.Sample("1")
	for _, k := range lb.Kinds() {
		if !slices.ContainsFunc(in.Changes(lb.Intent{}), func(c lb.ObjectChange) bool { return lb.KindOf(c.ID) == k }) {
			t.Errorf("the sample has no %s", k)
		}
	}
	path := filepath.Join(t.TempDir(), "persistence.json")
	if err := store.WritePersistence(path, in); err != nil {
		t.Fatal(err)
	}
	got, _, err := store.ReadPersistence(path)
	if changes := in.Changes(got); err != nil || len(changes) > 0 {
		t.Errorf("from the persistence file: %v, different: %v", err, changes)
	}
	var file bytes.Buffer
	if err := store.WriteBackup(&file, backup.Header{}, stage.Backup{Intent: in}); err != nil {
		t.Fatal(err)
	}
	_, back, err := store.ReadBackup(&file)
	if changes := in.Changes(back.Intent); err != nil || len(changes) > 0 {
		t.Errorf("from a backup: %v, different: %v", err, changes)
	}
}
