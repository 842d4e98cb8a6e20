package store_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/drafts"
	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/store"
)

// draftsOf are the drafts of the one agent of a cluster.
func draftsOf(t *testing.T, db *store.DB) *drafts.Drafts {
	t.Helper()
	d, err := drafts.New(t.Context(), drafts.Config{
		Store: store.NewClusterDrafts(db), Self: func() string { return "n1" }, Others: func() []string { return nil }, Changed: new(wake.Signal).Next,
		Cluster: func(context.Context) string { return "" },
		Ask: func(context.Context, string, []byte) ([]byte, error) {
			return nil, errors.New("there is no other node")
		},
		Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDraftsOfTheClusterSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path, store.Options{})
	now, code := time.Unix(100, 0).UTC(), 7
	begun, err := draftsOf(t, db).Create(t.Context(), config.Draft{Author: "ann", Message: "later", Begun: now, Changed: now})
	if err != nil || begun.ID != "1" {
		t.Fatalf("got %+v, %v", begun, err)
	}
	want, err := draftsOf(t, db).Update(t.Context(), "1", func(d config.Draft) (config.Draft, error) {
		d.Listed, d.Number, d.At = true, 3, now
		d.Edits = []config.DraftEdit{
			{Number: 1, Author: "ann", Time: now, Edit: config.Edit{Op: config.Put, Kind: config.Primitives, ID: "a", Body: []byte("<primitive/>"), IsXML: true}},
			{Number: 3, Author: "bob", Time: now, Edit: config.Edit{Op: config.Rename, Kind: config.Primitives, ID: "a", Body: []byte(`{"to":"b"}`), To: "b"}},
			{Number: 4, Author: "bob", Time: now, Edit: config.Edit{Op: config.Delete, Kind: config.Tags, ID: "t", Body: []byte{}, Cascade: true}},
		}
		d.Base = map[string]string{"primitives/a": ""}
		d.Inject = []cluster.Injection{{Resource: "a", Operation: "start", Node: "n1", Code: &code}}
		d.Commit = &config.Committing{Job: "4bfe0fa0a9a1f1b6c3d2", Begun: now}
		return d, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no")
	if _, err := draftsOf(t, db).Update(t.Context(), "1", func(config.Draft) (config.Draft, error) { return config.Draft{}, failed }); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path, store.Options{})
	drafts := draftsOf(t, db)
	if got, err := drafts.Draft(t.Context(), "1"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if list, err := drafts.List(t.Context()); err != nil || len(list) != 1 || !reflect.DeepEqual(list[0], want) {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := drafts.Create(t.Context(), config.Draft{ID: "1"}); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("a name that is taken: %v", err)
	}
	if err := drafts.Delete(t.Context(), "1", nil); err != nil {
		t.Error(err)
	}
	drafts = draftsOf(t, db)
	for name, err := range map[string]error{
		"deleted twice": drafts.Delete(t.Context(), "1", nil),
		"read":          func() error { _, err := drafts.Draft(t.Context(), "1"); return err }(),
		"changed":       func() error { _, err := drafts.Update(t.Context(), "1", nil); return err }(),
	} {
		if !errors.As(err, new(*lb.NotFoundError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range config.MaxDrafts {
		if d, err := drafts.Create(t.Context(), config.Draft{}); err != nil || d.ID == "1" {
			t.Fatalf("draft %s: %v", d.ID, err)
		}
	}
	if _, err := drafts.Create(t.Context(), config.Draft{}); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("one too many: %v", err)
	}
}

// What an agent has stored that did not share drafts is there after the upgrade.
func TestDraftsOfAFormerVersion(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "db"), store.Options{})
	former := []byte(`{"id":"7","author":"ann","begun":"2026-01-02T03:04:05Z","changed":"2026-01-02T03:04:05Z","number":1,"edits":[{"number":1,"time":"2026-01-02T03:04:05Z","op":"put","kind":"tags","id":"t","body":"{}"}]}`)
	if err := store.NewClusterDrafts(db).Save(t.Context(), map[string][]byte{"7": former}, nil, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	d, err := draftsOf(t, db).Draft(t.Context(), "7")
	if err != nil || d.Author != "ann" || len(d.Edits) != 1 || string(d.Edits[0].Edit.Body) != "{}" {
		t.Errorf("%+v, %v", d, err)
	}
}
