package store_test

import (
	"errors"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/lb"
	"thalassa/store"
)

func TestDraftsOfTheClusterSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path, store.Options{})
	now, code := time.Unix(100, 0).UTC(), 7
	begun, err := store.NewClusterDrafts(db).Create(t.Context(), config.Draft{Author: "ann", Message: "later", Begun: now, Changed: now})
	if err != nil || begun.ID != "1" {
		t.Fatalf("got %+v, %v", begun, err)
	}
	want, err := store.NewClusterDrafts(db).Update(t.Context(), "1", func(d config.Draft) (config.Draft, error) {
		d.Listed, d.Number, d.At = true, 3, now
		d.Edits = []config.DraftEdit{
			{Number: 1, Author: "ann", Time: now, Edit: config.Edit{Op: config.Put, Kind: config.Primitives, ID: "a", Body: []byte("<primitive/>"), IsXML: true}},
			{Number: 3, Author: "bob", Time: now, Edit: config.Edit{Op: config.Rename, Kind: config.Primitives, ID: "a", Body: []byte(`{"to":"b"}`), To: "b"}},
			{Number: 4, Author: "bob", Time: now, Edit: config.Edit{Op: config.Delete, Kind: config.Tags, ID: "t", Body: []byte{}, Cascade: true}},
		}
		d.Base = map[string]string{"primitives/a": ""}
		d.Inject = []cluster.Injection{{Resource: "a", Operation: "start", Node: "n1", Code: &code}}
		return d, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no")
	if _, err := store.NewClusterDrafts(db).Update(t.Context(), "1", func(config.Draft) (config.Draft, error) { return config.Draft{}, failed }); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path, store.Options{})
	drafts := store.NewClusterDrafts(db)
	if got, err := drafts.Draft(t.Context(), "1"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if list, err := drafts.List(t.Context()); err != nil || len(list) != 1 || !reflect.DeepEqual(list[0], want) {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := drafts.Create(t.Context(), config.Draft{ID: "1"}); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("a name that is taken: %v", err)
	}
	if err := drafts.Delete(t.Context(), "1"); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"deleted twice": drafts.Delete(t.Context(), "1"),
		"read":          func() error { _, err := drafts.Draft(t.Context(), "1"); return err }(),
		"changed":       func() error { _, err := drafts.Update(t.Context(), "1", nil); return err }(),
	} {
		if !errors.As(err, new(*lb.NotFoundError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range config.MaxDrafts {
		if _, err := drafts.Create(t.Context(), config.Draft{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := drafts.Create(t.Context(), config.Draft{}); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("one too many: %v", err)
	}
}
